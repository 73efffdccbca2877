//! What a power loss may leave on the disk: images rebuilt from a base and the calls made since.
//!
//! A write is certain to be there once a sync of its file that began after the write had ended has itself
//! ended; a change of names, once a sync of its folder has. Everything else may be there, in part, or not.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::canary::files_below;
use crate::dice::Dice;
use crate::syscalls::{Act, Call};

/// The unit in which a disk writes.
const SECTOR: usize = 512;

/// Files and what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    root: PathBuf,
    /// By whole path.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Disk {
    /// All regular files below `root`, but for shared memory, which is rebuilt.
    pub fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for path in files_below(root)? {
            if !path.to_string_lossy().ends_with("-shm") {
                let content = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
                files.insert(path, content);
            }
        }
        Ok(Self { root: root.to_owned(), files })
    }

    /// Writes all files to the empty folder `to`, readable by their owner alone.
    pub fn write(&self, to: &Path) -> Result<()> {
        fs::set_permissions(to, PermissionsExt::from_mode(0o700))?;
        for (path, content) in &self.files {
            let place = to.join(path.strip_prefix(&self.root)?);
            let folder = place.parent().context("a file is in a folder")?;
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&place)?;
            std::io::Write::write_all(&mut file, content)?;
        }
        Ok(())
    }
}

/// A base and what was done since.
#[derive(Debug)]
pub struct Replay<'a> {
    base: &'a Disk,
    calls: &'a [Call],
    /// For each call, the file it concerns, by number; none for folders.
    files: Vec<Option<usize>>,
    count: usize,
}

/// What becomes of a call that is not certain to be on the disk.
enum Fate {
    Whole,
    Nothing,
    Sectors,
}

impl<'a> Replay<'a> {
    /// Follows the names through `calls`, so that each call finds its file.
    pub fn new(base: &'a Disk, calls: &'a [Call]) -> Self {
        let mut names: BTreeMap<&Path, usize> =
            base.files.keys().zip(0..).map(|(p, n)| (p.as_path(), n)).collect();
        let mut count = names.len();
        let mut files = Vec::with_capacity(calls.len());
        for call in calls {
            files.push(match &call.act {
                Act::Create(path) => {
                    names.insert(path, count);
                    count += 1;
                    Some(count - 1)
                }
                Act::Write(path, ..) | Act::Truncate(path, _) | Act::Sync(path) => {
                    names.get(path.as_path()).copied()
                }
                Act::Rename(from, to) => {
                    let file = names.remove(from.as_path());
                    also_called(&mut names, to, file)
                }
                Act::Link(from, to) => {
                    let file = names.get(from.as_path()).copied();
                    also_called(&mut names, to, file)
                }
                Act::Remove(path) => names.remove(path.as_path()),
                Act::Say(..) => None,
            });
        }
        Self { base, calls, files, count }
    }

    /// The moments at which a power loss is worst: just before each sync has ended, and after the last call.
    pub fn moments(&self) -> Vec<usize> {
        let ended = |call: &&Call| call.ended != usize::MAX;
        let syncs = self.calls.iter().filter(ended).filter(|call| matches!(call.act, Act::Sync(_)));
        let last = self.calls.iter().filter(ended).map(|call| call.ended).max();
        syncs.map(|call| call.ended.saturating_sub(1)).chain(last).collect()
    }

    /// What is certain to be on the disk at `moment`, and nothing else.
    pub fn certain(&self, moment: usize) -> Disk {
        self.build(moment, |_| Fate::Nothing, &mut Dice::new(0))
    }

    /// What is certain, and of the rest what `dice` say: whole, in part or not at all.
    pub fn torn(&self, moment: usize, dice: &mut Dice) -> Disk {
        let fate = |dice: &mut Dice| match dice.below(4) {
            0 => Fate::Nothing,
            1 => Fate::Sectors,
            _ => Fate::Whole,
        };
        self.build(moment, fate, dice)
    }

    fn build(&self, moment: usize, fate: impl Fn(&mut Dice) -> Fate, dice: &mut Dice) -> Disk {
        let mut contents: Vec<Vec<u8>> = self.base.files.values().cloned().collect();
        contents.resize(self.count, Vec::new());
        let mut names: BTreeMap<PathBuf, usize> = self.base.files.keys().cloned().zip(0..).collect();
        for (call, file) in self.calls.iter().zip(&self.files) {
            if call.began > moment {
                continue;
            }
            let fate = if self.is_certain(call, *file, moment) { Fate::Whole } else { fate(dice) };
            let Some(file) = *file else { continue };
            match (&call.act, fate) {
                (_, Fate::Nothing) | (Act::Sync(_) | Act::Say(..), _) => {}
                (Act::Write(_, offset, bytes), Fate::Whole) => put(&mut contents[file], *offset, bytes),
                (Act::Write(_, offset, bytes), Fate::Sectors) => {
                    put_some(&mut contents[file], *offset, bytes, dice);
                }
                (Act::Truncate(_, length), _) => {
                    contents[file].resize(usize::try_from(*length).unwrap_or(0), 0);
                }
                (Act::Create(path) | Act::Link(_, path), _) => drop(names.insert(path.clone(), file)),
                (Act::Rename(from, to), _) => {
                    names.remove(from);
                    names.insert(to.clone(), file);
                }
                (Act::Remove(path), _) => drop(names.remove(path)),
            }
        }
        let files = names.into_iter().map(|(path, file)| (path, contents[file].clone())).collect();
        Disk { root: self.base.root.clone(), files }
    }

    /// Whether a sync that began after `call` had ended has ended at `moment`.
    fn is_certain(&self, call: &Call, file: Option<usize>, moment: usize) -> bool {
        let folder = match &call.act {
            Act::Create(path) | Act::Rename(_, path) | Act::Link(_, path) | Act::Remove(path) => {
                path.parent()
            }
            Act::Write(..) | Act::Truncate(..) | Act::Sync(_) | Act::Say(..) => None,
        };
        self.calls.iter().zip(&self.files).any(|(sync, synced)| {
            let Act::Sync(path) = &sync.act else { return false };
            let same = match folder {
                Some(folder) => path == folder,
                None => synced.is_some() && *synced == file,
            };
            same && call.ended < sync.began && sync.ended <= moment
        })
    }
}

/// Gives `file`, if there is one, the name `to`.
fn also_called<'a>(
    names: &mut BTreeMap<&'a Path, usize>,
    to: &'a Path,
    file: Option<usize>,
) -> Option<usize> {
    if let Some(file) = file {
        names.insert(to, file);
    }
    file
}

fn put(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

/// Some of the sectors that a write touches.
fn put_some(content: &mut Vec<u8>, offset: u64, bytes: &[u8], dice: &mut Dice) {
    let (mut at, mut rest) = (offset, bytes);
    while !rest.is_empty() {
        let in_sector = usize::try_from(at % SECTOR as u64).unwrap_or(0);
        let (sector, after) = rest.split_at(rest.len().min(SECTOR - in_sector));
        if dice.chance(50) {
            put(content, at, sector);
        }
        at += sector.len() as u64;
        rest = after;
    }
}

#[cfg(test)]
mod tests;
