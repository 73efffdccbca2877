-- Tokens of another server that came over once, by the SHA-256 of their refresh token or else their access token, until
-- that would have ended: so that what was revoked since does not come over again.

CREATE TABLE imported (
    bucket INTEGER NOT NULL,
    digest BYTEA NOT NULL,
    ends_at BIGINT,
    PRIMARY KEY (bucket, digest)
);
