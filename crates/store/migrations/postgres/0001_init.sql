-- Every hot table is led by its bucket (0 to 4095), so that it can be sharded on that column as it stands.
-- Times are milliseconds since the epoch; an absent expiry is "never".

CREATE TABLE principal (
    id BYTEA PRIMARY KEY,
    epoch BIGINT NOT NULL
);

CREATE TABLE family (
    bucket INTEGER NOT NULL,
    id BYTEA NOT NULL,
    token_key BYTEA NOT NULL,
    client BYTEA NOT NULL,
    subject BYTEA NOT NULL,
    subject_type SMALLINT NOT NULL,
    scope TEXT NOT NULL,
    device TEXT NOT NULL,
    seed BYTEA NOT NULL,
    client_epoch BIGINT NOT NULL,
    subject_epoch BIGINT NOT NULL,
    access_generation BIGINT NOT NULL,
    access_issued_at BIGINT NOT NULL,
    access_expires_at BIGINT,
    access_scope TEXT,
    refresh_generation BIGINT,
    refresh_chain_start BIGINT,
    refresh_issued_at BIGINT,
    refresh_expires_at BIGINT,
    refresh_used_at BIGINT,
    access_digest BYTEA,
    access_sealed BYTEA,
    refresh_digest BYTEA,
    refresh_sealed BYTEA,
    spent_refresh_digests BYTEA,
    PRIMARY KEY (bucket, id)
);

CREATE UNIQUE INDEX family_token_key ON family (bucket, token_key);
CREATE INDEX family_holder ON family (bucket, client, subject, device);

CREATE TABLE holder (
    bucket INTEGER NOT NULL,
    client BYTEA NOT NULL,
    subject BYTEA NOT NULL,
    devices BIGINT NOT NULL,
    families BIGINT NOT NULL,
    PRIMARY KEY (bucket, client, subject)
);

CREATE INDEX holder_subject ON holder (subject);

CREATE TABLE alias (
    bucket INTEGER NOT NULL,
    digest BYTEA NOT NULL,
    kind SMALLINT NOT NULL,
    family_bucket INTEGER NOT NULL,
    family BYTEA NOT NULL,
    generation BIGINT NOT NULL,
    PRIMARY KEY (bucket, digest)
);

CREATE TABLE writer (
    id INTEGER PRIMARY KEY,
    epoch BIGINT NOT NULL,
    last_seq BIGINT NOT NULL
);

CREATE TABLE event (
    writer INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    client BYTEA,
    subject BYTEA,
    bucket INTEGER,
    family BYTEA,
    access_generation BIGINT,
    refresh_generation BIGINT,
    reason TEXT,
    actor TEXT,
    PRIMARY KEY (writer, seq)
);

CREATE TABLE users (
    id BYTEA PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    roles TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE application (
    id BYTEA PRIMARY KEY,
    owner BYTEA NOT NULL,
    name TEXT NOT NULL,
    tier TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (owner, name)
);

CREATE TABLE client (
    id BYTEA PRIMARY KEY,
    consumer_key TEXT NOT NULL UNIQUE,
    application BYTEA NOT NULL,
    key_type TEXT NOT NULL,
    secret_macs BYTEA NOT NULL,
    secret_sealed BYTEA NOT NULL,
    grants TEXT NOT NULL,
    token_format TEXT NOT NULL,
    application_validity BIGINT NOT NULL,
    user_validity BIGINT NOT NULL,
    refresh_validity BIGINT NOT NULL
);

CREATE INDEX client_application ON client (application);

CREATE TABLE api (
    id BYTEA PRIMARY KEY,
    name TEXT NOT NULL,
    context TEXT NOT NULL,
    version TEXT NOT NULL,
    definition TEXT NOT NULL,
    UNIQUE (context, version)
);

CREATE TABLE subscription (
    application BYTEA NOT NULL,
    api BYTEA NOT NULL,
    tier TEXT NOT NULL,
    PRIMARY KEY (application, api)
);
