-- A tier's document repeats its level and name.

CREATE TABLE tier (
    level TEXT NOT NULL,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    PRIMARY KEY (level, name)
);

ALTER TABLE subscription ADD COLUMN state TEXT NOT NULL DEFAULT 'UNBLOCKED';

CREATE INDEX subscription_api ON subscription (api);
