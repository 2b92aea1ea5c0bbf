//! A follower that is awake: by the kernel, or by looking at intervals where that tells
//! nothing.

use std::fs;
use std::process::Command;

use crate::common::{HLARCHIVE, Lab, NOW, cannot, event, tool};
use crate::support::{Follower, path_of, place};

/// Events of days before and after midnight, in new directories and old ones.
fn comings(lab: &Lab, follower: &mut Follower) {
    let mut number = 100;
    for (day, node) in [(20, "pi4"), (20, "new"), (21, "pi4"), (3, "pi4"), (21, "pi4"), (20, "new")]
    {
        number += 1;
        let (path, bytes) = event(day, 1, node, number);
        place(lab, &path, &bytes);
        assert_eq!(path_of(&follower.next()), path);
    }
}

#[test]
fn new_days_and_nodes_are_seen_and_a_root_that_comes_later() {
    let lab = Lab::new();
    fs::remove_dir(lab.root()).unwrap();
    let mut follower = Follower::start(&lab, &["--since=2000-01-01"]);
    comings(&lab, &mut follower);
    lab.ok(["rotate", "--now", NOW]);
    assert_eq!(crate::support::live(&lab), [""; 0], "the directories are gone");
    comings_again(&lab, &mut follower);
    let (rest, errors, code) = follower.stop();
    assert_eq!((rest.as_str(), errors.as_str(), code), ("", "", Some(143)));
}

/// The same days once more, with other events.
fn comings_again(lab: &Lab, follower: &mut Follower) {
    for number in 200..204 {
        let (path, bytes) = event(20, 2, "pi5", number);
        place(lab, &path, &bytes);
        assert_eq!(path_of(&follower.next()), path);
    }
}

/// A follower in a user namespace with limits of its own.
fn limited(lab: &Lab, limit: &str) -> Option<Follower> {
    let unshare = tool("unshare")?;
    let script = format!(
        "echo 0 > /proc/sys/user/{limit} && exec {HLARCHIVE} list --follow --verbose -o ndjson \
         --since=2000-01-01"
    );
    let own = lab.command([""; 0]);
    let mut command = Command::new(unshare);
    command.args(["--user", "--map-root-user", "sh", "-c", &script]).env_clear();
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let probe = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c"])
        .arg(format!("echo 0 > /proc/sys/user/{limit}"))
        .output()
        .unwrap();
    if !probe.status.success() {
        cannot(&format!("this system lets nobody limit {limit}"));
        return None;
    }
    Some(Follower::of(&mut command))
}

#[test]
fn without_watches_it_looks_at_intervals_and_misses_nothing() {
    for limit in ["max_inotify_watches", "max_inotify_instances"] {
        let lab = Lab::new();
        let Some(mut follower) = limited(&lab, limit) else { return };
        comings(&lab, &mut follower);
        let (rest, errors, code) = follower.stop();
        assert_eq!((rest.as_str(), code), ("", Some(143)), "{limit}");
        assert!(errors.contains("so new events are polled for every 250 ms"), "{limit}: {errors}");
    }
}

#[test]
fn with_watches_it_says_nothing_and_stops_at_once_when_nobody_reads() {
    let lab = Lab::new();
    let mut follower = Follower::start(&lab, &["--since=2000-01-01", "--verbose"]);
    comings(&lab, &mut follower);
    let Follower { mut child, lines } = follower;
    drop(lines);
    // No event has to come for it.
    let mut errors = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""));
}

#[test]
fn an_event_that_comes_while_a_second_sight_is_due_is_given() {
    let lab = Lab::new();
    let mut follower = Follower::start(&lab, &["--since=2000-01-01"]);
    let (path, bytes) = event(10, 1, "pi4", 1);
    // Written in two pieces, as other programs may.
    lab.write(&path, &bytes[..30]);
    fs::write(lab.root().join(&path), &bytes).unwrap();
    assert_eq!(path_of(&follower.next()), path);
    follower.stop();
}
