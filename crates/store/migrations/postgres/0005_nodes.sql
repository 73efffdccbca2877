-- A gateway node is found by the SHA-256 of its secret.

CREATE TABLE node (
    name TEXT PRIMARY KEY,
    secret BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX node_secret ON node (secret);
