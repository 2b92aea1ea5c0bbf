//! What a server refuses: said in a sentence, and nothing is the worse for it.

use crate::common::{NOW, Run, tool};
use crate::garage::{BUCKET, shared};
use crate::site::Site;

#[track_caller]
fn one_sentence(run: &Run) {
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert!(run.stderr.len() < 600 && !run.stderr.contains('<'), "{run:?}");
}

#[test]
fn wrong_credentials_are_not_permitted_and_change_nothing() {
    let Some(garage) = shared() else { return };
    let mut site = Site::new(garage, "refused-secret", "nas");
    site.lab.seed(2, 2);
    site.rotate_alone();
    let before = site.archive_files();
    let right = std::mem::replace(&mut site.secret, "f".repeat(64));
    for words in [["remote", "push"], ["remote", "pull"], ["remote", "verify"]] {
        one_sentence(&site.fails(77, words));
    }
    one_sentence(&site.fails(77, ["remote", "status"]));
    assert_eq!(site.archive_files(), before);
    site.secret = right;
    site.ok(["remote", "push"]);
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    // A question that cannot be answered for want of a right says so, too.
    site.secret = "f".repeat(64);
    let run = site.run(["list", "--since", "2000-01-01"]);
    assert!(run.code == 75 || run.code == 77, "{run:?}");
    assert!(run.stderr.contains("2026-05-10 to 2026-05-11"), "{run:?}");
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let Some(garage) = shared() else { return };
    let site = Site::at("s3://nowhere/x", &garage.address, "nas");
    site.lab.seed(1, 1);
    site.rotate_alone();
    let before = site.archive_files();
    let run = site.run(["remote", "push"]);
    assert_ne!(run.code, 0);
    one_sentence(&run);
    assert!(run.stderr.contains("nowhere"), "{run:?}");
    assert_eq!(site.archive_files(), before);
}

#[test]
fn a_full_bucket_is_told_of_and_the_archive_here_is_whole() {
    let Some(garage) = shared() else { return };
    garage.make_bucket("full");
    garage.tell(&["bucket", "set-quotas", "full", "--max-size", "1KiB"]);
    let site = Site::at("s3://full/x", &garage.address, "nas");
    site.evicts();
    site.lab.seed(2, 20);
    let expected = site.events();
    let run = site.run(["rotate", "--now", NOW]);
    assert!([1, 74, 75, 77].contains(&run.code), "{run:?}");
    assert!(run.stderr.to_lowercase().contains("quota"), "{run:?}");
    assert_eq!(site.segments().len(), 2);
    assert_eq!(site.records("upload"), 0);
    let run = site.run(["prune", "--now", NOW]);
    assert_ne!(run.code, 0, "{run:?}");
    assert_eq!(site.segments().len(), 2, "evicted without a copy");
    assert_eq!(site.events(), expected);
    garage.tell(&["bucket", "set-quotas", "full", "--max-size", "none"]);
    site.ok(["remote", "push"]);
    site.ok(["prune", "--now", NOW]);
    assert_eq!(site.segments().len(), 0);
    site.is_sound(&expected);
    assert_ne!(BUCKET, "full");
}

#[test]
fn a_clock_that_is_wrong_is_told_of() {
    let (Some(garage), Some(faketime)) = (shared(), tool("faketime")) else { return };
    let site = Site::new(garage, "refused-clock", "nas");
    site.lab.seed(1, 2);
    site.rotate_alone();
    let before = site.archive_files();
    let command = site.command(["remote", "push"]);
    let mut late = std::process::Command::new(faketime);
    late.arg("3 days ago").arg(command.get_program()).args(command.get_args()).env_clear();
    late.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let run = Run::of(&late.output().unwrap());
    assert!(run.code == 77 || run.code == 75, "{run:?}");
    one_sentence(&run);
    assert!(run.stderr.contains("clock") || run.stderr.contains("date"), "{run:?}");
    assert_eq!(site.archive_files(), before);
    site.ok(["remote", "push"]);
}
