-- The names of portal applications by each three letters that follow one another in them, so that any part of a name is
-- found without a look at every name. Shorter names are not in it.

CREATE VIRTUAL TABLE application_text USING fts5 (folded, id UNINDEXED, tokenize = 'trigram case_sensitive 1');

INSERT INTO application_text (folded, id)
    SELECT folded, id FROM application WHERE kind = 'PORTAL' AND length(folded) >= 3 ORDER BY folded, id;
