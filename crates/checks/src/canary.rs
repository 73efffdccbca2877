//! No credential that was ever handed out may lie on the disk, whole or as the part that matters.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

/// Shorter texts are not looked for: they would be found by accident.
const SHORTEST: usize = 8;

/// Every credential seen so far, with a name that may be printed.
#[derive(Debug, Default)]
pub struct Canary(Mutex<BTreeMap<String, String>>);

impl Canary {
    /// Remembers `credential`, to be called `name` in messages.
    pub fn remember(&self, name: &str, credential: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut add = |part: &str| {
            if part.len() >= SHORTEST && !known.contains_key(part) {
                let label = format!("{name} #{}", known.len());
                known.insert(part.to_owned(), label);
            }
        };
        add(credential);
        // A value without its prefix, and the signature of a JWT, are as good as the whole.
        match credential.matches('.').count() {
            2 => add(credential.rsplit('.').next().unwrap_or_default()),
            _ => add(credential.split_once('_').map_or("", |(_, tail)| tail)),
        }
    }

    /// Remembers a pair that authenticates by Basic, also in its encoded form.
    pub fn remember_basic(&self, name: &str, id: &str, secret: &str) {
        self.remember(name, secret);
        self.remember(name, &BASE64_STANDARD_NO_PAD.encode(format!("{id}:{secret}")));
    }

    /// How many texts are looked for.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing is looked for yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fails where a file below `folder`, but for the `spared` ones, holds a credential; names both.
    pub fn search(&self, folder: &Path, spared: &[&str]) -> Result<()> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (texts, names): (Vec<_>, Vec<_>) = known.into_iter().unzip();
        let search = AhoCorasick::new(&texts)?;
        let mut found = Vec::new();
        for file in files_below(folder)? {
            if spared.iter().any(|spared| file.ends_with(spared)) {
                continue;
            }
            let content = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
            found.extend(search.find_iter(&content).map(|hit| {
                format!("{} in {} at byte {}", names[hit.pattern()], file.display(), hit.start())
            }));
        }
        ensure!(found.is_empty(), "credentials on the disk: {}", found[..found.len().min(10)].join("; "));
        Ok(())
    }
}

/// Every regular file below `folder`.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_whole_the_tail_the_signature_and_the_basic_form() {
        let texts = ["lka_0123456789abcdef", "head.claims.signature-of-it", "a long password"];
        let written =
            ["x lka_0123456789abcdef", "0123456789abcdef", "signature-of-it", "bmFtZTphIGxvbmcgcGFzc3dvcmQ="];
        for (index, text) in written.iter().enumerate() {
            let canary = Canary::default();
            texts[..2].iter().for_each(|text| canary.remember("token", text));
            canary.remember_basic("password", "name", texts[2]);
            let home = tempfile::tempdir().unwrap();
            canary.search(home.path(), &[]).unwrap();
            fs::create_dir(home.path().join("below")).unwrap();
            fs::write(home.path().join("below/file"), text).unwrap();
            let found = canary.search(home.path(), &[]).unwrap_err().to_string();
            assert!(found.contains("below/file") && !found.contains(text), "{index}: {found}");
            canary.search(home.path(), &["below/file"]).unwrap();
        }
    }
}
