//! What other users meet, and what a full disk does. These need root, to become another
//! user and to mount a small disk; elsewhere they say so.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::common::{HLARCHIVE, Lab, NOW, Run, cannot, is_root, system, tool, tree};
use crate::support::{EVENT, Event, sentence};

/// Another user, who may reach the lab and the command.
struct Nobody {
    setpriv: PathBuf,
    command: PathBuf,
}

impl Nobody {
    fn of(lab: &Lab) -> Option<Self> {
        let setpriv = tool("setpriv").filter(|_| is_root())?;
        let command = lab.path("hlarchive");
        // By another process: a child that a test beside this one starts would inherit the
        // copy while it is still open for writing, and it could not be run.
        system(Command::new("cp").arg(HLARCHIVE).arg(&command));
        for path in [lab.path(""), command.clone()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Some(Self { setpriv, command })
    }

    fn run(&self, lab: &Lab, arguments: &[&str]) -> Run {
        let mut command = Command::new(&self.setpriv);
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&self.command).args(arguments).current_dir(lab.path(""));
        command.env("HLARCHIVE_ROOT", lab.root()).env("HLARCHIVE_ARCHIVE", lab.archive());
        command.env("HLARCHIVE_POLICY", lab.path("policy.toml"));
        Run::of(&command.output().unwrap())
    }
}

fn close(path: PathBuf) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o0)).unwrap();
}

#[test]
fn what_one_may_not_write_is_exit_code_77_with_the_path() {
    let lab = Lab::new();
    EVENT.write(&lab);
    Event { time: "2026-05-17T00:00:00.000000Z", ..EVENT }.write(&lab);
    lab.ok(["rotate", "--date=2026-05-17", "--now", NOW]);
    let Some(nobody) = Nobody::of(&lab) else { return };
    let before = (tree(&lab.root()), tree(&lab.archive()));
    let denied = |arguments: &[&str], start: &str, end: &str| {
        let run = nobody.run(&lab, arguments);
        assert_eq!(run.code, 77, "{run:?}");
        let told = sentence(&run);
        assert!(told.starts_with(start) && told.ends_with(end), "{told}");
    };
    let (root, archive) = (lab.root().display().to_string(), lab.archive().display().to_string());
    denied(
        &["emit", "node_online", "--timestamp=2026-01-01"],
        &format!("{root}/2026-01-01: "),
        "cannot create: permission denied",
    );
    denied(
        &["emit", "node_online", "--node=pi4", "--timestamp=2026-05-16"],
        &format!("{root}/2026-05-16/pi4/"),
        ".json: cannot create: permission denied",
    );
    denied(
        &["rotate", "--now", NOW],
        &format!("{archive}/lock: "),
        "cannot open: permission denied",
    );
    denied(
        &["restore", "2026-05-17", "--live"],
        &format!("{archive}/lock: "),
        "cannot open: permission denied",
    );
    denied(&["restore", "2026-05-17", "--to=out"], "out: ", "cannot create: permission denied");
    assert!((tree(&lab.root()), tree(&lab.archive())) == before);
    // Reading needs no permission to write.
    for arguments in [
        &["list", "--since=2000-01-01"][..],
        &["verify"],
        &["trace", "run-1"],
        &["attempts", "--since=2000-01-01", "-ojson"],
        &["outages", "--since=2000-01-01", "-ojson"],
        &["status", "--since=2026-05-01", "--now", NOW],
        &["show", &EVENT.path()],
        &["inspect", "2026-05-17"],
        &["manifest", "head"],
        &["rotate", "-n", "--now", NOW],
    ] {
        let run = nobody.run(&lab, arguments);
        // Nothing was attempted or down, and a day should have been archived long ago: answers, too.
        let wanted = i32::from(matches!(arguments[0], "attempts" | "outages" | "status"));
        assert_eq!(run.code, wanted, "{arguments:?}: {run:?}");
        assert!(
            !run.stdout.is_empty() && !run.stderr.contains("warning"),
            "{arguments:?}: {run:?}"
        );
    }
}

#[test]
fn what_one_may_not_read_is_named_once_and_costs_only_itself() {
    let lab = Lab::new();
    let hidden = EVENT.write(&lab);
    let open = Event { number: 1, ..EVENT }.write(&lab);
    let beneath = Event { node: "secret", number: 2, ..EVENT }.write(&lab);
    for day in ["2026-05-10T00:00:00.000000Z", "2026-05-11T00:00:00.000000Z"] {
        Event { time: day, ..EVENT }.write(&lab);
    }
    lab.ok(["rotate", "--date=2026-05-10", "--date=2026-05-11", "--now", NOW]);
    let Some(nobody) = Nobody::of(&lab) else { return };
    close(lab.root().join(&hidden));
    close(lab.root().join("2026-05-16/secret"));
    close(lab.archive().join("2026/2026-05-11.tar.zst"));
    let archive = lab.archive().display().to_string();
    let file = format!("{hidden}: cannot open: permission denied");
    let folder = "2026-05-16/secret: cannot read this directory: permission denied";
    let segment = "2026/2026-05-11.tar.zst: cannot open: permission denied";

    let run = nobody.run(&lab, &["list", "--since=2000-01-01", "-opath"]);
    assert_eq!(run.code, 74);
    assert_eq!(run.stdout.lines().count(), 2, "{run:?}");
    assert!(run.stdout.ends_with(&format!("{open}\n")), "{run:?}");
    let mut told: Vec<&str> = run.stderr.lines().collect();
    told.sort_unstable();
    let wanted = [format!("{archive}/{segment}"), folder.to_owned(), file.clone()]
        .map(|line| format!("hlarchive: warning: {line}"));
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    assert_eq!(told, wanted);

    let run = nobody.run(&lab, &["verify"]);
    assert_eq!(run.code, 1);
    let mut told: Vec<&str> = run.stdout.lines().collect();
    assert!(told.pop().unwrap().starts_with("proved: except for the findings, "));
    assert!(told.pop().unwrap().ends_with(": 3 findings"));
    told.sort_unstable();
    let mut wanted = [segment.to_owned(), folder.to_owned(), file];
    wanted.sort_unstable();
    assert_eq!(told, wanted);

    let run = nobody.run(&lab, &["show", &hidden]);
    let path = lab.root().join(&hidden).display().to_string();
    assert_eq!(
        (run.code, sentence(&run)),
        (77, format!("{path}: cannot open: permission denied").as_str())
    );
    assert_eq!(nobody.run(&lab, &["show", &beneath]).code, 66);
    let run = nobody.run(&lab, &["inspect", "2026-05-11"]);
    assert_eq!((run.code, sentence(&run)), (77, format!("{archive}/{segment}").as_str()));
    close(lab.root());
    let run = nobody.run(&lab, &["list"]);
    let root = lab.root().display().to_string();
    assert_eq!(
        (run.code, sentence(&run)),
        (77, format!("{root}: cannot open: permission denied").as_str())
    );
}

/// A small disk of its own, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(lab: &Lab) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let path = lab.path("disk");
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&path);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        cannot("a small disk cannot be mounted here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_events_and_keeps_what_is_there() {
    let lab = Lab::new();
    let Some(disk) = SmallDisk::mount(&lab) else { return };
    // Bytes that do not compress, so that a segment needs as much room as the events.
    let mut seed = 7_u64;
    let mut noise = || -> String {
        let digit = |seed: &mut u64| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
                    [(*seed >> 58) as usize],
            )
        };
        (0..30_000).map(|_| digit(&mut seed)).collect()
    };
    let root = disk.0.join("events");
    let flags = ["--root", root.to_str().unwrap()];
    let mut kept = 0;
    let refused = loop {
        let payload = format!("{{\"noise\":\"{}\"}}", noise());
        let day = format!("2026-05-{:02}", kept + 1);
        let run = lab.run(
            ["emit", "node_online", "--node=n", "--timestamp", &day, "--payload", &payload]
                .iter()
                .chain(&flags),
        );
        if run.code != 0 {
            break run;
        }
        kept += 1;
        assert!(kept < 20, "the disk does not become full");
    };
    assert_eq!(refused.code, 74);
    let told = sentence(&refused);
    assert!(
        told.starts_with(root.to_str().unwrap())
            && told.ends_with("cannot write: no space left on device"),
        "{told}"
    );
    let before = tree(&root);
    assert_eq!(before.len(), kept);

    // Rotation has no room for its segments either: each day is named and stays as it was.
    let archive = disk.0.join("archive");
    let places = ["--root", root.to_str().unwrap(), "--archive", archive.to_str().unwrap()];
    let run = lab.fails(1, ["rotate", "--now", NOW].iter().chain(&places));
    assert_eq!(run.stderr.lines().count(), kept, "{run:?}");
    for line in run.stderr.lines() {
        assert!(line.ends_with("are free there; its events stay live"), "{line}");
    }
    assert!(tree(&root) == before);
    let left: Vec<String> = tree(&archive).into_keys().collect();
    assert_eq!(left, ["lock"], "no half-written file takes up room");
    // With room again, elsewhere, the same run goes through.
    let elsewhere = lab.path("elsewhere").display().to_string();
    lab.ok(["rotate", "--now", NOW, "--root", root.to_str().unwrap(), "--archive", &elsewhere]);
    assert!(tree(&root).is_empty());
    lab.ok(["restore", "--to=back", "--archive", &elsewhere, "--since=2026-01-01"]);
    assert!(tree(&lab.path("back")) == before);
}
