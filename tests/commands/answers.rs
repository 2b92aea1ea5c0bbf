//! Small histories and what the answers to them must be, as data: `tests/answers/*.toml`.
//!
//! Each is looked at three times: live, archived, and with every other event archived before
//! the rest came. A file has
//!
//! * `name`: what it shows, as a sentence;
//! * `events`: lines `TIME NODE SERVICE TYPE SEVERITY ID PAYLOAD`;
//! * `policy`, if it is not the built-in one;
//! * any number of `[[expect]]`: `run` (the command's words), `code` (0 if it is not said), and
//!   `json`, which what is printed must hold: of an object the members that are named, of a list
//!   each element and no other; or `text`, a list of texts that must be in what is printed, and
//!   `remarks`, the same on standard error.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::common::{Lab, NOW, Run};
use crate::support::{Event, json, policy};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    events: Vec<String>,
    policy: Option<String>,
    expect: Vec<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    run: Vec<String>,
    #[serde(default)]
    code: i32,
    json: Option<String>,
    #[serde(default)]
    text: Vec<String>,
    #[serde(default)]
    remarks: Vec<String>,
}

/// Which events are archived when the questions are asked.
#[derive(Debug, Clone, Copy)]
enum Archived {
    None,
    All,
    EveryOther,
}

fn scenarios() -> Vec<(PathBuf, Scenario)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers");
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let scenario = toml::from_str(&text);
        let scenario = scenario.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file, scenario)
    };
    files.into_iter().map(read).collect()
}

fn write(lab: &Lab, line: &str, number: u32) {
    let words: Vec<&str> = line.splitn(7, ' ').collect();
    let [time, node, service, kind, severity, correlation, payload] = words[..] else {
        panic!("not an event: {line}")
    };
    Event { time, node, kind, severity, source: "test", service, correlation, payload, number }
        .write(lab);
}

fn lab(scenario: &Scenario, archived: Archived) -> Lab {
    let lab = Lab::new();
    if let Some(text) = &scenario.policy {
        policy(&lab, text);
    }
    let events: Vec<(u32, &String)> = (0..).zip(&scenario.events).collect();
    let (first, second): (Vec<_>, Vec<_>) = events.iter().partition(|(number, _)| match archived {
        Archived::None => false,
        Archived::All => true,
        Archived::EveryOther => number % 2 == 0,
    });
    for (number, line) in first {
        write(&lab, line, number);
    }
    if !matches!(archived, Archived::None) {
        // Of some scenarios, events are misfiled on purpose: that is named, and ends with 1.
        let run = lab.run(["rotate", "--now", NOW]);
        assert!(matches!(run.code, 0 | 1), "{run:?}");
    }
    for (number, line) in second {
        write(&lab, line, number);
    }
    lab
}

/// Where what was printed lacks something that was expected, or says otherwise.
fn difference(expected: &Value, found: &Value, at: &str) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().find_map(|(key, value)| {
                let at = format!("{at}.{key}");
                difference(value, found.get(key).unwrap_or(&Value::Null), &at)
            })
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            expected.iter().zip(found).enumerate().find_map(|(number, (expected, found))| {
                difference(expected, found, &format!("{at}[{number}]"))
            })
        }
        _ if expected == found => None,
        _ => Some(format!("{at}: expected {expected}, found {found}")),
    }
}

/// What must not depend on where an event lies.
fn without_places(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let is_place = |key: &str| key.contains("segment") || key.starts_with("days_");
            let members = members.iter().filter(|(key, _)| !is_place(key));
            members.map(|(key, value)| (key.clone(), without_places(value))).collect()
        }
        Value::Array(elements) => elements.iter().map(without_places).collect(),
        other => other.clone(),
    }
}

#[test]
fn each_history_has_the_answers_that_it_must_have_live_and_archived() {
    let scenarios = scenarios();
    let mut wrong = Vec::new();
    for (file, scenario) in &scenarios {
        let file = file.file_name().unwrap().to_string_lossy();
        let labs = [Archived::None, Archived::All, Archived::EveryOther];
        let labs = labs.map(|archived| (archived, lab(scenario, archived)));
        for Expected { run: words, code, json: expected, text, remarks } in &scenario.expect {
            let mut first: Option<Value> = None;
            for (archived, lab) in &labs {
                let run: Run = lab.run(words);
                let mut complain = |what: String| {
                    wrong.push(format!(
                        "{file} ({}), {archived:?} archived, {words:?}: {what}",
                        scenario.name
                    ));
                };
                if run.code != *code {
                    complain(format!("it ended with {}: {}{}", run.code, run.stderr, run.stdout));
                    continue;
                }
                for text in text.iter().filter(|text| !run.stdout.contains(*text)) {
                    complain(format!("no {text:?} in\n{}{}", run.stdout, run.stderr));
                }
                for text in remarks.iter().filter(|text| !run.stderr.contains(*text)) {
                    complain(format!("no {text:?} among\n{}", run.stderr));
                }
                let Some(expected) = expected else { continue };
                let expected: Value = serde_json::from_str(expected)
                    .unwrap_or_else(|error| panic!("{file}: {error}: {expected}"));
                let found = json(&run.stdout);
                if let Some(difference) = difference(&expected, &found, "") {
                    complain(format!("{difference}\nof {found}"));
                }
                // What `status` says of sizes and runs differs, and must.
                let found =
                    without_places(if words[0] == "status" { &found["problems"] } else { &found });
                let is_same = first.get_or_insert_with(|| found.clone()) == &found;
                if !is_same {
                    complain(format!("another answer than live: {found}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(scenarios.len() >= MIN_SCENARIOS, "{} scenarios", scenarios.len());
}

/// So many histories there are at least.
const MIN_SCENARIOS: usize = 1;
