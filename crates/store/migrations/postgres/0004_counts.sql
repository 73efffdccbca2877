-- What was given out of limits whose windows outlive the process. A row is of one window, and goes some
-- time after it.

CREATE TABLE tally (
    kind TEXT NOT NULL,
    owner BYTEA NOT NULL,
    part BYTEA NOT NULL,
    start_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    resets BIGINT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (kind, owner, part, start_at)
);

CREATE INDEX tally_ends ON tally (ends_at);
