//! What others wrote drives no terminal, begins no line of the journal, and no record keeps a
//! secret.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use hlarchive::internals::text::is_unseen;
use serde_json::Value;

use crate::common::{HLARCHIVE, Lab, Run, system, tool, tree};
use crate::support::{Machine, User};

/// What a correlation id, a service and a payload may hold: marks of direction, a line
/// separator, what has no shape, a tag; and what is text like any other.
const ID: &str = "run\u{202e}\u{2028}\u{61c}\u{200b}\u{feff}\u{e0041}-O'Br\u{65}\u{301}";

fn emit_odd(machine: &Machine) {
    let payload = "--payload={\"error\":\"\u{9b}2J\u{7f}\u{2066}\u{85}\",\"k\u{202e}\":1.50}";
    for (kind, time) in [("remediation_started", "10"), ("remediation_failed", "11")] {
        machine.ok(
            User::Mallory,
            [
                "emit",
                kind,
                "--severity=error",
                &format!("--service={ID}"),
                &format!("--correlation-id={ID}"),
                &format!("--timestamp=2026-05-16T{time}:00:00Z"),
                payload,
            ],
        );
    }
}

fn check_seen(text: &str, what: &str) {
    let unseen: Vec<char> = text.chars().filter(|c| is_unseen(*c) && *c != '\n').collect();
    assert!(unseen.is_empty(), "{what}: {unseen:?} in {text:?}");
}

#[test]
fn json_has_nothing_unseen_and_means_the_same() {
    let Some(machine) = Machine::new() else { return };
    emit_odd(&machine);
    machine.ok(User::Root, ["hold", "add", "--correlation-id", ID, "--reason", ID]);
    let words: [&[&str]; 10] = [
        &["list", "--since=2026-05-01", "-ojson"],
        &["list", "--since=2026-05-01", "-ondjson"],
        &["trace", ID, "-ojson"],
        &["trace", ID, "-ondjson"],
        &["attempts", "--since=2026-05-01", "-ojson"],
        &["status", "-ojson"],
        &["hold", "list", "-ojson"],
        &["verify", "-ojson"],
        &["manifest", "show", "-ojson"],
        &["emit", "\u{202e}", "-ojson"],
    ];
    for words in words {
        let run = machine.run(User::Root, words);
        let text = if run.stdout.is_empty() { &run.stderr } else { &run.stdout };
        check_seen(text, &words.join(" "));
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            value.unwrap();
        }
    }
    let line = machine.ok(User::Root, ["list", "--since=2026-05-01", "--limit=1", "-ondjson"]);
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&event["service"], &event["correlation_id"]), (&ID.into(), &ID.into()));
    assert_eq!(event["payload"]["error"], "\u{9b}2J\u{7f}\u{2066}\u{85}");
    assert!(line.contains("\\udb40\\udc41") && line.contains("O'Bre\u{301}"), "{line}");
    assert!(line.contains("1.50"), "numbers stay as they were written: {line}");
    // A message that names what was typed.
    let run = machine.run(User::Root, ["show", ID, "--log-format=json"]);
    check_seen(&run.stderr, "an error as an object");
    let message: Value = serde_json::from_str(&run.stderr).unwrap();
    assert!(message["message"].as_str().unwrap().contains("O'Br"), "{message}");
}

#[test]
fn text_has_nothing_unseen_and_names_people_as_they_write_themselves() {
    let Some(machine) = Machine::new() else { return };
    emit_odd(&machine);
    for words in [
        &["list", "--since=2026-05-01"][..],
        &["trace", ID],
        &["trace", ID, "-ohtml"],
        &["trace", ID, "-omermaid"],
        &["trace", ID, "-odot"],
        &["attempts", "--since=2026-05-01"],
        &["status"],
        &["trace", &format!("no{ID}")],
    ] {
        let run = machine.run(User::Root, words);
        check_seen(&run.stdout, &words.join(" "));
        check_seen(&run.stderr, &words.join(" "));
    }
    let list = machine.ok(User::Root, ["list", "--since=2026-05-01"]);
    assert!(list.contains("run\\u{202e}\\u{2028}\\u{61c}\\u{200b}"), "{list}");
    let path = machine.ok(User::Root, ["list", "--since=2026-05-01", "--limit=1", "-opath"]);
    let path = path.trim_end();
    let file = fs::read_to_string(machine.lab.root().join(path)).unwrap();
    assert_eq!(machine.ok(User::Root, ["show", path]), file, "in a pipe the bytes are the file's");
    // On a terminal not even that: script(1) makes one.
    let Some(script) = tool("script") else { return };
    for words in [format!("show {path}"), "list --since=2026-05-01 -ondjson".to_owned()] {
        let line = format!("'{HLARCHIVE}' {words}");
        let mut command = Command::new(&script);
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null());
        command.env("HLARCHIVE_ROOT", machine.lab.root());
        command.env("HLARCHIVE_ARCHIVE", machine.lab.archive());
        let text = String::from_utf8(system(&mut command)).unwrap().replace("\r\n", "\n");
        assert!(text.contains("\\u202e"), "{text}");
        check_seen(&text, &words);
    }
}

/// The journal takes `<0>` at the beginning of a line for an emergency, on both streams.
#[test]
fn no_name_begins_a_line_of_the_journal_with_a_priority() {
    let Some(machine) = Machine::new() else { return };
    machine.ok(User::Alice, ["emit", "node_online", "--timestamp=2026-05-16T10:00:00Z"]);
    let plant = "cd \"$ROOT\" && touch '<0>wake up' '<1>x' && mkdir '<2>d' && ln -s x '<3>l' \
                 && touch 2026-05-16/'<0>odd' && mkdir 2026-05-16/'<0>node' \
                 && touch 2026-05-16/'<0>node'/'<0>odd'";
    assert!(machine.shell(User::Root, plant).status.success());
    let (said, told) = (machine.lab.path("stderr"), machine.lab.path("stdout"));
    let mut findings = 0;
    for words in [
        &["verify"][..],
        &["verify", "--log-format=json"],
        &["status"],
        &["list", "--since=2026-05-01", "--verbose"],
        &["rotate", "--now=2026-06-01T03:00:00Z"],
        &["verify"],
    ] {
        let (stdout, stderr) = (File::create(&told).unwrap(), File::create(&said).unwrap());
        let journal = stderr.metadata().unwrap();
        let mut command = machine.command(User::Root, words);
        command.env("JOURNAL_STREAM", format!("{}:{}", journal.dev(), journal.ino()));
        command.stdout(stdout).stderr(stderr).status().unwrap();
        let (told, said) = (fs::read_to_string(&told).unwrap(), fs::read_to_string(&said).unwrap());
        for line in told.lines() {
            assert!(!line.trim_start().starts_with('<'), "{words:?}: {line}");
        }
        for line in said.lines() {
            let ours = ["<3>", "<4>", "<6>"].iter().find_map(|ours| line.strip_prefix(ours));
            let rest = ours.unwrap_or_else(|| panic!("{words:?}: {line}"));
            assert!(!rest.trim_start().starts_with('<'), "{words:?}: {line}");
        }
        findings += told.matches("\\u{3c}0>wake up").count();
    }
    assert!(findings > 0, "verify names the entry");
}

#[test]
fn no_record_keeps_a_secret_of_the_command_line() {
    let Some(machine) = Machine::new() else { return };
    let other = Lab::new();
    other.seed(1, 2);
    other.rotate();
    let from = other.root().display().to_string();
    machine.ok(User::Root, ["emit", "node_online", "--timestamp=2026-05-16T10:00:00Z"]);
    for words in [
        &["sync", from.as_str(), "--ssh", "env SSHPASS=geheim ssh"][..],
        &["sync", from.as_str(), "--ssh=env SSHPASS=geheim ssh", "--checksum"],
        &["hold", "add", "2026-05-16", "--reason", "see https://me:geheim@nas/x?key=geheim"],
    ] {
        machine.ok(User::Root, words);
    }
    let manifest = fs::read_to_string(machine.lab.archive().join("manifest.jsonl")).unwrap();
    let commands: Vec<String> = manifest
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|record| Some(record["by"]["command"].as_str()?.to_owned()))
        .collect();
    assert!(commands.iter().all(|command| !command.contains("geheim")), "{commands:?}");
    assert!(commands.iter().any(|command| command.contains("--ssh …")), "{commands:?}");
    assert!(
        commands.iter().any(|command| command.ends_with("see https://…@nas/x?…")),
        "{commands:?}"
    );
    // A reason is kept as it was given: it is what the record is for.
    let events = tree(&machine.lab.root());
    let has = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains("SSHPASS");
    assert!(!events.values().any(has), "the event of an action has it no more than the record");
}

#[test]
fn a_policy_with_a_password_is_refused_and_the_password_is_not_shown() {
    let Some(machine) = Machine::new() else { return };
    let policy = "version = 1\n[remote]\nurl = \"s3://key:geheim@bucket/events\"\n";
    fs::write(machine.lab.path("policy.toml"), policy).unwrap();
    for words in [&["policy", "check"][..], &["policy", "show"], &["rotate"], &["remote", "status"]]
    {
        for format in ["-ojson", "--log-format=json", "--log-format=text"] {
            let run: Run = machine.run(User::Root, words.iter().copied().chain([format]));
            assert_eq!(run.code, 78, "{words:?}: {run:?}");
            assert!(run.stderr.contains("a user, a password or a query"), "{run:?}");
            assert!(!format!("{run:?}").contains("geheim"), "{run:?}");
        }
    }
    let to = ["export", "--format=csv", "--to=s3://key:geheim@bucket/x"];
    fs::write(machine.lab.path("policy.toml"), "version = 1\n").unwrap();
    let run = machine.run(User::Root, to);
    assert_ne!(run.code, 0);
    assert!(!format!("{run:?}").contains("geheim"), "{run:?}");
}
