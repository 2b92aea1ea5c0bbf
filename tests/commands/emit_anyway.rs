//! An event is kept, whatever is wrong around it.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::common::{HLARCHIVE, Lab, Run, cannot, is_root, me, tool, tree};
use crate::support::{json, policy, sentence};

/// Policies of which something else than `[events]` is wrong, with what is said of it.
const SLIPS: [(&str, &str); 4] = [
    ("[retain]\nkeep = \"6 monhts\"\n", ":2: keep = \"6 monhts\": expected a duration"),
    ("[rotat]\n", ":1: unknown key rotat"),
    ("[rotate]\nlevel = 99\n", ":2: level = 99"),
    ("[remote]\nurl = \"ftp://x\"\n", ":2: url = \"ftp://x\""),
];

const EVENTS: &str = "[events]\nunknown_types = \"reject\"\ntypes = [\"backup_done\"]\n";

#[test]
fn a_slip_in_another_section_leaves_the_rules_of_events_in_force() {
    let lab = Lab::new();
    for (slip, told) in SLIPS {
        policy(&lab, &format!("version = 1\n{EVENTS}{slip}"));
        let before = tree(&lab.root()).len();
        let run = lab.run(["emit", "backup_done", "-q"]);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        let what = told.split_once(": ").unwrap().1;
        assert!(run.stderr.starts_with("hlarchive: warning: ") && run.stderr.contains(what));
        assert!(run.stderr.ends_with("; events are kept by what [events] says\n"), "{run:?}");
        let batch = lab.pipe(b"{\"type\":\"backup_done\"}\n", ["emit", "--batch"]);
        assert_eq!((batch.code, batch.stderr), (0, run.stderr), "{slip}");
        assert_eq!(tree(&lab.root()).len(), before + 2);
        // It still says what is refused.
        let run = lab.fails(65, ["emit", "coffee_ready"]);
        assert!(run.stderr.contains("coffee_ready is not a known type"), "{run:?}");
    }
}

#[test]
fn a_policy_that_cannot_be_understood_leaves_the_built_in_rules_in_force() {
    let lab = Lab::new();
    let emits = |named: &str, told: &str| {
        let run = lab.run(["emit", "coffee_ready", "--policy", named]);
        assert_eq!((run.code, run.stdout.lines().count()), (0, 1), "{run:?}");
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{run:?}");
        assert!(lines[0].contains(told), "{told}: {run:?}");
        assert!(lines[0].ends_with("; events are kept by the built-in rules"), "{run:?}");
        assert!(lines[1].contains("coffee_ready is not a known type"), "{run:?}");
    };
    for (text, told) in [
        ("version = 1\n[events\n", "this is not TOML"),
        ("version = 2\n[events]\nunknown_types = \"reject\"\n", "version = 2: expected 1"),
        ("version = 1\n[events]\nmax_bytes = \"9TiB\"\n", "max_bytes = \"9TiB\": expected a size"),
        ("", "the version is missing"),
    ] {
        policy(&lab, text);
        emits("policy.toml", told);
    }
    fs::write(lab.path("binary.toml"), b"\xff\xfe").unwrap();
    emits("binary.toml", "it is not UTF-8 text");
    emits("nowhere.toml", "nowhere.toml: cannot read: no such file or directory");
    emits("events", "events: cannot read: is a directory");
    assert_eq!(tree(&lab.root()).len(), 7);
}

#[test]
fn a_policy_may_begin_with_a_byte_order_mark() {
    let lab = Lab::new();
    policy(&lab, &format!("\u{feff}version = 1\n{EVENTS}"));
    assert_eq!(lab.run(["emit", "backup_done"]).stderr, "");
    lab.ok(["policy", "check"]);
}

#[test]
fn variables_that_are_set_to_nothing_count_as_not_set() {
    let lab = Lab::new();
    lab.seed(1, 1);
    for name in [
        "HLARCHIVE_ROOT",
        "HLARCHIVE_ARCHIVE",
        "HLARCHIVE_POLICY",
        "HLARCHIVE_LOG_FORMAT",
        "HLARCHIVE_COLOR",
        "HLARCHIVE_METRICS_FILE",
        "HLARCHIVE_CACHE",
    ] {
        // What the flag says is as good as what the variable would have said.
        let mut command = lab.command(["list", "--date=2026-05-10", "-opath"]);
        command.env(name, "");
        if name == "HLARCHIVE_ROOT" {
            command.args(["--root", "events"]);
        }
        let run = Run::of(&command.output().unwrap());
        assert_eq!((run.code, run.stdout.lines().count()), (0, 3), "{name}: {run:?}");
        let mut command = lab.command(["emit", "node_online", "--root", "events"]);
        let run = Run::of(&command.env(name, "").output().unwrap());
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{name}: {run:?}");
    }
    let help =
        Run::of(&lab.command(["list", "--help"]).env("HLARCHIVE_ROOT", "").output().unwrap());
    assert_eq!(help.code, 0);
}

#[test]
fn durations_are_understood_as_people_write_them() {
    let lab = Lab::new();
    for keep in ["6 months", "90 days", "2 years", "26 weeks", "1 year 6 months", "2y"] {
        policy(&lab, &format!("version = 1\n[retain]\nkeep = \"{keep}\"\n"));
        assert_eq!(lab.ok(["policy", "check"]).lines().count(), 1, "{keep}");
    }
    policy(&lab, "version = 1\n[retain]\nkeep = \"6M\"\n");
    let run = lab.fails(78, ["policy", "check"]);
    assert!(run.stderr.contains("did you mean 6m (minutes) or \"6 months\"?"), "{run:?}");
    policy(&lab, "version = 1\n[retain]\nkeep = \"6m\"\n");
    assert!(lab.fails(78, ["policy", "check"]).stderr.contains("m are minutes"));
    policy(&lab, "version = 1\n");
    lab.ok(["emit", "node_online", "--timestamp", "2 hours ago"]);
    for (since, found) in [("1h30m", 0), ("1 month", 1), ("2 h 1 min ago", 1), ("6 months ago", 1)]
    {
        assert_eq!(lab.ok(["list", "--since", since, "-opath"]).lines().count(), found, "{since}");
    }
    for command in [
        &["list", "--since", "1M"][..],
        &["list", "--until", "1M ago"],
        &["attempts", "--since", "1M"],
        &["export", "--format=ndjson", "--to", "out", "--since", "1M"],
        &["prune", "--now", "1M ago"],
    ] {
        let run = lab.fails(2, command);
        assert!(run.stderr.contains("did you mean 1m (minute) or \"1 month\"?"), "{run:?}");
    }
}

#[test]
fn the_user_of_a_record_is_the_one_of_the_process_whatever_the_environment_claims() {
    let lab = Lab::new();
    lab.seed(2, 1);
    let by = |lines: &str| json(lines.lines().last().unwrap())["by"].clone();
    let rotate = |day: &str, set: &[(&str, &str)]| {
        let mut command = lab.command(["rotate", "--now", crate::common::NOW, "--date", day]);
        command.env("LOGNAME", "mallory").env("USER", "mallory").envs(set.iter().copied());
        let run = Run::of(&command.output().unwrap());
        assert_eq!(run.code, 0, "{run:?}");
        by(&fs::read_to_string(lab.archive().join("manifest.jsonl")).unwrap())
    };
    let record = rotate("2026-05-10", &[]);
    assert_eq!((&record["user"], record.get("sudo_user")), (&me().into(), None));
    let record = rotate("2026-05-11", &[("SUDO_UID", "0"), ("SUDO_USER", "anybody")]);
    assert_eq!((&record["user"], &record["sudo_user"]), (&me().into(), &"root".into()));
    lab.ok(["verify"]);
}

#[test]
fn a_root_without_a_name_of_its_own_has_its_archive_beside_it() {
    let lab = Lab::new();
    lab.seed(1, 2);
    let rotate = |from: &str, root: &str| {
        let mut command = lab.command(["rotate", "--now", crate::common::NOW, "--root", root]);
        command.env_remove("HLARCHIVE_ARCHIVE").current_dir(lab.path(from));
        Run::of(&command.output().unwrap())
    };
    let run = rotate("events", ".");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(lab.archive().join("manifest.jsonl").exists());
    assert_eq!(tree(&lab.root()).len(), 0);
    lab.write("2026-05-11/pi4/x.json", "{}");
    assert_eq!(rotate("events/2026-05-11", "..").code, 1, "one file is no event, and archived");
    assert!(!lab.root().join("-archive").exists());
    lab.ok(["verify"]);
}

#[test]
fn a_tree_and_an_archive_of_which_one_lies_in_the_other_are_refused_through_links_too() {
    let lab = Lab::new();
    lab.seed(1, 2);
    symlink("events", lab.path("link")).unwrap();
    fs::create_dir(lab.path("outer")).unwrap();
    symlink("../events", lab.path("outer/inner")).unwrap();
    let before = tree(&lab.path(""));
    for (root, archive, told) in [
        ("events", "events/archive", "lies inside the event tree"),
        ("events", "link/archive/deep", "lies inside the event tree"),
        ("link", "events", "is the event tree itself"),
        ("events", "missing/../events", "is the event tree itself"),
        ("events", "outer/inner/x", "lies inside the event tree"),
        ("events", ".", "holds the event tree"),
    ] {
        for command in [
            &["rotate", "--now", crate::common::NOW][..],
            &["rotate", "--now", crate::common::NOW, "--dry-run"],
            &["prune"],
            &["compact"],
            &["hold", "add", "2026-05-10", "--reason", "x"],
            &["import", "outer"],
            &["restore", "2026-05-10", "--live"],
        ] {
            let run =
                lab.run(command.iter().copied().chain(["--root", root, "--archive", archive]));
            assert_eq!(run.code, 2, "{command:?} {archive}: {run:?}");
            assert!(sentence(&run).contains(told), "{command:?} {archive}: {run:?}");
        }
        assert_eq!(tree(&lab.path("")), before, "{root} {archive}");
        // An event is kept, however the places lie.
        let path = lab.ok(["emit", "node_online", "--root", root, "--archive", archive]);
        fs::remove_file(lab.path(path.trim_end())).unwrap();
        let day = lab.path(path.trim_end()).parent().unwrap().parent().unwrap().to_owned();
        fs::remove_dir_all(day).unwrap();
    }
}

#[test]
fn nothing_is_restored_or_exported_into_the_tree_or_the_archive() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    symlink("events", lab.path("link")).unwrap();
    symlink("events-archive", lab.path("archive-link")).unwrap();
    let before = tree(&lab.path(""));
    for to in [
        "events/new",
        "link/new/deep",
        "missing/../events/x",
        "events-archive",
        "archive-link/2026",
    ] {
        for command in [
            &["restore", "2026-05-10", "--to", to][..],
            &["restore", "2026-05-10", "--to", to, "--dry-run"],
            &["export", "--since=2026-05-01", "--format=ndjson", "--to", to],
        ] {
            let run = lab.fails(2, command);
            assert!(sentence(&run).contains(" only reads; choose another directory"), "{run:?}");
        }
    }
    let run = lab.fails(2, ["restore", "2026-05-10", "--to", "link"]);
    assert_eq!(sentence(&run), "link: this is the live tree; restore into it with --live");
    assert_eq!(tree(&lab.path("")), before);
    lab.ok(["restore", "2026-05-10", "--to", "out"]);
}

#[test]
fn a_host_name_that_is_no_node_name_is_refused_with_the_flag_that_gives_another() {
    let lab = Lab::new();
    let Some(_) = tool("unshare").filter(|_| is_root()) else { return };
    let emit = |more: &str| {
        let mut command = Command::new("unshare");
        let script = format!(
            "echo 'my host' >/proc/sys/kernel/hostname && exec \"$0\" emit node_online {more}"
        );
        command.args(["--uts", "sh", "-c", &script, HLARCHIVE]);
        Run::of(&command.env("HLARCHIVE_ROOT", lab.root()).output().unwrap())
    };
    let run = emit("");
    assert_eq!(run.code, 65, "{run:?}");
    assert!(sentence(&run).starts_with("node: \"my host\" is not a node name: "), "{run:?}");
    assert!(sentence(&run).ends_with("; it is this machine's name: give another by --node"));
    let run = emit("--node=mine");
    assert_eq!(run.code, 0, "{run:?}");
}

/// A file system that knows the flag: /tmp of the tests may not.
#[test]
fn an_archive_whose_manifest_may_only_be_appended_to_goes_on() {
    let lab = Lab::new();
    lab.seed(2, 2);
    lab.rotate_day("2026-05-10");
    let manifest = lab.archive().join("manifest.jsonl");
    let Some(chattr) = tool("chattr") else { return };
    let set = |flag: &str| Command::new(&chattr).arg(flag).arg(&manifest).output().unwrap();
    if !set("+a").status.success() {
        cannot("this file system or this user cannot make a file append-only");
        return;
    }
    let before = fs::read(&manifest).unwrap();
    let rotated = lab.run(["rotate", "--now", crate::common::NOW]);
    let held = lab.run(["hold", "add", "2026-05-10", "--reason", "x"]);
    let verified = lab.run(["verify"]);
    let after = fs::read(&manifest).unwrap();
    // A power cut in the midst of the next record.
    let torn = [after.as_slice(), b"{\"v\":1,\"seq\""].concat();
    assert!(set("-a").status.success());
    fs::write(&manifest, &torn).unwrap();
    assert!(set("+a").status.success());
    let stuck = lab.run(["hold", "add", "2026-05-11", "--reason", "y"]);
    assert!(set("-a").status.success());
    for run in [rotated, held, verified] {
        assert_eq!(run.code, 0, "{run:?}");
    }
    assert!(after.starts_with(&before) && after.len() > before.len());
    assert_eq!(stuck.code, 77, "{stuck:?}");
    assert!(sentence(&stuck).contains("(chattr -a)"), "{stuck:?}");
    lab.ok(["hold", "add", "2026-05-11", "--reason", "y"]);
    lab.ok(["verify"]);
}
