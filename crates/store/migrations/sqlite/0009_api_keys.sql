-- An API key is found by its id, which its value names. Its epoch is its generation.

CREATE TABLE api_key (
    id BYTEA PRIMARY KEY,
    application BYTEA NOT NULL,
    key_type TEXT NOT NULL,
    name TEXT NOT NULL,
    generation BIGINT NOT NULL,
    seed BYTEA NOT NULL,
    issued_at BIGINT NOT NULL,
    validity BIGINT NOT NULL,
    addresses TEXT NOT NULL,
    referers TEXT NOT NULL
) WITHOUT ROWID;

CREATE UNIQUE INDEX api_key_name ON api_key (application, key_type, name);
