//! Networks of the kernel's own: namespaces that nothing but a cable joins.
//!
//! They have no names and leave nothing behind: a namespace lasts as long as this process holds it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// What is missing where a namespace cannot be made.
const NEEDS: &str =
    "a network of its own needs root, and the commands unshare and ip: run this check as root";

/// A network that sees no other.
#[derive(Debug)]
pub struct Namespace {
    door: File,
    /// A process inside, which ends when its standard input does.
    holder: Child,
    _until: ChildStdin,
}

impl Namespace {
    /// A new one with a loopback interface.
    pub fn make() -> Result<Self> {
        let script = "ip link set lo up && echo made && read end";
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().context(NEEDS)?;
        let (input, output) = (holder.stdin.take(), holder.stdout.take());
        let (until, output) = input.zip(output).context("both were piped")?;
        let mut said = String::new();
        BufReader::new(output).read_line(&mut said)?;
        ensure!(said == "made\n", NEEDS);
        let door = File::open(format!("/proc/{}/ns/net", holder.id()))?;
        Ok(Self { door, holder, _until: until })
    }

    /// Does something inside: its sockets, and the processes that it starts, are of this network.
    pub fn inside<T: Send>(&self, run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let enter = || -> Result<T> {
            move_into_link_name_space(self.door.as_fd(), Some(LinkNameSpaceType::Network)).context(NEEDS)?;
            run()
        };
        // Only this thread goes in.
        let outcome = thread::scope(|scope| scope.spawn(enter).join());
        outcome.unwrap_or_else(|problem| std::panic::resume_unwind(problem))
    }

    /// Runs `ip` with these words inside.
    pub fn ip(&self, words: &[&str]) -> Result<()> {
        self.inside(|| {
            let done = Command::new("ip").args(words).output().context(NEEDS)?;
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            ensure!(done.status.success(), "ip {}: {said}", words.join(" "));
            Ok(())
        })
    }

    /// Lays a cable between two networks: each end is the interface `cable`, with the address beside its network.
    pub fn join(ends: [(&Self, &str); 2]) -> Result<()> {
        let [(one, _), (other, _)] = ends;
        let peer = other.holder.id().to_string();
        one.ip(&["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &peer])?;
        for (end, address) in ends {
            end.ip(&["address", "add", address, "dev", "cable"])?;
            end.ip(&["link", "set", "cable", "up"])?;
        }
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ended_already = self.holder.kill();
        let _ = self.holder.wait();
    }
}
