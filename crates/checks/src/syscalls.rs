//! What a program did to its files and what it said, read from a log of its system calls.
//!
//! The log is written by `strace -f -y -xx -s N -o LOG -e trace=…` ([`Recorder`]): every call with the path
//! behind each descriptor and all bytes in hexadecimal. A call that another thread's call interrupted in the
//! log stands on two lines, its beginning and its end; both are kept, because a sync covers only what was
//! written before it began. What cannot be read is counted, and a reader of the log must not go on then.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

mod line;

use line::{Line, Words};

/// Calls that change files or names, sync them, or say something.
const TRACED: &str = "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,lseek,ftruncate,truncate,fallocate,\
fsync,fdatasync,sync_file_range,sync,syncfs,rename,renameat,renameat2,unlink,unlinkat,link,linkat,sendto,sendmsg,\
sendmmsg,sendfile,copy_file_range,splice,io_uring_setup";
/// Longest text of a call that is logged: more than the largest write of a server.
const LONGEST: &str = "1048576";

/// A run under strace.
#[derive(Debug)]
pub struct Recorder {
    log: PathBuf,
}

impl Recorder {
    /// Will write its log to `log`; fails where strace is not installed.
    pub fn new(log: &Path) -> Result<Self> {
        let found = Command::new("strace").arg("-V").output();
        ensure!(found.is_ok(), "strace is not installed: this check reads the log that it writes");
        Ok(Self { log: log.to_owned() })
    }

    /// The words before the program's own command line. Each sync takes 5 ms longer than it would.
    pub fn words(&self) -> Vec<OsString> {
        let log = self.log.as_os_str();
        let trace = format!("trace={TRACED}");
        // A slow disk: what becomes visible before it is durable is then seen by someone.
        let slow = "inject=fsync,fdatasync:delay_enter=5000";
        let flags =
            ["strace", "-f", "-y", "-xx", "-s", LONGEST, "-e", "signal=none", "-e", &trace, "-e", slow, "-o"];
        flags.into_iter().map(OsString::from).chain([log.to_owned()]).collect()
    }

    /// What was done to files below `root`, and said to anyone; `existing` are the files before the run.
    pub fn read(&self, root: &Path, existing: BTreeSet<PathBuf>) -> Result<Vec<Call>> {
        let text = std::fs::read_to_string(&self.log).context("the log of system calls")?;
        read(&text, root, existing)
    }
}

/// The words that run a program whose syncs fail: of each thread, those numbered `from` to `to`.
pub fn failing_syncs(from: u32, to: u32) -> Result<Vec<OsString>> {
    let found = Command::new("strace").arg("-V").output();
    ensure!(found.is_ok(), "strace is not installed: this check makes syncs fail through it");
    let inject = format!("inject=fsync,fdatasync:error=EIO:when={from}..{to}");
    let flags = ["strace", "-f", "-q", "-e", "signal=none", "-e", "trace=fsync,fdatasync", "-e", &inject];
    Ok(flags.into_iter().chain(["-o", "/dev/null"]).map(OsString::from).collect())
}

/// One call, between the lines of the log on which it began and ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Line of its beginning.
    pub began: usize,
    /// Line of its end; beyond the log where the program died in it.
    pub ended: usize,
    /// What it did.
    pub act: Act,
}

/// What a call did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Bytes written to a file at an offset.
    Write(PathBuf, u64, Vec<u8>),
    /// A file cut or extended to a length.
    Truncate(PathBuf, u64),
    /// A new file.
    Create(PathBuf),
    /// A new name for a file; the old one goes.
    Rename(PathBuf, PathBuf),
    /// A second name for a file.
    Link(PathBuf, PathBuf),
    /// A name goes.
    Remove(PathBuf),
    /// All earlier writes to the file, or all earlier changes of names in the folder, are on the disk.
    Sync(PathBuf),
    /// Bytes written to a socket or a pipe.
    Say(String, Vec<u8>),
}

/// The calls of `log`, in the order of their ends, that concern files below `root` or were said to someone;
/// `existing` are the files below `root` before the first call.
pub fn read(log: &str, root: &Path, existing: BTreeSet<PathBuf>) -> Result<Vec<Call>> {
    let mut reader = Reader { root: root.to_owned(), known: existing, ..Reader::default() };
    let mut started: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for (number, text) in log.lines().enumerate() {
        match line::parse(text).with_context(|| format!("line {number} of the log"))? {
            Line::Nothing => {}
            Line::Whole(call) => reader.take(number, number, call)?,
            Line::Start(thread, part) => drop(started.insert(thread, (number, part.to_owned()))),
            Line::End(thread, part) => {
                let (began, first) =
                    started.remove(thread).context("the end of a call without its beginning")?;
                reader.take(began, number, &format!("{first}{part}"))?;
            }
        }
    }
    for (began, part) in started.into_values() {
        // The program died in it: it may have been carried out, so take it as if it had succeeded.
        reader.take_unfinished(began, &part)?;
    }
    ensure!(reader.unread.is_empty(), "calls that this reader does not understand: {:?}", reader.unread);
    Ok(reader.calls)
}

/// What is known while the log is read.
#[derive(Debug, Default)]
struct Reader {
    root: PathBuf,
    /// Files that exist.
    known: BTreeSet<PathBuf>,
    /// Positions of descriptors that are written without an offset; none where they append.
    positions: BTreeMap<i64, Option<u64>>,
    calls: Vec<Call>,
    unread: Vec<String>,
}

impl Reader {
    fn take(&mut self, began: usize, ended: usize, text: &str) -> Result<()> {
        let words = Words::parse(text)?;
        if words.result < 0 {
            return Ok(());
        }
        for act in self.acts(&words)? {
            self.calls.push(Call { began, ended, act });
        }
        Ok(())
    }

    fn take_unfinished(&mut self, began: usize, text: &str) -> Result<()> {
        // An unfinished line holds all arguments of a call that only reads them.
        let Ok(words) = Words::parse(&format!("{text}) = {}", i64::MAX)) else { return Ok(()) };
        if matches!(words.name.as_str(), "pwrite64" | "ftruncate") {
            for act in self.acts(&words)? {
                self.calls.push(Call { began, ended: usize::MAX, act });
            }
        }
        Ok(())
    }

    fn below(&self, path: &Path) -> bool {
        path.starts_with(&self.root) && !path.to_string_lossy().ends_with("-shm")
    }

    fn acts(&mut self, words: &Words) -> Result<Vec<Act>> {
        match words.name.as_str() {
            "openat" | "open" | "creat" => self.open(words),
            "write" | "writev" | "sendto" | "sendmsg" => self.write_on(words),
            "pwrite64" => self.write_at(words),
            "fsync" | "fdatasync" => Ok(self.on_file(words, Act::Sync)?),
            "ftruncate" => {
                let length = words.number(1)?;
                Ok(self.on_file(words, |path| Act::Truncate(path, length))?)
            }
            "lseek" => {
                let position = u64::try_from(words.result)?;
                self.positions.entry(words.descriptor()?.0).and_modify(|known| *known = Some(position));
                Ok(Vec::new())
            }
            "rename" | "renameat" | "renameat2" => self.named_twice(words, Act::Rename),
            "link" | "linkat" => self.named_twice(words, Act::Link),
            "unlink" | "unlinkat" => self.remove(words),
            _ => {
                let concerns =
                    words.paths().iter().any(|path| self.below(path)) || words.name == "io_uring_setup";
                if concerns {
                    self.unread.push(words.name.clone());
                }
                Ok(Vec::new())
            }
        }
    }

    fn on_file(&self, words: &Words, act: impl FnOnce(PathBuf) -> Act) -> Result<Vec<Act>> {
        let (_, place) = words.descriptor()?;
        let path = PathBuf::from(OsString::from_vec(place));
        // A folder is synced for its names; the root's own parent is not watched.
        Ok(if self.below(&path) { vec![act(path)] } else { Vec::new() })
    }

    fn open(&mut self, words: &Words) -> Result<Vec<Act>> {
        let path = words.path()?;
        let flags = words.flags();
        self.positions.insert(words.result, if flags.contains("O_APPEND") { None } else { Some(0) });
        if !self.below(&path) {
            return Ok(Vec::new());
        }
        let mut acts = Vec::new();
        if flags.contains("O_CREAT") && self.known.insert(path.clone()) {
            acts.push(Act::Create(path));
        } else if flags.contains("O_TRUNC") {
            acts.push(Act::Truncate(path, 0));
        }
        Ok(acts)
    }

    fn write_on(&mut self, words: &Words) -> Result<Vec<Act>> {
        let (number, place) = words.descriptor()?;
        let bytes = words.bytes()?;
        if !place.starts_with(b"/") {
            return Ok(vec![Act::Say(String::from_utf8_lossy(&place).into_owned(), bytes)]);
        }
        let path = PathBuf::from(OsString::from_vec(place));
        if !self.below(&path) {
            return Ok(Vec::new());
        }
        let Some(Some(position)) = self.positions.get_mut(&number) else {
            self.unread.push(format!("{} at the end of {}", words.name, path.display()));
            return Ok(Vec::new());
        };
        let at = *position;
        *position += u64::try_from(bytes.len())?;
        Ok(vec![Act::Write(path, at, bytes)])
    }

    fn write_at(&self, words: &Words) -> Result<Vec<Act>> {
        let (bytes, offset) = (words.bytes()?, words.number(3)?);
        self.on_file(words, |path| Act::Write(path, offset, bytes))
    }

    fn named_twice(&mut self, words: &Words, act: impl FnOnce(PathBuf, PathBuf) -> Act) -> Result<Vec<Act>> {
        let (from, to) = words.two_paths()?;
        if !self.below(&from) && !self.below(&to) {
            return Ok(Vec::new());
        }
        if words.name.starts_with("rename") {
            self.known.remove(&from);
        }
        self.known.insert(to.clone());
        Ok(vec![act(from, to)])
    }

    fn remove(&mut self, words: &Words) -> Result<Vec<Act>> {
        let path = words.path()?;
        self.known.remove(&path);
        Ok(if self.below(&path) { vec![Act::Remove(path)] } else { Vec::new() })
    }
}

#[cfg(test)]
mod tests;
