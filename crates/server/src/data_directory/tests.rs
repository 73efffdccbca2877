//! One holder, private files, all-or-nothing replacement, stale leftovers.

use std::os::unix::net::UnixStream;

use super::*;

fn directory() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a/latchkey-data");
    (place, path)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn it_is_made_private_and_held_by_one_process() {
    let (_place, path) = directory();
    let held = DataDirectory::open(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    let refusal = DataDirectory::open(&path).unwrap_err();
    let pid = std::process::id();
    assert!(
        matches!(refusal, DataDirectoryError::InUse { pid: Some(found), .. } if found == pid),
        "{refusal}"
    );
    assert!(refusal.to_string().contains(&format!("in use by process {pid}")), "{refusal}");
    drop(held);
    DataDirectory::open(&path).unwrap();
}

#[test]
fn an_open_directory_is_closed_when_empty_and_refused_otherwise() {
    let (_place, path) = directory();
    let make_open = || fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(&path).unwrap();
    make_open();
    drop(DataDirectory::open(&path).unwrap());
    assert_eq!(mode(&path), 0o700);
    make_open();
    let refusal = DataDirectory::open(&path).unwrap_err();
    assert!(refusal.to_string().contains("mode 755); run: chmod 700"), "{refusal}");
    assert_eq!(mode(&path), 0o755, "nothing was changed behind the user's back");
}

#[test]
fn replacing_is_private_and_leaves_no_draft() {
    let (_place, path) = directory();
    let data = DataDirectory::open(&path).unwrap();
    assert_eq!(data.read("keys.json").unwrap(), None);
    fs::write(path.join(".keys.json.new"), "left by a crash").unwrap();
    for content in [b"one".as_slice(), b"two"] {
        data.replace("keys.json", content).unwrap();
        assert_eq!(data.read("keys.json").unwrap().as_deref(), Some(content));
    }
    assert_eq!(mode(&path.join("keys.json")), 0o600);
    assert!(!path.join(".keys.json.new").exists());
}

#[test]
fn a_failed_replacement_keeps_the_old_content() {
    let (_place, path) = directory();
    let data = DataDirectory::open(&path).unwrap();
    fs::create_dir(path.join("taken")).unwrap();
    let error = data.replace("taken", b"new").unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert!(path.join("taken").is_dir());
}

#[test]
fn the_addresses_are_there_while_it_is_held() {
    let (_place, path) = directory();
    let data = DataDirectory::open(&path).unwrap();
    let addresses = Addresses { server: Some("https://localhost:1".into()), ..Addresses::default() };
    data.publish(&addresses).unwrap();
    assert_eq!(data.read(RUN).unwrap().unwrap(), br#"{"server":"https://localhost:1"}"#);
    drop(data);
    assert!(!path.join(RUN).exists());
}

#[test]
fn a_stale_socket_is_replaced_and_other_files_are_not() {
    let (_place, path) = directory();
    let data = DataDirectory::open(&path).unwrap();
    drop(UnixListener::bind(path.join(SOCKET)).unwrap());
    let listener = data.control_socket().unwrap();
    UnixStream::connect(control_socket(&path)).unwrap();
    listener.accept().unwrap();
    assert_eq!(mode(&path.join(SOCKET)), 0o600);
    drop(data);
    assert!(!path.join(SOCKET).exists());

    let data = DataDirectory::open(&path).unwrap();
    fs::write(path.join(SOCKET), "mine").unwrap();
    assert!(matches!(data.control_socket(), Err(DataDirectoryError::NotASocket(_))));
}

#[test]
fn a_path_that_is_a_file_is_refused_with_its_name() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("notes.txt");
    fs::write(&file, "x").unwrap();
    let error = DataDirectory::open(&file).unwrap_err();
    assert!(error.to_string().contains("notes.txt"), "{error}");
}
