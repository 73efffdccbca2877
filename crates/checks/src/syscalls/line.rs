//! One line of a strace log, and one call taken apart into its arguments.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// A line of the log.
pub(super) enum Line<'a> {
    /// An end of a process, a signal, an empty line.
    Nothing,
    /// A call from beginning to end.
    Whole(&'a str),
    /// The beginning of a call, by thread.
    Start(&'a str, &'a str),
    /// The rest of a call, by thread.
    End(&'a str, &'a str),
}

/// Tells what kind of line `text` is.
pub(super) fn parse(text: &str) -> Result<Line<'_>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Line::Nothing);
    }
    let (thread, rest) = text.split_once(' ').context("a line without a thread")?;
    let rest = rest.trim_start();
    if rest.starts_with("+++") || rest.starts_with("---") {
        return Ok(Line::Nothing);
    }
    if let Some(resumed) = rest.strip_prefix("<... ") {
        let (_, part) = resumed.split_once(" resumed>").context("a resumed call")?;
        return Ok(Line::End(thread, part));
    }
    Ok(match rest.strip_suffix("<unfinished ...>") {
        Some(part) => Line::Start(thread, part.trim_end()),
        None => Line::Whole(rest),
    })
}

/// A call: its name, its arguments as written, what it gave.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) name: String,
    pub(super) result: i64,
    arguments: Vec<String>,
}

impl Words {
    /// Takes `name(arguments) = result …` apart. A call cut off by the end of its thread counts as failed.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (name, rest) = text.split_once('(').with_context(|| format!("no call: {}", start(text)))?;
        let (arguments, rest) = split_arguments(rest)?;
        let result = rest.trim_start().strip_prefix('=').context("a call without a result")?.trim_start();
        let digits: String = result.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
        let result =
            if result.starts_with('?') { -1 } else { digits.parse().context("the result of a call")? };
        Ok(Self { name: name.to_owned(), result, arguments })
    }

    fn argument(&self, index: usize) -> Result<&str> {
        let found =
            self.arguments.get(index).with_context(|| format!("{} without argument {index}", self.name))?;
        Ok(found)
    }

    /// The number of the argument at `index`.
    pub(super) fn number(&self, index: usize) -> Result<u64> {
        self.argument(index)?.parse().with_context(|| format!("argument {index} of {}", self.name))
    }

    /// The descriptor of the first argument, and what stands behind it: a path or a socket.
    pub(super) fn descriptor(&self) -> Result<(i64, Vec<u8>)> {
        let text = self.argument(0)?;
        let (number, place) =
            text.split_once('<').with_context(|| format!("{} on a bare descriptor", self.name))?;
        let place = place.strip_suffix('>').context("a descriptor's place")?;
        Ok((number.parse()?, unescape(place)?))
    }

    /// The bytes written: of the one text, or of all vectors, as far as the call took them.
    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        let texts = self.argument(1)?;
        let mut bytes = Vec::new();
        let mut rest = texts;
        while let Some((_, after)) = rest.split_once('"') {
            let (text, after) = after.split_once('"').context("a text without an end")?;
            ensure!(!after.starts_with("..."), "{} writes more than the log holds", self.name);
            bytes.extend(unescape(text)?);
            rest = after;
        }
        bytes.truncate(usize::try_from(self.result).unwrap_or(usize::MAX));
        let all = self.result == i64::MAX || u64::try_from(self.result)? == u64::try_from(bytes.len())?;
        ensure!(all, "{} wrote {} bytes, the log holds {}", self.name, self.result, bytes.len());
        Ok(bytes)
    }

    /// Everything that stands in the flags of an open call.
    pub(super) fn flags(&self) -> String {
        let given = self.arguments.join(",");
        if self.name == "creat" { format!("{given},O_CREAT|O_TRUNC") } else { given }
    }

    /// The one path of a call.
    pub(super) fn path(&self) -> Result<PathBuf> {
        self.all_paths()?.into_iter().next().with_context(|| format!("{} without a path", self.name))
    }

    /// The two paths of a call.
    pub(super) fn two_paths(&self) -> Result<(PathBuf, PathBuf)> {
        match <[PathBuf; 2]>::try_from(self.all_paths()?) {
            Ok([from, to]) => Ok((from, to)),
            Err(other) => bail!("{} with {} paths", self.name, other.len()),
        }
    }

    /// Every path the call names or has open.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let mut paths = self.all_paths().unwrap_or_default();
        paths.extend(self.arguments.iter().filter_map(|text| place(text)));
        paths
    }

    /// The quoted arguments, each below the folder descriptor before it.
    fn all_paths(&self) -> Result<Vec<PathBuf>> {
        let mut folder = PathBuf::new();
        let mut paths = Vec::new();
        for argument in &self.arguments {
            if let Some(text) = argument.strip_prefix('"') {
                let text = text.strip_suffix('"').context("a path without an end")?;
                paths.push(folder.join(as_path(unescape(text)?)));
            } else if let Some(place) = place(argument) {
                folder = place;
            }
        }
        Ok(paths)
    }
}

/// The path behind a descriptor argument.
fn place(argument: &str) -> Option<PathBuf> {
    let (_, place) = argument.strip_suffix('>')?.split_once('<')?;
    Some(as_path(unescape(place).ok()?)).filter(|path| path.is_absolute())
}

fn as_path(bytes: Vec<u8>) -> PathBuf {
    // `latchkey.db (deleted)` is how the kernel names what has no name any more.
    let path = PathBuf::from(OsString::from_vec(bytes));
    path.to_str()
        .and_then(|text| text.strip_suffix(" (deleted)"))
        .map_or_else(|| path.clone(), |p| Path::new(p).into())
}

/// The arguments up to the closing bracket, split at commas outside quotes and brackets; and what follows.
fn split_arguments(text: &str) -> Result<(Vec<String>, &str)> {
    let (mut depth, mut quoted, mut from) = (0_usize, false, 0);
    let mut arguments = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' | b'[' | b'{' | b'<' => depth += 1,
            b')' if depth == 0 => {
                arguments.push(text[from..at].trim().to_owned());
                return Ok((arguments, &text[at + 1..]));
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'>' if text.as_bytes()[at.saturating_sub(1)] != b'-' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                arguments.push(text[from..at].trim().to_owned());
                from = at + 1;
            }
            _ => {}
        }
    }
    bail!("a call without an end: {}", start(text))
}

/// Text of `\xHH`, and of characters that stand for themselves.
fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'\\' {
            let digits =
                after.strip_prefix(b"x").and_then(|hex| hex.get(..2)).context("an escape other than \\x")?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits)?, 16)?);
            rest = &after[3..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    Ok(bytes)
}

fn start(text: &str) -> &str {
    text.get(..80).unwrap_or(text)
}
