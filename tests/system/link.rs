//! A link between two machines that goes down in the middle of a sync, and comes back.
//!
//! The other machine is a network namespace of its own behind a slow pair of interfaces.

use std::path::Path;
use std::process::Command;

use crate::common::process::{files_seen, finish, start, until};
use crate::common::ssh::Sshd;
use crate::common::{Lab, Run, cannot, event, is_root, system, tool, tree};

/// A namespace and the pair of interfaces that leads there; gone with the test.
struct Link {
    name: String,
    near: String,
    address: String,
}

fn ip(words: &str) -> bool {
    Command::new("ip").args(words.split(' ')).output().is_ok_and(|output| output.status.success())
}

impl Link {
    fn new() -> Option<Self> {
        if !is_root() {
            return None;
        }
        tool("ip")?;
        let number = std::process::id() % 25_000;
        let (name, near) = (format!("hlarchive-{number}"), format!("hla{number}"));
        let net = format!("10.{}.{}", 100 + number / 250, number % 250);
        let link = Self { name, near, address: format!("{net}.2") };
        let Self { name, near, .. } = &link;
        for words in [
            format!("netns add {name}"),
            format!("link add {near} type veth peer name {near}b netns {name}"),
            format!("addr add {net}.1/30 dev {near}"),
            format!("link set {near} up"),
            format!("-n {name} addr add {net}.2/30 dev {near}b"),
            format!("-n {name} link set {near}b up"),
            format!("-n {name} link set lo up"),
        ] {
            if !ip(&words) {
                cannot(&format!("\"ip {words}\" is not allowed here"));
                return None;
            }
        }
        Some(link)
    }

    fn set(&self, state: &str) {
        system(Command::new("ip").args(["link", "set", &self.near, state]));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.near));
        ip(&format!("netns del {}", self.name));
    }
}

/// Files in directories that a sync keeps until it is done.
fn in_waiting(root: &Path) -> usize {
    let entries = std::fs::read_dir(root).unwrap().flatten();
    let own =
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".hlarchive-sync-"));
    own.map(|entry| files_seen(&entry.path())).sum()
}

#[test]
fn what_had_arrived_when_the_link_went_down_is_kept_and_gone_on_with() {
    let Some(link) = Link::new() else { return };
    // Slow enough that it is in the middle for a while.
    let slow = ["qdisc", "add", "dev", &link.near, "root", "netem", "rate", "2mbit"];
    let slow = Command::new("tc").args(slow).output().is_ok_and(|output| output.status.success());
    let mut within = Command::new("ip");
    within.args(["netns", "exec", &link.name]);
    let Some(sshd) = Sshd::start_at(&link.address, within) else { return };
    let (here, there) = (Lab::new(), Lab::new());
    for day in 10..20 {
        for number in 0..150 {
            let (path, bytes) = event(day, 7, "pi-away", number);
            there.write(&path, bytes);
        }
    }
    let ssh = sshd.ssh();
    let from = sshd.at(&there.root());
    let words = ["sync", "--ssh", &ssh, "--connect-timeout", "2", "--timeout", "2", &from];
    // Nothing at all while it is down.
    link.set("down");
    let before = tree(&here.path(""));
    let run = Run::of(&here.command(words).output().unwrap());
    assert_eq!(run.code, 75, "{run:?}");
    assert!(tree(&here.path("")) == before);
    link.set("up");
    let root = here.root();
    let mut child = start(&mut here.command(words));
    until("events to arrive", &mut || {
        in_waiting(&root) > 40 || child.try_wait().unwrap().is_some()
    });
    link.set("down");
    let run = finish(child);
    // On a fast machine all may have arrived by then.
    assert!(run.code == 75 || (run.code == 0 && !slow), "{run:?}");
    here.ok(["verify"]);
    let kept = in_waiting(&root) + tree(&root).len();
    assert!(kept > 40, "{kept} files are kept");
    link.set("up");
    let run = Run::of(&here.command(words).output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    assert!(tree(&root) == tree(&there.root()));
    assert_eq!(in_waiting(&root), 0);
    here.ok(["verify"]);
}
