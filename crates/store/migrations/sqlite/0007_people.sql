-- What is known of users beside name and roles is a document; what of it is looked for stands in a row of its
-- own. A device's label is found by the digest of its session.

ALTER TABLE users ADD COLUMN profile TEXT NOT NULL DEFAULT '{}';
ALTER TABLE users ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE users SET updated_at = created_at;

CREATE TABLE user_value (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    subject BYTEA NOT NULL,
    PRIMARY KEY (kind, value, subject)
) WITHOUT ROWID;

CREATE INDEX user_value_subject ON user_value (subject);

INSERT INTO user_value (kind, value, subject)
SELECT 'role', held.value, users.id FROM users, json_each(users.roles) AS held;

CREATE TABLE device_label (
    subject BYTEA NOT NULL,
    session BYTEA NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (subject, session)
) WITHOUT ROWID;

ALTER TABLE device_seen ADD COLUMN first_at BIGINT NOT NULL DEFAULT 0;
UPDATE device_seen SET first_at = at;
