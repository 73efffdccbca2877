//! What is wrong with an installation, and the fix. It looks and changes nothing.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use crate::admin::Result;
use crate::config::Config;
use crate::control::client::Connection;
use crate::keys::{KeyDocument, mark_path};
use crate::maintenance;
use crate::serve::key_path_in;

#[cfg(test)]
mod tests;

/// Databases up to this size are read whole; larger ones by `store check`.
const READ_WHOLE: u64 = 256 << 20;
/// Free space below which a warning is given, and below which the store is about to refuse writes.
const SPACE: (u64, u64) = (1 << 30, 64 << 20);
/// File descriptors beside those of connections.
const OTHER_FILES: u64 = 64;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, but look at it.
    Warning,
    /// Does not work.
    Fault,
}

impl Level {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Fault => "FAULT",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at.
    pub about: &'static str,
    /// What was found.
    pub text: String,
    /// What to do.
    pub fix: Option<String>,
}

fn good(about: &'static str, text: impl Into<String>) -> Finding {
    Finding { level: Level::Good, about, text: text.into(), fix: None }
}

fn bad(level: Level, about: &'static str, (text, fix): (impl Into<String>, impl Into<String>)) -> Finding {
    Finding { level, about, text: text.into(), fix: Some(fix.into()) }
}

/// Looks at everything that can be looked at from outside.
pub fn examine(config: Result<Config>, data_dir: &Path) -> Vec<Finding> {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            let fix = "put right what is named; `latchkey config reference` lists every setting";
            return vec![bad(Level::Fault, "configuration", (error.to_string(), fix))];
        }
    };
    let mut findings = vec![good("configuration", "valid"), files(&config)];
    findings.push(tls(&config));
    if !data_dir.exists() {
        let text = format!("{} is not there", data_dir.display());
        let fix = "start the server once, or name the right directory with --data-dir";
        findings.push(bad(Level::Warning, "data directory", (text, fix)));
        return findings;
    }
    findings.push(directory(data_dir));
    findings.push(space(data_dir));
    findings.push(keys(&config, data_dir));
    findings.extend(database(&config, data_dir));
    findings.push(server(data_dir));
    if data_dir.join("setup.json").exists() {
        let fix = "start the server: it takes the first start up where it ended";
        findings.push(bad(Level::Warning, "first start", ("it was interrupted", fix)));
    }
    findings
}

fn files(config: &Config) -> Finding {
    let wanted = u64::try_from(config.server.max_connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit.filter(|limit| *limit < wanted) {
        Some(limit) => {
            let text = format!("{limit} may be open, server.max_connections may need {wanted}");
            let fix = format!("raise the limit (`ulimit -n {wanted}`), or lower server.max_connections");
            bad(Level::Warning, "open files", (text, fix))
        }
        None => good("open files", "the limit is high enough"),
    }
}

fn tls(config: &Config) -> Finding {
    let named = [&config.tls.certificate, &config.tls.private_key];
    let missing = named.into_iter().find(|file| !file.is_empty() && fs::File::open(file).is_err());
    match missing {
        Some(file) => {
            let fix = "put the file there, or correct tls.certificate and tls.private_key";
            bad(Level::Fault, "TLS", (format!("{file} cannot be read"), fix))
        }
        None if config.tls.certificate.is_empty() => {
            good("TLS", "a certificate signed by itself; clients must be told to trust it")
        }
        None => good("TLS", "the configured certificate"),
    }
}

fn directory(data_dir: &Path) -> Finding {
    let about = "data directory";
    let shown = data_dir.display();
    let found = match fs::metadata(data_dir) {
        Ok(found) => found,
        Err(cause) => {
            let fix = "run this as the user that runs the server";
            return bad(Level::Fault, about, (format!("{shown} cannot be looked at: {cause}"), fix));
        }
    };
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        let text = format!("{shown} belongs to user id {}, you are {own}", found.uid());
        return bad(Level::Fault, about, (text, "run latchkey as that user"));
    }
    match exposed(&found) {
        Some(mode) => {
            let fix = format!("chmod 700 {shown}");
            bad(Level::Fault, about, (format!("{shown} is open to other users (mode {mode:o})"), fix))
        }
        None => good(about, shown.to_string()),
    }
}

/// The mode of what others may read or write.
fn exposed(found: &Metadata) -> Option<u32> {
    let mode = found.mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

fn space(data_dir: &Path) -> Finding {
    let Ok(found) = rustix::fs::statvfs(data_dir) else {
        let fix = "look whether the file system is mounted";
        return bad(Level::Warning, "disk space", ("it is not known", fix));
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let text = format!("{} MiB are free", free >> 20);
    let fix = "make room: without it no token can be issued";
    match free {
        free if free < SPACE.1 => bad(Level::Fault, "disk space", (text, fix)),
        free if free < SPACE.0 => bad(Level::Warning, "disk space", (text, fix)),
        _ => good("disk space", text),
    }
}

fn keys(config: &Config, data_dir: &Path) -> Finding {
    let about = "keys";
    let path = key_path_in(config, data_dir);
    let shown = path.display();
    let has_database = maintenance::database(config, data_dir).is_some_and(|file| file.exists());
    let Ok(found) = fs::metadata(&path) else {
        if !has_database {
            return good(about, "made on the first start");
        }
        let fix =
            "put it back from your backup: without it no token and no secret in the database can be used";
        return bad(Level::Fault, about, (format!("{shown} is missing"), fix));
    };
    if let Some(mode) = exposed(&found) {
        let text = format!("{shown} can be read by others (mode {mode:o})");
        let fix = format!("chmod 600 {shown}, and if somebody may have read it: latchkey key rotate master");
        return bad(Level::Fault, about, (text, fix));
    }
    let content = fs::read(&path).map(zeroize::Zeroizing::new);
    match content.map(|content| serde_json::from_slice::<KeyDocument>(&content).is_ok()) {
        Ok(true) => good(about, shown.to_string()),
        Ok(false) => {
            bad(Level::Fault, about, (format!("{shown} is damaged"), "put it back from your backup"))
        }
        Err(cause) => {
            let fix = "run this as the user that runs the server";
            bad(Level::Fault, about, (format!("{shown} cannot be read: {cause}"), fix))
        }
    }
}

fn database(config: &Config, data_dir: &Path) -> Option<Finding> {
    let about = "database";
    let file = maintenance::database(config, data_dir)?;
    let mark = mark_path(&key_path_in(config, data_dir));
    let found = match fs::metadata(&file) {
        Ok(found) if found.len() > 0 => found,
        Ok(_) | Err(_) if mark.exists() => {
            let text =
                format!("{} is missing or empty, but {} says there was one", file.display(), mark.display());
            let fix = "put a backup back: latchkey store restore FILE";
            return Some(bad(Level::Fault, about, (text, fix)));
        }
        Ok(_) | Err(_) => return Some(good(about, "made on the first start")),
    };
    if found.len() > READ_WHOLE {
        let size = found.len() >> 20;
        return Some(good(about, format!("{size} MiB; `latchkey store check` reads all of it")));
    }
    Some(match maintenance::check(&file) {
        Ok(found) if found.position.seq > 0 && !mark.exists() => {
            let fix = "put it back from your backup, or start with --accept-rollback, which ends every token";
            bad(Level::Fault, about, (format!("{} is missing", mark.display()), fix))
        }
        Ok(found) => {
            good(about, format!("sound; token families: {}, events: {}", found.families, found.events))
        }
        Err(error) => {
            let fix = "stop the server and put a backup back: latchkey store restore FILE";
            bad(Level::Fault, about, (error.to_string(), fix))
        }
    })
}

fn server(data_dir: &Path) -> Finding {
    match Connection::open(data_dir) {
        Ok(Some(_)) => good("server", "running"),
        Ok(None) => good("server", "not running; commands open the store themselves"),
        Err(error) => {
            let fix = "run this as the user that runs the server";
            bad(Level::Fault, "server", (error.to_string(), fix))
        }
    }
}
