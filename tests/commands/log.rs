//! Messages on standard error: as lines for people, as objects, and for the journal.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::common::{Lab, NOW, Run};
use crate::support::json;

/// A lab in which most commands have something to say.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(3, 3);
    lab.rotate_day("2026-05-10");
    lab.write("2026-05-11/pi4/broken.json", "{\n\"severity\": \u{7}\n");
    lab.write("2026-05-11/pi4/\u{202e}.json", "[]");
    lab
}

/// Runs of every kind: well, with findings, with failures, and ones that make no sense.
const RUNS: [&[&str]; 27] = [
    &["list", "--date", "2026-05-11"],
    &["list", "--since", "2026-05-20", "--until", "2026-05-10"],
    &["list"],
    &["trace", "no\nsuch"],
    &["attempts", "-o", "json"],
    &["outages", "--min-gap", "soon"],
    &["show", "0196d8a2-7c1a-7000-8000-0123456789ab", "-o", "json"],
    &["show", "nonsense"],
    &["rotate", "--dry-run", "--now", NOW],
    &["rotate", "--now", "1999-01-01"],
    &["rotate", "--now", NOW],
    &["prune", "--dry-run", "--now", NOW],
    &["compact"],
    &["restore", "1999-01-01", "--to", "there"],
    &["inspect", "1999-01-01"],
    &["import", "nowhere"],
    &["sync", "nowhere"],
    &["hold", "release", "99"],
    &["policy", "check", "nowhere.toml"],
    &["emit", "Deployment/x"],
    &["emit", "deployment_start"],
    &["verify", "--head", "abc"],
    &["nonsense"],
    &["emit"],
    &["list", "--limit", "many", "-o", "json"],
    &["--no-such-flag"],
    &["list", "-o", "path", "--follow", "--reverse"],
];

/// Every line as an object with the documented fields; how many there were.
#[track_caller]
fn check(run: &Run, words: &[&str]) -> Vec<Value> {
    let lines: Vec<Value> = run.stderr.lines().map(json).collect();
    for line in &lines {
        let object = line.as_object().unwrap();
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{words:?}: {line}");
        let level = line["level"].as_str().unwrap();
        assert!(["error", "warning", "info"].contains(&level), "{words:?}: {line}");
        let message = line["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.starts_with("hlarchive:"), "{words:?}: {line}");
        assert!(!message.starts_with("error:"), "{words:?}: {line}");
        let known = ["time", "level", "message", "command", "path", "exit_code"];
        assert!(object.keys().all(|key| known.contains(&key.as_str())), "{words:?}: {line}");
        assert_eq!(object.contains_key("exit_code"), level == "error", "{words:?}: {line}");
    }
    lines
}

#[test]
fn every_message_is_an_object_where_that_is_asked_for() {
    let (as_flag, as_variable, for_people) = (lab(), lab(), lab());
    let mut said = 0;
    for words in RUNS {
        let text = for_people.run(words);
        let run = as_flag.run(words.iter().chain(&["--log-format", "json"]));
        let lines = check(&run, words);
        assert_eq!(run.code, text.code, "{words:?}: {run:?}");
        assert_eq!(lines.is_empty(), text.stderr.is_empty(), "{words:?}: {run:?}");
        if run.code > 1 && !lines.is_empty() {
            let errors: Vec<_> = lines.iter().filter(|line| line["level"] == "error").collect();
            assert_eq!(errors.len(), 1, "{words:?}: {run:?}");
            assert_eq!(errors[0]["exit_code"], run.code, "{words:?}");
        }
        for line in &lines {
            let command = words.iter().find(|word| !word.starts_with('-'));
            let command = command.filter(|word| **word != "nonsense");
            assert_eq!(line["command"].as_str(), command.copied(), "{words:?}: {line}");
        }
        said += lines.len();
        let mut command = as_variable.command(words);
        command.env("HLARCHIVE_LOG_FORMAT", "json");
        let other = Run::of(&command.output().unwrap());
        assert_eq!(check(&other, words).len(), lines.len(), "{words:?}: {other:?}");
    }
    assert!(said > 25, "{said} messages");
}

#[test]
fn an_object_names_the_file_as_it_is() {
    let lab = lab();
    let run = lab.fails(1, ["rotate", "--now", NOW, "--log-format=json"]);
    let lines = check(&run, &[]);
    let broken = |name: &str| {
        let path = format!("2026-05-11/pi4/{name}");
        let line = lines.iter().find(|line| line["path"] == path.as_str());
        line.unwrap_or_else(|| panic!("{path}: {lines:?}")).clone()
    };
    assert_eq!(broken("broken.json")["level"], "warning");
    assert!(broken("\u{202e}.json")["message"].as_str().unwrap().contains("not an event"));
    let run = lab.fails(66, ["import", "nowhere", "--log-format=json"]);
    assert!(check(&run, &[])[0]["path"].as_str().unwrap().ends_with("nowhere"), "{run:?}");
}

#[test]
fn an_unknown_format_is_refused() {
    let lab = Lab::new();
    let run = lab.fails(2, ["list", "--log-format", "xml"]);
    assert!(run.stderr.contains("text, json"), "{run:?}");
}

/// A run whose standard error is a file; `named` is what systemd would call it.
fn to_file(lab: &Lab, words: &[&str], named: impl Fn(u64, u64) -> Option<String>) -> String {
    let path = lab.path("journal");
    let file = File::create(&path).unwrap();
    let state = file.metadata().unwrap();
    let mut command = lab.command(words);
    if let Some(stream) = named(state.dev(), state.ino()) {
        command.env("JOURNAL_STREAM", stream);
    }
    command.stderr(file).output().unwrap();
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_journal_is_told_how_much_each_line_matters() {
    let named = |device: u64, inode: u64| Some(format!("{device}:{inode}"));
    for words in RUNS {
        let (plain, told) = (lab(), lab());
        let (text, lines) = (to_file(&plain, words, |_, _| None), to_file(&told, words, named));
        let mut bare = String::new();
        for line in lines.lines() {
            let (priority, rest) = line.split_at(3);
            // Of lines that go on for several, each has the priority of the whole.
            let wanted = match rest {
                rest if rest.starts_with("hlarchive: warning: ") => "<4>",
                _ if text.starts_with("error: ") || text.starts_with("{\"error\"") => "<3>",
                rest if rest.starts_with("hlarchive: ") && lines.lines().count() == 1 => "<3>",
                _ => priority,
            };
            assert_eq!(priority, wanted, "{words:?}: {lines}");
            assert!(["<3>", "<4>", "<6>"].contains(&priority), "{words:?}: {lines}");
            bare.push_str(rest);
            bare.push('\n');
        }
        let places = |text: &str, lab: &Lab| text.replace(lab.path("").to_str().unwrap(), "");
        assert_eq!(places(&bare, &told), places(&text, &plain), "{words:?}");
    }
    let lab = lab();
    for line in to_file(&lab, &["rotate", "--now", NOW, "--log-format", "json"], named).lines() {
        assert_eq!(json(line.strip_prefix("<4>").unwrap())["level"], "warning");
    }
    assert_eq!(to_file(&lab, &["compact"], named), "<6>nothing to compact\n");
}

#[test]
fn nobody_but_the_journal_sees_priorities() {
    let lab = lab();
    let names: [&dyn Fn(u64, u64) -> Option<String>; 6] = [
        &|device, inode| Some(format!("{device}:{}", inode + 1)),
        &|device, inode| Some(format!("{}:{inode}", device + 1)),
        &|device, inode| Some(format!("{device}-{inode}")),
        &|device, _| Some(format!("{device}:")),
        &|_, _| Some(String::new()),
        &|_, _| None,
    ];
    for named in names {
        assert_eq!(to_file(&lab, &["compact"], named), "nothing to compact\n");
    }
}
