-- The registry. What nothing is searched by stands in documents (details, metadata, definition). Names are
-- sorted and searched as they stand in `folded`: in lower case. `owner_name` repeats the owner's name, which never
-- changes, for lists that are sorted by it.

CREATE TABLE application_next (
    id BYTEA PRIMARY KEY,
    kind TEXT NOT NULL,
    owner BYTEA NOT NULL,
    owner_name TEXT NOT NULL,
    name TEXT NOT NULL,
    folded TEXT NOT NULL,
    tier TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    details TEXT NOT NULL,
    UNIQUE (owner, kind, name)
);

INSERT INTO application_next
SELECT a.id, 'PORTAL', a.owner, coalesce(u.name, ''), a.name, lower(a.name), a.tier, 'APPROVED', a.created_at,
    a.created_at, '{}'
FROM application a LEFT JOIN users u ON u.id = a.owner;

DROP TABLE application;
ALTER TABLE application_next RENAME TO application;

CREATE INDEX application_by_name ON application (kind, folded, id);
CREATE INDEX application_by_owner ON application (kind, owner_name, folded, id);
CREATE INDEX application_by_created ON application (kind, created_at, id);
CREATE INDEX application_by_tier ON application (kind, tier, folded, id);
CREATE INDEX application_of_owner ON application (owner, kind, folded, id);
CREATE INDEX application_of_owner_created ON application (owner, kind, created_at, id);
CREATE INDEX application_of_owner_tier ON application (owner, kind, tier, folded, id);

CREATE TABLE application_group (
    group_name TEXT NOT NULL,
    application BYTEA NOT NULL,
    PRIMARY KEY (group_name, application)
);

CREATE INDEX application_group_application ON application_group (application);

ALTER TABLE client ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE client ADD COLUMN further_secrets TEXT NOT NULL DEFAULT '[]';

-- A client that serves another application than the one that it was registered with.
CREATE TABLE client_mapping (
    client BYTEA PRIMARY KEY,
    registration BYTEA NOT NULL
);

CREATE UNIQUE INDEX client_mapping_registration ON client_mapping (registration);

-- Of a subscription from before this migration it is known only that it is not older than its application.
ALTER TABLE subscription ADD COLUMN id BYTEA NOT NULL DEFAULT '\x';
ALTER TABLE subscription ADD COLUMN requested_tier TEXT;
ALTER TABLE subscription ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subscription ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;

UPDATE subscription SET id = uuid_send(gen_random_uuid()),
    created_at = coalesce((SELECT a.created_at FROM application a WHERE a.id = subscription.application), 0);
UPDATE subscription SET updated_at = created_at;

CREATE UNIQUE INDEX subscription_id ON subscription (id);
CREATE INDEX subscription_tier ON subscription (tier);

-- How many applications each owner has, how many subscriptions each API has, and of either all, under no bytes.
CREATE TABLE entry_count (
    kind TEXT NOT NULL,
    owner BYTEA NOT NULL,
    entries BIGINT NOT NULL,
    PRIMARY KEY (kind, owner)
);

INSERT INTO entry_count SELECT 'application', owner, count(*) FROM application GROUP BY owner;
INSERT INTO entry_count SELECT 'application', '\x', count(*) FROM application;
INSERT INTO entry_count SELECT 'subscription', api, count(*) FROM subscription GROUP BY api;
INSERT INTO entry_count SELECT 'subscription', '\x', count(*) FROM subscription;

-- What a portal shows of an API beside what the gateway asks: who provides it, what it is called, who sees it. `draft`
-- is the definition as it is edited, where it is not the one that is deployed; `document` the OpenAPI
-- document as it was given.
CREATE TABLE api_listing (
    api BYTEA PRIMARY KEY,
    name TEXT NOT NULL,
    folded TEXT NOT NULL,
    context TEXT NOT NULL,
    version TEXT NOT NULL,
    provider TEXT NOT NULL,
    state TEXT NOT NULL,
    visibility TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    details TEXT NOT NULL,
    draft TEXT,
    document TEXT
);

CREATE INDEX api_listing_name ON api_listing (folded, version, api);

CREATE TABLE api_tag (
    tag TEXT NOT NULL,
    api BYTEA NOT NULL,
    PRIMARY KEY (tag, api)
);

CREATE INDEX api_tag_api ON api_tag (api);

CREATE TABLE api_role (
    role TEXT NOT NULL,
    api BYTEA NOT NULL,
    PRIMARY KEY (role, api)
);

CREATE INDEX api_role_api ON api_role (api);

CREATE TABLE api_revision (
    api BYTEA NOT NULL,
    number BIGINT NOT NULL,
    id BYTEA NOT NULL,
    revision TEXT NOT NULL,
    PRIMARY KEY (api, number)
);

CREATE UNIQUE INDEX api_revision_id ON api_revision (id);

CREATE TABLE api_history (
    api BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (api, seq)
);

CREATE TABLE shared_scope (
    id BYTEA PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    definition TEXT NOT NULL
);

-- Which shared scopes an API uses.
CREATE TABLE api_scope (
    scope TEXT NOT NULL,
    api BYTEA NOT NULL,
    PRIMARY KEY (scope, api)
);

CREATE INDEX api_scope_api ON api_scope (api);

-- Every role that somebody has or had, and those that were declared.
CREATE TABLE role (
    name TEXT PRIMARY KEY
);

CREATE TABLE deny_policy (
    id BYTEA PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (kind, value)
);

CREATE TABLE workflow (
    id BYTEA PRIMARY KEY,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    reference BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    request TEXT NOT NULL
);

CREATE INDEX workflow_status ON workflow (status, kind, created_at, id);
CREATE INDEX workflow_reference ON workflow (reference, kind);

INSERT INTO role SELECT DISTINCT held.value FROM users, json_array_elements_text(users.roles::json) held (value);

-- Who provided an API before this migration, and when, is not known.
INSERT INTO api_listing
SELECT id, name, lower(name), context, version, 'admin',
    coalesce(definition::json ->> 'state', 'PUBLISHED'), 'PUBLIC', '', 0, 0, '{}', NULL, NULL
FROM api;
