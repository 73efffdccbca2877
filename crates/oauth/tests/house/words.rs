//! Rules about the words in any text.

use crate::Fault;
use crate::files::File;

/// Files that the house does not do without.
const REQUIRED: [&str; 15] = [
    ".ci/run",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "docs/compatibility.md",
    "docs/decisions/README.md",
    "latchkey",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "test",
];

/// Lock files name where every package came from.
const LOCK_FILES: [&str; 2] = ["Cargo.lock", "package-lock.json"];

const DECISIONS: &str = "docs/decisions/";

/// Words that postpone. They stand here in two parts, so that this file does not hold them.
fn postponing() -> [String; 4] {
    [("TO", "DO"), ("FIX", "ME"), ("HA", "CK"), ("XX", "X")].map(|(one, other)| format!("{one}{other}"))
}

/// Places that a text has no business to know: the hosts of package registries, and where somebody's home
/// or working copy lies.
fn banned() -> Vec<String> {
    let parts = [
        ("crates", ".io"),
        ("registry.npm", "js.org"),
        ("npm", "js.com"),
        ("py", "pi.org"),
        ("files.python", "hosted.org"),
        ("proxy.go", "lang.org"),
        ("/ro", "ot/"),
        ("/ho", "me/"),
        ("/Us", "ers/"),
        ("/wo", "rk/"),
    ];
    parts.map(|(one, other)| format!("{one}{other}")).to_vec()
}

fn lines_with(file: &File, is_bad: impl Fn(&str) -> Option<String>) -> Vec<Fault> {
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(number, line)| Some(format!("{}:{}: {}", file.path, number + 1, is_bad(line)?)))
        .collect()
}

/// No word that postpones, in code of any language.
pub(crate) fn unfinished(file: &File) -> Vec<Fault> {
    lines_with(file, |line| {
        let mut words = line.split(|character: char| !character.is_ascii_alphanumeric());
        let word = words.find(|word| postponing().iter().any(|bad| bad == word))?;
        Some(format!("{word}: do it now, or file it"))
    })
}

/// No place of the text's making.
pub(crate) fn places(file: &File) -> Vec<Fault> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if LOCK_FILES.contains(&name) {
        return Vec::new();
    }
    lines_with(file, |line| {
        let found = banned().into_iter().find(|bad| starts_a_word(line, bad))?;
        Some(format!("names {found}, which means nothing elsewhere"))
    })
}

/// Whether `bad` stands in `line` and is not the middle of a longer path or word, nor the beginning of a template:
/// RFC 7644 has one of a user.
fn starts_a_word(line: &str, bad: &str) -> bool {
    line.match_indices(bad).any(|(place, _)| {
        let before = line[..place].chars().next_back();
        let is_template = line[place + bad.len()..].starts_with('{');
        !is_template
            && before.is_none_or(|character| !character.is_alphanumeric() && !"_-}$~".contains(character))
    })
}

/// The files of [`REQUIRED`].
pub(crate) fn required(files: &[File]) -> Vec<Fault> {
    let missing = REQUIRED.iter().filter(|path| !files.iter().any(|file| file.path == **path));
    missing.map(|path| format!("{path} is missing")).collect()
}

/// Every decision record stands in the list of them, and whatever is listed is there.
pub(crate) fn decisions(files: &[File]) -> Vec<Fault> {
    let records: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix(DECISIONS))
        .filter(|name| is_markdown(name) && *name != "README.md")
        .collect();
    let list = files.iter().find(|file| file.path == format!("{DECISIONS}README.md"));
    let Some(list) = list else {
        return records.first().map(|_| format!("{DECISIONS}README.md is missing")).into_iter().collect();
    };
    let listed: Vec<&str> = list
        .text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target.trim_start_matches("./")))
        .collect();
    let unlisted = records.iter().filter(|record| !listed.contains(record));
    let mut faults: Vec<Fault> =
        unlisted.map(|record| format!("{DECISIONS}{record} is not listed in its README.md")).collect();
    let local = listed.iter().filter(|target| is_markdown(target) && !target.contains('/'));
    let dangling = local.filter(|target| **target != "README.md" && !records.contains(target));
    faults.extend(dangling.map(|target| format!("{}: lists {target}, which is not there", list.path)));
    faults
}

fn is_markdown(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ending == "md")
}

/// The first second-level heading is `Unreleased` or a version with its date.
pub(crate) fn changelog(file: &File) -> Vec<Fault> {
    let head = file.text.lines().find_map(|line| line.strip_prefix("## ")).unwrap_or_default();
    let words: Vec<&str> = head.split_whitespace().filter(|word| !["-", "–", "—"].contains(word)).collect();
    let is_version = |word: &str| {
        let numbers: Vec<&str> = word.trim_matches(['[', ']']).split('.').collect();
        numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
    };
    let is_date =
        |word: &str| word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let good = match words.as_slice() {
        [word] => word.trim_matches(['[', ']']) == "Unreleased",
        [version, date] => is_version(version) && is_date(date),
        _ => false,
    };
    if good {
        return Vec::new();
    }
    vec![format!("{}: begin with `## Unreleased` or `## 1.2.3 - 2026-01-31`, not `## {head}`", file.path)]
}

#[cfg(test)]
mod planted {
    use super::*;

    fn found(rule: impl Fn(&File) -> Vec<Fault>, path: &str, text: &str) -> usize {
        rule(&File::planted(path, text)).len()
    }

    #[test]
    fn postponed_work() {
        for word in postponing() {
            for line in [format!("// {word}: later"), format!("x\n# {word}(alice) y"), word.clone()] {
                assert_eq!(found(unfinished, "a.py", &line), 1, "{line}");
            }
            for line in [word.to_lowercase(), format!("{word}S"), format!("A{word}")] {
                assert_eq!(found(unfinished, "a.py", &line), 0, "{line}");
            }
        }
    }

    #[test]
    fn places_of_somebody() {
        for place in banned() {
            for line in [place.clone(), format!("see https://{place}x"), format!("path = \"{place}alice\"")] {
                assert_eq!(found(places, "docs/a.md", &format!("first\n{line}\nlast")), 1, "{line}");
                assert_eq!(found(places, "fuzz/Cargo.lock", &line), 0, "{line}");
            }
            let middle = format!("artwork{place}");
            assert_eq!(found(places, "docs/a.md", &middle), 0, "{middle}");
        }
        let harmless = "/etc/latchkey /var/lib/latchkey ${HOME}/latchkey ~/latchkey /oauth2/token homework rooted /Us\x65rs/{id}";
        assert_eq!(found(places, "docs/a.md", harmless), 0);
    }

    #[test]
    fn missing_files() {
        let mut files = Vec::from(REQUIRED.map(|path| File::planted(path, "")));
        assert_eq!(required(&files), [""; 0]);
        files.pop();
        assert_eq!(required(&files).len(), 1);
    }

    #[test]
    fn unlisted_decisions() {
        let record = |name: &str| File::planted(&format!("{DECISIONS}{name}"), "# A decision");
        let list = |text: &str| File::planted(&format!("{DECISIONS}README.md"), text);
        let links = "- [One](0001-one.md)\n- [Two](./0002-two.md), see [the map](../../ARCHITECTURE.md)";
        assert_eq!(decisions(&[]), [""; 0]);
        assert_eq!(decisions(&[record("0001-one.md"), record("0002-two.md"), list(links)]), [""; 0]);
        assert_eq!(decisions(&[record("0001-one.md")]).len(), 1, "no list");
        let unlisted = [record("0001-one.md"), record("0002-two.md"), record("0003-three.md"), list(links)];
        assert_eq!(decisions(&unlisted).len(), 1);
        assert_eq!(decisions(&[record("0001-one.md"), list("0001-one.md")]).len(), 1, "no link");
        assert_eq!(decisions(&[record("0001-one.md"), list(links)]).len(), 1, "a link to nothing");
    }

    #[test]
    fn changelogs_without_a_head() {
        let good = ["## Unreleased", "## [Unreleased]", "## 0.1.0 - 2026-11-22", "## [0.1.0] 2026-11-22"];
        for head in good {
            assert_eq!(found(changelog, "CHANGELOG.md", &format!("# Changelog\n\n{head}\n- x")), 0, "{head}");
        }
        for head in ["", "## Next", "## 0.1 - 2026-11-22", "## 0.1.0", "## 0.1.0 - soon", "# Unreleased"] {
            assert_eq!(found(changelog, "CHANGELOG.md", &format!("# Changelog\n\n{head}\n- x")), 1, "{head}");
        }
    }
}
