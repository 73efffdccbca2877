-- The names of applications by each three letters that follow one another in them, so that any part of a name is found
-- without a look at every name.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE INDEX application_text ON application USING gin (folded gin_trgm_ops);
