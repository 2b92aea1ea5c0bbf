//! Every verb that the program has, as it says itself: a test that goes through all of them is held
//! to it, so that a new verb cannot be forgotten there. And which verbs are of one kind, as command
//! lines for a lab that is [`ready`].

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{HLARCHIVE, Lab, NOW, Run, event, keys};

/// Those that only read.
pub const READING: [&[&str]; 15] = [
    &["list", "--since", "2000-01-01", "-o", "ndjson"],
    &["trace", "run-10-0"],
    &["attempts", "--since", "2000-01-01"],
    &["outages", "--since", "2000-01-01", "--now", NOW],
    &["count", "--by", "service", "--per", "day", "--grep", "monitor"],
    &["values", "node"],
    &["status", "--since", "2000-01-01", "--now", NOW],
    &["show", "0196d8a2-0010-7000-8000-000000000000"],
    &["inspect", "2026-05-10"],
    &["verify"],
    &["manifest", "show"],
    &["manifest", "head"],
    &["hold", "list"],
    &["policy", "show"],
    &["policy", "check", "policy.toml"],
];

/// Those that read, and write into a directory of their own.
pub const TAKING: [&[&str]; 3] = [
    &["restore", "2026-05-10", "--to", "free/restored"],
    &["evidence", "2026-05-10", "--to", "free/evidence"],
    &["export", "--format", "csv", "--to", "free/exported"],
];

/// Those that work under the archive's lock, or not at all.
pub const LOCKING: [&[&str]; 9] = [
    &["rotate", "--now", NOW],
    &["restore", "2026-05-10", "--live"],
    &["manifest", "rebuild"],
    &["manifest", "sign", "--key", "key.sec"],
    &["prune", "--now", NOW],
    &["compact"],
    &["hold", "add", "2026-05-10", "--reason", "x"],
    &["hold", "release", "1"],
    &["import", "arriving"],
];

/// Those that bring events into the live tree, and need no lock for it.
pub const BRINGING: [&[&str]; 2] = [
    &["emit", "node_online", "--node", "nas", "--timestamp", "2026-05-11T10:00:00Z"],
    &["sync", "arriving"],
];

/// Those that are of no such kind.
pub const OTHERS: [(&[&str], &str); 3] = [
    (&["mcp"], "it is not built into each program, and answers as those that read"),
    (&["completions", "man", "demo"], "they touch neither events nor archive"),
    (
        &["remote status", "remote push", "remote pull", "remote verify", "remote rebuild"],
        "they need a bucket; tests/remote has one",
    ),
];

/// What each of those that read says, with its exit code.
pub fn answers(lab: &Lab) -> Vec<(&'static [&'static str], i32, String)> {
    READING.into_iter().map(|words| (words, lab.run(words))).map(answer).collect()
}

/// What a run answered. How earlier runs ended, which `status` tells, is no part of it, for the runs
/// of a test are among them; nor is the checksum by which `evidence` says when it was made.
pub fn answer(
    (words, run): (&'static [&'static str], Run),
) -> (&'static [&'static str], i32, String) {
    let passing: &[&str] = match words[0] {
        "status" => &["see to", "rotate", "verify", "prune", "     "],
        "evidence" => &["free/evidence: "],
        _ => &[],
    };
    let is_lasting = |line: &&str| !passing.iter().any(|start| line.starts_with(start));
    let lines: Vec<&str> = run.stdout.lines().filter(is_lasting).collect();
    (words, run.code, lines.join("\n"))
}

/// Makes a lab with two days of which the first is archived ready for these command lines.
pub fn ready(lab: &Lab) {
    keys(lab, "key", None);
    let (path, bytes) = event(12, 0, "nas", 7000);
    let arriving = lab.path("arriving").join(path);
    fs::create_dir_all(arriving.parent().unwrap()).unwrap();
    fs::write(arriving, bytes).unwrap();
    fs::create_dir(lab.path("free")).unwrap();
    fs::set_permissions(lab.path("free"), fs::Permissions::from_mode(0o777)).unwrap();
}

/// What a verb's help says; the program's own for none.
pub fn help(verb: &str) -> String {
    let mut command = Command::new(HLARCHIVE);
    command.args(verb.split_whitespace()).arg("--help").env_clear();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{verb} --help: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every verb: "list", and "manifest head" where there are several of a kind.
pub fn verbs() -> BTreeSet<String> {
    let found: BTreeSet<String> = below("").into_iter().collect();
    assert!(found.contains("list") && found.contains("manifest head"), "{found:?}");
    found
}

/// The verbs below one; none of its own if it is one itself.
fn below(verb: &str) -> Vec<String> {
    let help = help(verb);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // What goes on in the next line stands further to the right.
    let names = listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next());
    names
        .flat_map(|name| {
            let verb = format!("{verb} {name}").trim_start().to_owned();
            let inner = below(&verb);
            if inner.is_empty() { vec![verb] } else { inner }
        })
        .collect()
}

/// Asserts that a test leaves out no verb that the program has: its command lines try each, or it
/// names the verb among `others`, with the reason why that has no place in it.
#[track_caller]
pub fn assert_every_verb<L: AsRef<[W]>, W: AsRef<str>>(lines: &[L], others: &[(&[&str], &str)]) {
    let all = verbs();
    let mut seen = BTreeSet::new();
    for line in lines {
        let words: Vec<&str> = line.as_ref().iter().map(AsRef::as_ref).collect();
        let verb = (1..=words.len().min(2)).map(|count| words[..count].join(" "));
        let verb = verb.into_iter().find(|verb| all.contains(verb));
        seen.insert(verb.unwrap_or_else(|| panic!("{words:?}: there is no such verb")));
    }
    for (verbs, why) in others {
        for verb in *verbs {
            assert!(all.contains(*verb), "{verb}: there is no such verb");
            assert!(seen.insert((*verb).to_owned()), "{verb} is tried, but left out: {why}");
        }
    }
    let forgotten: Vec<&String> = all.difference(&seen).collect();
    assert!(forgotten.is_empty(), "neither tried here nor left out for a reason: {forgotten:?}");
}
