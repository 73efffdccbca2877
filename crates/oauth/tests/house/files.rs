//! The text files of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A file with its path from the root of the repository, parts joined by `/`.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// A file that exists in a test only.
    pub(crate) fn planted(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

/// Every text file but those that the repository ignores; the version control's own folder is none of it.
pub(crate) fn repository() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(read);
    &FILES
}

fn read() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let mut files = Vec::new();
    let mut folders: Vec<(PathBuf, String)> = vec![(root, String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the repository can be read").map_while(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if name == ".git" || is_ignored(&ignored, &path) {
                continue;
            }
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push((entry.path(), format!("{path}/")));
            } else if let (true, Ok(text)) = (kind.is_file(), fs::read_to_string(entry.path())) {
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// Whether one of the patterns covers `path`. Of their language only what the repository uses is known: a
/// leading `/` ties to the root, `*` in front stands for any beginning.
fn is_ignored(patterns: &str, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    patterns.lines().map(|line| line.trim().trim_end_matches('/')).filter(|line| !line.is_empty()).any(
        |pattern| match (pattern.strip_prefix('/'), pattern.strip_prefix('*')) {
            (Some(from_root), _) => path == from_root,
            (None, Some(ending)) => name.ends_with(ending),
            (None, None) => name == pattern || path == pattern,
        },
    )
}

#[test]
fn ignored_files_are_left_out() {
    let patterns = "/target\n/bench/results\n*.profraw\n__pycache__\n\nfuzz/target/\n";
    for path in ["target", "bench/results", "x.profraw", "a/x.profraw", "a/__pycache__", "fuzz/target"] {
        assert!(is_ignored(patterns, path), "{path}");
    }
    for path in ["crates/target", "results", "profraw.rs", "target.rs", ""] {
        assert!(!is_ignored(patterns, path), "{path}");
    }
}

#[test]
fn the_repository_is_found() {
    let files = repository();
    let has = |path: &str| files.iter().any(|file| file.path == path);
    assert!(has("Cargo.toml") && has("crates/oauth/src/lib.rs") && has("crates/oauth/tests/house/files.rs"));
    assert!(!files.iter().any(|file| file.path.starts_with("target/") || file.path.starts_with(".git/")));
}
