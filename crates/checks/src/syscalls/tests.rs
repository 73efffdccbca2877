//! Small logs, written by hand as strace writes them.

use super::*;

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}\\x{byte:02x}"))
}

fn calls(lines: &[String]) -> Result<Vec<Call>> {
    read(&lines.join("\n"), Path::new("/d"), BTreeSet::from([PathBuf::from("/d/db")]))
}

fn db() -> String {
    format!("5<{}>", hex("/d/db"))
}

#[test]
fn writes_syncs_and_answers_are_read() {
    let lines = [
        format!("10  pwrite64({}, \"{}\", 3, 4096) = 3", db(), hex("abc")),
        format!("10  fdatasync({}) = 0", db()),
        format!(
            "11  writev(9<{}>, [{{iov_base=\"{}\", iov_len=2}}, {{iov_base=\"{}\", iov_len=2}}], 2) = 4",
            hex("socket:[7]"),
            hex("HT"),
            hex("TP")
        ),
        format!("11  sendto(9<{}>, \"{}\", 2, MSG_NOSIGNAL, NULL, 0) = 2", hex("socket:[7]"), hex("ok")),
        format!("10  pwrite64(6<{}>, \"{}\", 1, 0) = 1", hex("/elsewhere"), hex("x")),
        format!("10  pwrite64({}, \"{}\", 1, 0) = -1 ENOSPC (No space left on device)", db(), hex("x")),
        "11  +++ exited with 0 +++".to_owned(),
    ];
    let said = |at, text: &[u8]| Call {
        began: at,
        ended: at,
        act: Act::Say("socket:[7]".to_owned(), text.to_vec()),
    };
    assert_eq!(
        calls(&lines).unwrap(),
        [
            Call { began: 0, ended: 0, act: Act::Write("/d/db".into(), 4096, b"abc".to_vec()) },
            Call { began: 1, ended: 1, act: Act::Sync("/d/db".into()) },
            said(2, b"HTTP"),
            said(3, b"ok"),
        ]
    );
}

#[test]
fn interrupted_calls_keep_both_ends() {
    let lines = [
        format!("10  fdatasync({} <unfinished ...>", db()),
        format!("11  pwrite64({}, \"{}\", 1, 0 <unfinished ...>", db(), hex("x")),
        "10  <... fdatasync resumed>) = 0".to_owned(),
        "11  <... pwrite64 resumed>) = 1".to_owned(),
        format!("11  pwrite64({}, \"{}\", 1, 1 <unfinished ...>", db(), hex("y")),
    ];
    assert_eq!(
        calls(&lines).unwrap(),
        [
            Call { began: 0, ended: 2, act: Act::Sync("/d/db".into()) },
            Call { began: 1, ended: 3, act: Act::Write("/d/db".into(), 0, b"x".to_vec()) },
            Call { began: 4, ended: usize::MAX, act: Act::Write("/d/db".into(), 1, b"y".to_vec()) },
        ]
    );
}

#[test]
fn names_and_positions_are_followed() {
    let open = |name: &str, flags: &str| {
        format!(
            "10  openat(AT_FDCWD<{}>, \"{}\", {flags}, 0600) = 8<{}>",
            hex("/d"),
            hex(name),
            hex("/d/new")
        )
    };
    let new = format!("8<{}>", hex("/d/new"));
    let lines = [
        open("new", "O_WRONLY|O_CREAT|O_TRUNC"),
        format!("10  write({new}, \"{}\", 2) = 2", hex("ab")),
        format!("10  write({new}, \"{}\", 1) = 1", hex("c")),
        format!("10  rename(\"{}\", \"{}\") = 0", hex("/d/new"), hex("/d/db")),
        open("db", "O_RDWR|O_CREAT"),
        format!("10  unlink(\"{}\") = 0", hex("/d/db")),
        format!("10  fsync(9<{}>) = 0", hex("/d")),
    ];
    let acts: Vec<Act> = calls(&lines).unwrap().into_iter().map(|call| call.act).collect();
    assert_eq!(
        acts,
        [
            Act::Create("/d/new".into()),
            Act::Write("/d/new".into(), 0, b"ab".to_vec()),
            Act::Write("/d/new".into(), 2, b"c".to_vec()),
            Act::Rename("/d/new".into(), "/d/db".into()),
            Act::Remove("/d/db".into()),
            Act::Sync("/d".into()),
        ]
    );
}

#[test]
fn what_cannot_be_read_stops_the_reader() {
    let cut = format!("10  pwrite64({}, \"{}\"..., 9, 0) = 9", db(), hex("x"));
    assert!(calls(&[cut]).is_err(), "a text cut off");
    let strange =
        format!("10  copy_file_range(5<{}>, NULL, 6<{}>, NULL, 9, 0) = 9", hex("/d/db"), hex("/d/other"));
    assert!(calls(&[strange]).unwrap_err().to_string().contains("copy_file_range"));
    let appended = [
        format!(
            "10  openat(AT_FDCWD<{}>, \"{}\", O_WRONLY|O_APPEND) = 8<{}>",
            hex("/"),
            hex("/d/db"),
            hex("/d/db")
        ),
        format!("10  write(8<{}>, \"{}\", 1) = 1", hex("/d/db"), hex("x")),
    ];
    assert!(calls(&appended).is_err(), "a write at an unknown place");
    assert!(calls(&["10  <... write resumed>) = 1".to_owned()]).is_err(), "an end without a beginning");
}
