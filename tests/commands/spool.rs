//! Events that cannot be placed wait in a spool, and come in exactly once.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::common::{Lab, Run, me, tree};
use crate::support::{json, sentence};

/// A file in the place of the day, as anybody who may write to the root can leave it.
const DAY: &str = "2026-05-16";
const EMIT: [&str; 4] = ["emit", "node_online", "--node=pi4", "--timestamp=2026-05-16T10:00:00Z"];

fn blocked() -> Lab {
    let lab = Lab::new();
    fs::write(lab.root().join(DAY), "mine").unwrap();
    lab
}

fn run(lab: &Lab, words: &[&str], spool: bool, on_error: &str) -> Run {
    let mut command = lab.command(words);
    if spool {
        command.env("HLARCHIVE_SPOOL", lab.path("spool"));
    }
    Run::of(&command.env("HLARCHIVE_ON_ERROR", on_error).output().unwrap())
}

fn events_in(lab: &Lab) -> Vec<String> {
    let names = tree(&lab.path("spool")).into_keys();
    names.filter(|name| name.ends_with(".json")).collect()
}

#[test]
fn a_file_in_the_place_of_a_day_is_named_with_its_owner_and_the_way_out() {
    let lab = blocked();
    for words in [&EMIT[..], &["emit", "--batch", EMIT[1], EMIT[2], EMIT[3]]] {
        let run = lab.pipe(b"{}\n", words);
        assert_eq!((run.code, run.stdout.as_str()), (74, ""), "{run:?}");
        let told = format!(
            "{}: cannot open: a file of the user {} is in the place of this directory; it must be \
             moved away before events can be kept here",
            lab.root().join(DAY).display(),
            me()
        );
        assert!(run.stderr.contains(&told), "{run:?}");
    }
}

#[test]
fn what_cannot_be_placed_waits_in_the_spool_and_comes_in_once_with_the_next_event() {
    let lab = blocked();
    let best_effort: Vec<&str> = EMIT.into_iter().chain(["--best-effort"]).collect();
    let spooled = run(&lab, &best_effort, true, "");
    assert_eq!(spooled.code, 0, "{spooled:?}");
    let path = PathBuf::from(spooled.stdout.trim_end());
    assert!(path.starts_with(lab.path("spool").join(DAY).join("pi4")), "{spooled:?}");
    assert!(spooled.stderr.contains("is in the place of this directory"), "{spooled:?}");
    assert!(spooled.stderr.contains("; the event is kept in "), "{spooled:?}");
    let bytes = fs::read(&path).unwrap();
    assert_eq!(fs::metadata(lab.path("spool")).unwrap().permissions().mode() & 0o777, 0o700);
    let batch = lab
        .command(["emit", "--batch", EMIT[1], EMIT[2], EMIT[3]])
        .env("HLARCHIVE_SPOOL", lab.path("spool"))
        .env("HLARCHIVE_ON_ERROR", "spool")
        .stdin(
            fs::File::open({
                fs::write(lab.path("lines"), "{}\n{}\n").unwrap();
                lab.path("lines")
            })
            .unwrap(),
        )
        .output()
        .unwrap();
    assert_eq!(Run::of(&batch).code, 0, "{batch:?}");
    let waiting = events_in(&lab);
    assert_eq!(waiting.len(), 3);
    let status = run(&lab, &["status", "-o", "json"], true, "");
    assert_eq!((status.code, &json(&status.stdout)["spooled"]), (1, &3.into()), "{status:?}");
    // As long as the file is there they stay, whatever else is emitted.
    let other = run(&lab, &["emit", "node_offline"], true, "");
    assert_eq!((other.code, events_in(&lab)), (0, waiting.clone()), "{other:?}");
    fs::remove_file(lab.root().join(DAY)).unwrap();
    // An earlier run was stopped between placing one of them and removing it.
    let first = format!("{DAY}/pi4/{}", path.file_name().unwrap().to_string_lossy());
    lab.write(&first, &bytes);
    let next = run(&lab, &["emit", "node_offline"], true, "");
    assert_eq!(next.code, 0, "{next:?}");
    assert_eq!(events_in(&lab), Vec::<String>::new(), "{next:?}");
    for path in &waiting {
        assert!(lab.root().join(path).is_file(), "{path}");
    }
    assert_eq!(fs::read(lab.root().join(first)).unwrap(), bytes);
    assert_eq!(lab.ok(["list", "--date", DAY, "-opath"]).lines().count(), 3);
    assert!(!run(&lab, &["status"], true, "").stdout.contains("that could not be placed"));
}

#[test]
fn rotate_takes_in_what_waits_before_it_archives() {
    let lab = blocked();
    assert_eq!(run(&lab, &EMIT, true, "spool").code, 0);
    fs::remove_file(lab.root().join(DAY)).unwrap();
    let rotated = run(&lab, &["rotate", "--now", crate::common::NOW], true, "");
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert!(rotated.stdout.contains("2026-05-16  1 event into"), "{rotated:?}");
    assert_eq!(events_in(&lab), Vec::<String>::new());
}

#[test]
fn without_a_spool_the_event_is_told_in_the_warning() {
    let lab = blocked();
    for (words, on_error) in [(vec!["--best-effort"], ""), (vec![], "warn"), (vec![], "spool")] {
        let words: Vec<&str> = EMIT.into_iter().chain(words).collect();
        let told = run(&lab, &words, false, on_error);
        assert_eq!((told.code, told.stdout.as_str()), (0, ""), "{told:?}");
        assert_eq!(told.stderr.lines().count(), 1, "{told:?}");
        let (_, event) = told.stderr.split_once("only in this line: ").unwrap();
        assert_eq!(json(event)["type"], "node_online");
    }
    assert_eq!(run(&lab, &EMIT, true, "fail").code, 74);
    // What is no event is no matter of the disk.
    let run = run(&lab, &["emit", "a/b", "--best-effort"], true, "");
    assert_eq!(run.code, 65, "{run:?}");
}

#[test]
fn a_spool_of_another_root_or_with_a_bad_file_gives_nothing_wrong() {
    let lab = blocked();
    assert_eq!(run(&lab, &EMIT, true, "spool").code, 0);
    let waiting = events_in(&lab);
    let other = run(&lab, &["emit", "node_online", "--root", "other"], true, "");
    assert_eq!(other.code, 0, "{other:?}");
    assert!(other.stderr.contains("this spool is for the events of "), "{other:?}");
    assert_eq!((events_in(&lab), tree(&lab.path("other")).len()), (waiting.clone(), 1));
    // What is no event of its place stays, and is named; links are not followed.
    let place = lab.path("spool").join(DAY).join("pi4");
    fs::write(place.join("x.json"), "{}").unwrap();
    symlink(lab.path("policy.toml"), place.join("link.json")).unwrap();
    fs::remove_file(lab.root().join(DAY)).unwrap();
    let next = run(&lab, &["emit", "node_online"], true, "");
    assert_eq!(next.code, 0, "{next:?}");
    assert!(next.stderr.contains("x.json: it stays in the spool: not an event"), "{next:?}");
    assert_eq!(events_in(&lab).len(), 2);
    assert!(lab.root().join(&waiting[0]).is_file());
    assert!(!lab.root().join(DAY).join("pi4/x.json").exists());
}

#[test]
fn a_spool_that_others_may_write_to_is_not_used() {
    let lab = blocked();
    fs::create_dir(lab.path("spool")).unwrap();
    fs::set_permissions(lab.path("spool"), fs::Permissions::from_mode(0o777)).unwrap();
    let told = run(&lab, &EMIT, true, "spool");
    assert_eq!((told.code, told.stdout.as_str()), (0, ""), "{told:?}");
    assert!(told.stderr.contains("not used as a spool: others can write to it"), "{told:?}");
    assert!(sentence(&told).contains("only in this line: "), "{told:?}");
    assert_eq!(events_in(&lab), Vec::<String>::new());
    fs::set_permissions(lab.path("spool"), fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(run(&lab, &EMIT, true, "spool").stdout.lines().count(), 1);
}
