//! The key file: master keys, signing keys, the incarnation, and how far the store had come.
//!
//! Whoever has the file and the database can make tokens, so it is readable by its owner only and lies
//! outside the database. Beside it lies a mark of the newest event known to be durable, by which a
//! database set back to a backup is noticed.

mod document;
mod rotation;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::entropy::Entropy;
use latchkey_oauth::jwk::{BadKey, SigningAlgorithm, SigningKey, SigningKeys};
use latchkey_oauth::keyring::{EmptyKeyring, Keyring};
use latchkey_store::rows::Position;

use crate::data_directory::{self, DataDirectoryError};

pub use document::{KeyDocument, KeyState, MasterEntry, SigningEntry};
pub use rotation::KeyChangeRefused;

/// Why the keys cannot be used, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Others can read the file.
    #[error("the key file {path} can be read by others (mode {mode:o}); run: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// The file is not there, although the store has been used.
    #[error(
        "the key file {0} is missing, but there is a database: without its keys no token or secret in it can \
         be used. Put the key file back from your backup, or move the database away to start anew"
    )]
    Missing(String),
    /// The file does not hold what it should.
    #[error("the key file {path} cannot be used: {problem}. Put it back from your backup")]
    Unusable {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The file cannot be read or written.
    #[error("the key file {path}: {problem}")]
    Io {
        /// The file.
        path: String,
        /// What went wrong.
        problem: io::Error,
    },
    /// The file cannot be replaced.
    #[error(transparent)]
    Replace(#[from] DataDirectoryError),
    /// The database is gone or empty, although the mark says that there was one.
    #[error(
        "the database {database} is {state}, but {mark} says that there was one, durable up to event {known}. \
         Put it back from your backup (latchkey store restore FILE), or start with --accept-rollback to begin \
         with a new one, in which no user, application or token of so far exists"
    )]
    DatabaseGone {
        /// The database file.
        database: String,
        /// `missing` or `empty`.
        state: &'static str,
        /// The mark.
        mark: String,
        /// The last event known.
        known: u64,
    },
    /// There is a database, and no mark of how far it had come.
    #[error(
        "{mark} is missing, although the database stands at event {found}: without it a database that was set \
         back to a backup is not noticed, and tokens revoked since would live again. Put the file back, or \
         start with --accept-rollback to refuse every token issued so far and write a new mark"
    )]
    MarkMissing {
        /// The mark.
        mark: String,
        /// The last event in the store.
        found: u64,
    },
    /// The store is older than when the server last ran.
    #[error(
        "the database stands at event {found}, but event {known} was durable before: it was set back to a backup. \
         Tokens revoked since would live again. Start with --accept-rollback to refuse every token issued so \
         far, or put the newer database back"
    )]
    RolledBack {
        /// The last event in the store.
        found: u64,
        /// The last event known.
        known: u64,
    },
}

/// The keys in use at one moment.
#[derive(Debug)]
pub struct Keys {
    /// What makes and checks values and seals secrets.
    pub ring: Keyring,
    /// What signs JWTs.
    pub signing: SigningKeys,
}

/// The key file of one installation.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    document: KeyDocument,
}

/// Whether a missing key file may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstStart {
    /// Nothing has been stored yet.
    Yes,
    /// There is a database that was made with a key file.
    No,
}

impl KeyFile {
    /// Opens the file, or makes it on the first start. A signing key of another algorithm than `algorithm`
    /// is retired for a new one.
    pub fn open(
        path: &Path,
        first: FirstStart,
        algorithm: SigningAlgorithm,
        (entropy, now): (&dyn Entropy, Timestamp),
    ) -> Result<Self, KeyError> {
        let document = match Self::read(path)? {
            Some(document) => document,
            None if first == FirstStart::No => return Err(KeyError::Missing(path.display().to_string())),
            None => KeyDocument::new(entropy, now),
        };
        let mut file = Self { path: path.to_owned(), document };
        if file.document.use_algorithm(algorithm, now).map_err(|problem| file.unusable(&problem))? {
            file.save()?;
        }
        Ok(file)
    }

    /// Makes sure that assertions can be signed with `algorithm`.
    pub fn use_assertions(&mut self, algorithm: SigningAlgorithm, now: Timestamp) -> Result<(), KeyError> {
        if self.document.use_assertions(algorithm, now).map_err(|problem| self.unusable(&problem))? {
            self.save()?;
        }
        Ok(())
    }

    fn read(path: &Path) -> Result<Option<KeyDocument>, KeyError> {
        let name = || path.display().to_string();
        let text = match std::fs::read(path) {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(problem) => return Err(KeyError::Io { path: name(), problem }),
        };
        let mode = std::fs::metadata(path)
            .map_err(|problem| KeyError::Io { path: name(), problem })?
            .permissions()
            .mode()
            & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: name(), mode });
        }
        // The parser's words could quote the file.
        let unusable = |error: serde_json::Error| KeyError::Unusable {
            path: name(),
            problem: format!("it is not valid at line {}, column {}", error.line(), error.column()),
        };
        serde_json::from_slice(&text).map(Some).map_err(unusable)
    }

    fn save(&self) -> Result<(), KeyError> {
        let text = zeroize::Zeroizing::new(
            serde_json::to_vec_pretty(&self.document).map_err(|problem| self.unusable(&problem))?,
        );
        Ok(data_directory::replace(&self.path, &text)?)
    }

    fn unusable(&self, problem: &dyn std::fmt::Display) -> KeyError {
        KeyError::Unusable { path: self.path.display().to_string(), problem: problem.to_string() }
    }

    /// What the file holds.
    pub const fn document(&self) -> &KeyDocument {
        &self.document
    }

    /// The keys, parsed and derived.
    pub fn keys(&self) -> Result<Keys, KeyError> {
        let ring = self.document.keyring().map_err(|problem: EmptyKeyring| self.unusable(&problem))?;
        let signing = self.document.signing_keys().map_err(|problem: BadKey| self.unusable(&problem))?;
        Ok(Keys { ring, signing })
    }

    /// Makes a change durable, or leaves everything as it was.
    pub fn change(
        &mut self,
        change: impl FnOnce(&mut KeyDocument) -> Result<(), KeyChangeRefused>,
    ) -> Result<Result<(), KeyChangeRefused>, KeyError> {
        let before = self.document.clone();
        if let Err(refused) = change(&mut self.document) {
            self.document = before;
            return Ok(Err(refused));
        }
        self.save().inspect_err(|_| self.document = before)?;
        Ok(Ok(()))
    }

    /// Compares the store's position with the mark. A store that is behind was set back: it is refused, or,
    /// where the operator accepts that, the incarnation is raised, so that every value issued so far is
    /// refused and nothing revoked since the backup lives again. Where there is no mark, a store that holds
    /// something may have been set back too; one in which nothing has happened yet gets its first mark,
    /// before anything is stored.
    pub fn check_position(&mut self, found: Position, rollback: Rollback) -> Result<(), KeyError> {
        let known = read_mark(&self.path)?;
        match known {
            None if found.seq == 0 => return self.write_mark(found),
            Some(known) if found.seq >= known.seq && found.epoch > known.epoch => return Ok(()),
            Some(_) | None => {}
        }
        if rollback == Rollback::Refuse {
            let mark = mark_path(&self.path).display().to_string();
            return Err(match known {
                Some(known) => KeyError::RolledBack { found: found.seq, known: known.seq },
                None => KeyError::MarkMissing { mark, found: found.seq },
            });
        }
        let incarnation = self
            .document
            .incarnation
            .checked_add(1)
            .ok_or_else(|| self.unusable(&"no incarnation is left"))?;
        self.document.incarnation = incarnation;
        self.save()?;
        self.write_mark(found)
    }

    /// Notes that the store is durable up to `position`.
    pub fn write_mark(&self, position: Position) -> Result<(), KeyError> {
        let text = format!("{} {}\n", position.epoch, position.seq);
        Ok(data_directory::replace(&mark_path(&self.path), text.as_bytes())?)
    }
}

/// Where the mark beside the key file at `keys` is.
pub fn mark_path(keys: &Path) -> PathBuf {
    keys.with_extension("mark")
}

/// How far the store is known to have been durable; none where nothing was ever stored.
fn read_mark(keys: &Path) -> Result<Option<Position>, KeyError> {
    let path = mark_path(keys);
    let name = || path.display().to_string();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(problem) => return Err(KeyError::Io { path: name(), problem }),
    };
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(epoch)), Some(Ok(seq)), None) => Ok(Some(Position { epoch, seq })),
        _ => Err(KeyError::Unusable { path: name(), problem: "it is not two numbers".to_owned() }),
    }
}

/// Refuses a database file that is gone or empty where the mark beside the keys says that there was one,
/// before another one is made in its place. An operator who accepts a rollback accepts that too.
pub fn check_presence(keys: &Path, database: &Path, rollback: Rollback) -> Result<(), KeyError> {
    let state = match std::fs::metadata(database) {
        Ok(file) if file.len() == 0 => "empty",
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => "missing",
        // What cannot be looked at is the store's to tell.
        Ok(_) | Err(_) => return Ok(()),
    };
    match read_mark(keys)? {
        Some(known) if rollback == Rollback::Refuse => Err(KeyError::DatabaseGone {
            database: database.display().to_string(),
            state,
            mark: mark_path(keys).display().to_string(),
            known: known.seq,
        }),
        Some(_) | None => Ok(()),
    }
}

/// What to do with a database that is older than its keys know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollback {
    /// Refuse to start.
    Refuse,
    /// Start, and refuse every token value issued so far.
    Accept,
}

/// A signing key parsed from its entry.
fn parse(entry: &SigningEntry) -> Result<Arc<SigningKey>, BadKey> {
    SigningKey::from_pkcs8(entry.algorithm, &entry.pkcs8.0).map(Arc::new)
}
