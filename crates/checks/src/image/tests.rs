//! Images of hand-made runs: what is certain is there, what is not is not.

use super::*;

fn base() -> Disk {
    Disk { root: "/d".into(), files: BTreeMap::from([("/d/a".into(), b"....".to_vec())]) }
}

fn call(began: usize, ended: usize, act: Act) -> Call {
    Call { began, ended, act }
}

fn write(at: usize, offset: u64, bytes: &[u8]) -> Call {
    call(at, at, Act::Write("/d/a".into(), offset, bytes.to_vec()))
}

fn content(disk: &Disk, path: &str) -> Option<String> {
    disk.files.get(Path::new(path)).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[test]
fn a_write_is_certain_after_a_sync_that_began_later() {
    let sync = |began, ended| call(began, ended, Act::Sync("/d/a".into()));
    let calls = [write(0, 0, b"1"), sync(1, 3), write(2, 1, b"2"), sync(4, 5), write(6, 4, b"5")];
    let (disk, replay);
    disk = base();
    replay = Replay::new(&disk, &calls);
    let seen: Vec<_> = (0..=6).map(|moment| content(&replay.certain(moment), "/d/a").unwrap()).collect();
    assert_eq!(seen, ["....", "....", "....", "1...", "1...", "12..", "12.."]);
    assert_eq!(replay.moments(), [2, 4, 6]);
}

#[test]
fn names_are_certain_after_a_sync_of_the_folder() {
    let calls = [
        call(0, 0, Act::Create("/d/new".into())),
        call(1, 1, Act::Write("/d/new".into(), 0, b"new".to_vec())),
        call(2, 2, Act::Sync("/d/new".into())),
        call(3, 3, Act::Rename("/d/new".into(), "/d/a".into())),
        call(4, 4, Act::Sync("/d".into())),
        call(5, 5, Act::Remove("/d/a".into())),
    ];
    let disk = base();
    let replay = Replay::new(&disk, &calls);
    assert_eq!(content(&replay.certain(3), "/d/a").unwrap(), "....");
    assert_eq!(content(&replay.certain(3), "/d/new"), None);
    assert_eq!(content(&replay.certain(5), "/d/a").unwrap(), "new");
}

#[test]
fn torn_images_keep_what_is_certain_and_mix_the_rest() {
    let page = vec![b'x'; 4 * SECTOR];
    let calls = [write(0, 0, b"1"), call(1, 1, Act::Sync("/d/a".into())), write(2, 4, &page)];
    let disk = base();
    let replay = Replay::new(&disk, &calls);
    let mut dice = Dice::new(1);
    let lengths: Vec<usize> = (0..40)
        .map(|_| {
            let torn = replay.torn(2, &mut dice);
            let text = content(&torn, "/d/a").unwrap();
            assert!(text.starts_with("1..."), "what was synced is lost");
            text.bytes().filter(|byte| *byte == b'x').count()
        })
        .collect();
    assert!(lengths.contains(&0) && lengths.contains(&page.len()), "all or nothing happens: {lengths:?}");
    assert!(lengths.iter().any(|length| *length > 0 && *length < page.len()), "so does a part: {lengths:?}");
}
