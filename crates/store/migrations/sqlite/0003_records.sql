-- Usage by API, application, device and UTC day (days since 1970-01-01). A call without a known caller has no
-- bytes for its application and its subject, and stands in bucket 0. An application's own calls have its client
-- for their subject.

CREATE TABLE usage (
    bucket INTEGER NOT NULL,
    day INTEGER NOT NULL,
    api BYTEA NOT NULL,
    application BYTEA NOT NULL,
    subject BYTEA NOT NULL,
    device TEXT NOT NULL,
    calls BIGINT NOT NULL,
    denied BIGINT NOT NULL,
    limited BIGINT NOT NULL,
    unfit BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (bucket, day, api, application, subject, device)
) WITHOUT ROWID;

CREATE INDEX usage_application ON usage (application, day);
CREATE INDEX usage_api ON usage (api, day);

CREATE TABLE device_seen (
    bucket INTEGER NOT NULL,
    client BYTEA NOT NULL,
    subject BYTEA NOT NULL,
    device TEXT NOT NULL,
    at BIGINT NOT NULL,
    address TEXT,
    user_agent TEXT,
    PRIMARY KEY (bucket, client, subject, device)
) WITHOUT ROWID;
