-- How far the records of a gateway node have come: for each of its processes the number of the last batch that was
-- taken, so that one that comes again is not counted again.

CREATE TABLE node_batch (
    node TEXT NOT NULL,
    sender BYTEA NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (node, sender)
);
