//! Which program is under test.

use std::env;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};

/// The program under test: `LATCHKEY_BIN`, else the newest `latchkey` of the target folder this test was
/// built in, release or debug.
pub fn path() -> Result<PathBuf> {
    if let Some(named) = env::var_os("LATCHKEY_BIN") {
        let path = PathBuf::from(named);
        ensure!(path.is_file(), "LATCHKEY_BIN names {}, which is no file", path.display());
        return Ok(path);
    }
    let test = env::current_exe()?;
    let target = test.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let target = target.and_then(Path::parent).context("this test does not run from a target folder")?;
    let built = |profile| {
        let path = target.join(profile).join("latchkey");
        let changed = path.metadata().and_then(|data| data.modified()).ok()?;
        Some((changed, path))
    };
    let newest: Option<(SystemTime, PathBuf)> = built("release").max(built("debug"));
    let (_, path) = newest.with_context(|| {
        format!("no program to test in {}: build it first (cargo build -p latchkey-server)", target.display())
    })?;
    Ok(path)
}

/// Whether the long tier was asked for (`LATCHKEY_LONG=1`).
pub fn long_tier() -> bool {
    env::var_os("LATCHKEY_LONG").is_some_and(|value| value == "1")
}

/// The folder of the counters of the long tier, made where missing: `long/` in the target folder.
pub fn long_folder() -> Result<PathBuf> {
    let test = env::current_exe()?;
    let target = test.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let folder =
        target.and_then(Path::parent).context("this test does not run from a target folder")?.join("long");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
