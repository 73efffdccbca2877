//! C033: a full disk, and one that fails. Issue is refused and leaves nothing half-done, what was
//! acknowledged holds, and the server goes on when there is room again, or says what ails it.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use latchkey_checks::client::{Application, Pair, State, pair_of};
use latchkey_checks::server::{Launch, Server};
use latchkey_checks::syscalls::failing_syncs;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

use crate::scenes::scene;

/// A small file system in memory; gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new(size: &str) -> Result<Self> {
        let place = tempfile::Builder::new().prefix("latchkey-disk-").tempdir()?;
        let options = std::ffi::CString::new(format!("size={size},mode=0700"))?;
        mount("tmpfs", place.path(), "tmpfs", MountFlags::NOSUID, options.as_c_str())
            .context("mounting a small tmpfs needs root: run this check as root")?;
        Ok(Self(place))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills what is left with a file called `ballast`.
    fn fill(&self) -> Result<()> {
        let mut ballast = File::create(self.path().join("ballast"))?;
        for size in [65536, 4096, 1] {
            loop {
                match ballast.write_all(&vec![0; size]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => bail!(error),
                }
            }
        }
        Ok(())
    }

    fn make_room(&self) -> Result<()> {
        Ok(fs::remove_file(self.path().join("ballast"))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server may still hold files on it.
        let _gone_with_the_machine = unmount(self.path(), UnmountFlags::DETACH);
    }
}

/// Issues until the server says that it cannot; gives what was acknowledged before.
fn issue_until_refused(server: &Server, application: &Application) -> Result<Vec<Pair>> {
    let mut acknowledged = Vec::new();
    for n in 0..20_000 {
        let form = [("grant_type", "client_credentials"), ("scope", &format!("device_full{}", n % 50))];
        let reply = server.client.token(application, &form)?;
        if reply.status == 200 {
            acknowledged.push(pair_of(&reply)?);
            continue;
        }
        ensure!(reply.status == 503, "status {}, not 503: {}", reply.status, reply.text());
        ensure!(reply.header("retry-after").is_some(), "503 without Retry-After");
        return Ok(acknowledged);
    }
    bail!("20,000 issues on a full disk and no refusal")
}

/// The last pair of each scope, which is the one that must be active.
fn latest(pairs: &[Pair]) -> Vec<&Pair> {
    let is_last = |at: usize| !pairs[at + 1..].iter().any(|later| later.scope == pairs[at].scope);
    (0..pairs.len()).filter(|&at| is_last(at)).map(|at| &pairs[at]).collect()
}

#[test]
fn c033_a_full_disk() -> Result<()> {
    let disk = SmallDisk::new("8m")?;
    let launch = Launch::new().data(&disk.path().join("data"));
    scene(launch, |server, report| {
        let application = server.demo.application.clone();
        let held = server.client.sign_in(&application, &server.demo.user, "openid device_held")?;
        disk.fill()?;
        let pairs = issue_until_refused(server, &application)?;
        let client = &server.client;
        report.check("C033", "reading goes on: introspection, userinfo, keys", || {
            client.expect_state("the held token", &held.access, State::Active)?;
            client.userinfo(&held.access)?.expect(200)?;
            client.get("/oauth2/jwks")?.expect(200).map(drop)
        });
        report.check(
            "I2",
            "what was acknowledged before the refusal is active, and only the last of each key",
            || {
                for pair in latest(&pairs) {
                    client.expect_state(&pair.scope, &pair.access, State::Active)?;
                }
                Ok(())
            },
        );
        report.check("C033", "a refused renewal leaves the held pair as it was", || {
            let reply = client.try_refresh(&application, held.refresh()?)?;
            ensure!(reply.status == 503, "status {}: {}", reply.status, reply.text());
            client.expect_state("the held token", &held.access, State::Active)?;
            client.expect_state("its refresh token", held.refresh()?, State::Active)
        });
        report.check("C033", "a revocation is acknowledged only where it holds", || {
            let reply = client.post("/oauth2/revoke", &application, &[("token", &held.access)])?;
            let state = if reply.status == 200 { State::Inactive } else { State::Active };
            ensure!(matches!(reply.status, 200 | 503), "status {}: {}", reply.status, reply.text());
            client.expect_state("the token", &held.access, state)
        });
        report.check("C033", "with room again the same process goes on", || {
            disk.make_room()?;
            let pair = client.issue(&application, "device_after")?;
            client.expect_state("a new token", &pair.access, State::Active)
        });
        server.kill()?;
        server.restart()?;
        report.check("I2", "and a kill and a restart change nothing", || {
            for pair in latest(&pairs) {
                server.client.expect_state(&pair.scope, &pair.access, State::Active)?;
            }
            Ok(())
        });
        Ok(())
    })
}

/// Syncs of the writing thread from the 40th to the 60th fail with an input/output error.
#[test]
fn c033_a_disk_that_fails() -> Result<()> {
    let launch = Launch::new().through(failing_syncs(40, 60)?);
    scene(launch, |server, report| {
        let application = server.demo.application.clone();
        let held = server.client.sign_in(&application, &server.demo.user, "openid device_held")?;
        let mut pairs = issue_until_refused(server, &application)?;
        report.check("C033", "a failed sync is told as 503, and what was acknowledged holds", || {
            server.client.expect_state("the held token", &held.access, State::Active)?;
            server.client.userinfo(&held.access)?.expect(200).map(drop)
        });
        report.check("C033", "syncs that work again are used again", || {
            for n in 0..100 {
                let form = [("grant_type", "client_credentials"), ("scope", &format!("device_again{n}"))];
                let reply = server.client.token(&application, &form)?;
                if reply.status == 200 {
                    pairs.push(pair_of(&reply)?);
                    return Ok(());
                }
                ensure!(reply.status == 503, "status {}: {}", reply.status, reply.text());
            }
            bail!("a hundred refusals, though only twenty-one syncs fail")
        });
        server.kill()?;
        server.restart()?;
        report.check("I2", "after a kill and a restart everything acknowledged is there", || {
            server.client.expect_state("the held token", &held.access, State::Active)?;
            for pair in latest(&pairs) {
                server.client.expect_state(&pair.scope, &pair.access, State::Active)?;
            }
            Ok(())
        });
        Ok(())
    })
}
