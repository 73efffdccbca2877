//! The database as a file: checked, copied, put back.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use latchkey_oauth::clock::{Clock, SystemClock};
use latchkey_oauth::entropy::SystemEntropy;
use latchkey_store::sqlite::backup::{Progress, copy};
use latchkey_store::sqlite::{Integrity, check_file};

use crate::admin::{AdminError, Result};
use crate::config::Config;
use crate::data_directory::DataDirectory;
use crate::keys::{FirstStart, KeyChangeRefused, KeyDocument, KeyFile};
use crate::serve::key_path;

#[cfg(test)]
mod tests;

/// The database file of the data directory; none where the store has no file.
pub fn database(config: &Config, data_dir: &Path) -> Option<PathBuf> {
    config.store.url.strip_prefix("sqlite:").map(|name| data_dir.join(name))
}

/// Reads the whole file and says whether it holds together.
pub fn check(file: &Path) -> Result<Integrity> {
    if !file.exists() {
        return Err(AdminError::refused(format!("there is no file {}", file.display())));
    }
    Ok(check_file(file)?)
}

/// Copies the database at `from` to the new file `to`, readable by its owner only.
pub fn backup(from: &Path, to: &Path, progress: Progress<'_>) -> Result<Integrity> {
    if !from.exists() {
        return Err(AdminError::refused(format!("there is no database {}", from.display())));
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    made.map_err(|cause| {
        if cause.kind() == io::ErrorKind::AlreadyExists {
            return AdminError::refused(format!("{} is there already; choose another name", to.display()));
        }
        refused("make", to, &cause)
    })?;
    let copied = copy(from, to, progress).map_err(AdminError::from);
    let kept = copied.and_then(|found| sync(to).map(|()| found).map_err(|cause| refused("save", to, &cause)));
    if kept.is_err() {
        // Half a copy is worth nothing; that it cannot be removed changes nothing about the failure.
        let _ = fs::remove_file(to);
    }
    kept
}

/// Puts the backup at `file` in the place of the database, while no server runs. The incarnation is raised
/// first, so that nothing revoked since the backup lives again, whatever happens in between.
pub fn restore(config: &Config, data_dir: &Path, file: &Path) -> Result<Integrity> {
    let found = check(file)?;
    let data = DataDirectory::open(data_dir).map_err(|error| AdminError::failed(error.to_string()))?;
    let database = database(config, data.path()).ok_or_else(|| {
        AdminError::refused(format!("store.url = \"{}\" has no file to put a backup in", config.store.url))
    })?;
    let algorithm = config.oauth.token.signing_algorithm;
    let (now, entropy) = (SystemClock.now(), SystemEntropy);
    let mut keys = KeyFile::open(&key_path(config, &data), FirstStart::No, algorithm, (&entropy, now))?;
    keys.change(raise_incarnation)??;
    let draft = beside(&database, ".restore");
    replace(file, &draft, &database).map_err(|cause| refused("put the backup in", &database, &cause))?;
    keys.write_mark(found.position)?;
    Ok(found)
}

fn raise_incarnation(document: &mut KeyDocument) -> std::result::Result<(), KeyChangeRefused> {
    document.incarnation = document.incarnation.checked_add(1).ok_or(KeyChangeRefused::Exhausted)?;
    Ok(())
}

/// The log of the database that goes belongs to it alone, so it goes first.
fn replace(file: &Path, draft: &Path, database: &Path) -> io::Result<()> {
    let mut target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    io::copy(&mut File::open(file)?, &mut target)?;
    target.sync_all()?;
    for part in ["-wal", "-shm"] {
        match fs::remove_file(beside(database, part)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(draft, database)?;
    sync(database)
}

/// Makes a file and its name durable.
fn sync(file: &Path) -> io::Result<()> {
    File::open(file)?.sync_all()?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// The file whose name goes on with `suffix`.
fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn refused(action: &str, file: &Path, cause: &io::Error) -> AdminError {
    AdminError::failed(format!("cannot {action} {}: {cause}", file.display()))
}
