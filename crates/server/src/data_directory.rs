//! The directory that holds everything Latchkey keeps: one process at a time, private, written so that a
//! crash leaves either the old file or the new one.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use serde::Serialize;

#[cfg(test)]
mod tests;

/// The lock, whose content is the holder's process id.
const LOCK: &str = "lock";
/// The addresses in force while the server runs.
const RUN: &str = "run.json";
/// Where the running server takes administration commands.
const SOCKET: &str = "control.sock";
/// Permission bits of the group and of others.
const OTHERS: u32 = 0o077;

/// The data directory, held by this process until it is dropped. Dropping it takes `run.json` and the
/// control socket away and then gives the lock back.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

/// The addresses in force, as scripts read them from `run.json`; a listener that does not exist is left out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Addresses {
    /// The server's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The gateway's URL over TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_https: Option<String>,
    /// The gateway's URL over plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_http: Option<String>,
    /// The URL of the health checks and metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<String>,
}

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirectoryError {
    /// Another process holds it.
    #[error(
        "the data directory {} is in use{}; stop that process, or choose another with --data-dir",
        path.display(), holder(*pid)
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The holder, where its process id could be read.
        pid: Option<u32>,
    },
    /// Others may read or write in it.
    #[error("the data directory {} is open to other users (mode {mode:o}); run: chmod 700 {}", path.display(), path.display())]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to someone else.
    #[error("the data directory {} belongs to user id {owner}, not to yours ({own}); run as that user", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this process.
        own: u32,
    },
    /// Something other than a socket stands where the control socket belongs.
    #[error("{} is not a socket; move it away", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot {action} {}: {cause}", path.display())]
    System {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
}

impl DataDirectory {
    /// Opens the directory, making it (mode 0700) where it does not exist, and locks it. A directory that
    /// exists must be this user's and closed to others; an empty one is closed for them.
    pub fn open(path: &Path) -> Result<Self, DataDirectoryError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(refused("make the data directory", path))?;
        let path = &path.canonicalize().map_err(refused("find the data directory", path))?;
        check_owner_and_mode(path)?;
        let lock = lock(path)?;
        Ok(Self { path: path.clone(), _lock: lock })
    }

    /// The directory's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it. An absolute `name` stays what it is.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// The content of a file in it, `None` where it does not exist.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DataDirectoryError> {
        match fs::read(self.file(name)) {
            Ok(content) => Ok(Some(content)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(refused("read", &self.file(name))(cause)),
        }
    }

    /// Replaces a file in it, readable by its owner only. When this returns, the content survives a loss
    /// of power; when it fails or the process dies, the old content is still there.
    pub fn replace(&self, name: &str, content: &[u8]) -> Result<(), DataDirectoryError> {
        replace(&self.file(name), content)
    }

    /// Removes a file in it, if it is there.
    pub fn discard(&self, name: &str) -> Result<(), DataDirectoryError> {
        remove(&self.file(name))
    }

    /// Tells scripts the addresses in force. Call it before the ready line is printed.
    pub fn publish(&self, addresses: &Addresses) -> Result<(), DataDirectoryError> {
        let json = serde_json::to_vec(addresses).expect("a struct of texts is JSON");
        self.replace(RUN, &json)
    }

    /// Listens on the control socket. A socket of a process that died is replaced: the lock shows that
    /// nobody listens on it.
    pub fn control_socket(&self) -> Result<UnixListener, DataDirectoryError> {
        let path = control_socket(&self.path);
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.file_type().is_socket() => return Err(DataDirectoryError::NotASocket(path)),
            Ok(_) => remove(&path)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(&path)
            .map_err(refused("listen on the control socket (its path may have 107 bytes at most)", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(refused("close to others", &path))?;
        Ok(listener)
    }
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        for name in [RUN, SOCKET] {
            // What cannot be removed is replaced by the next holder.
            let _ = remove(&self.file(name));
        }
    }
}

/// Where the server of the data directory at `path` takes administration commands.
pub fn control_socket(path: &Path) -> PathBuf {
    path.join(SOCKET)
}

/// Replaces the file at `path`, readable by its owner only: all of the new content or, after a failure,
/// all of the old. The new name is on disk when this returns.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), DataDirectoryError> {
    let name = path.file_name().unwrap_or(OsStr::new("file")).to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.new"));
    remove(&draft)?;
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(refused("write", path))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(refused("save the name of", path))
}

/// Turns the system's refusal of `action` on `path` into an error.
fn refused(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirectoryError {
    let path = path.to_owned();
    move |cause| DataDirectoryError::System { action, path, cause }
}

fn remove(path: &Path) -> Result<(), DataDirectoryError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(refused("remove", path)(cause)),
        _ => Ok(()),
    }
}

fn check_owner_and_mode(path: &Path) -> Result<(), DataDirectoryError> {
    let found = fs::metadata(path).map_err(refused("look at", path))?;
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        return Err(DataDirectoryError::Foreign { path: path.into(), owner: found.uid(), own });
    }
    let mode = found.mode() & 0o777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let empty = fs::read_dir(path).map_err(refused("list", path))?.next().is_none();
    if !empty {
        return Err(DataDirectoryError::Exposed { path: path.into(), mode });
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(refused("close to others", path))
}

/// Takes the lock (flock, so it ends with the process, however that ends) and writes the process id into
/// it for the next one's error message.
fn lock(directory: &Path) -> Result<File, DataDirectoryError> {
    let path = directory.join(LOCK);
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(refused("open the lock", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.take(16).read_to_string(&mut text);
            return Err(DataDirectoryError::InUse { path: directory.into(), pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(cause)) => return Err(refused("lock", &path)(cause)),
    }
    let write = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    write.map_err(refused("write the lock", &path))?;
    Ok(file)
}
