//! What the documents tell people to type is understood, and what the README shows is printed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::verbs::{help, verbs};
use crate::common::{HLARCHIVE, Lab, Run, tool};

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let top = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root.join(name));
    let mut all: Vec<PathBuf> = docs.chain(top).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    all.sort();
    all
}

/// The lines of the fenced blocks of a shell, each with what it goes on in.
fn shell_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut inside = false;
    let mut goes_on = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            // What stands behind the language is for others, as in tests/system/runbooks.
            let info = line.trim().trim_start_matches('`');
            let word = info.split(' ').next().unwrap_or_default();
            inside = !inside && matches!(word, "sh" | "bash" | "console");
            continue;
        }
        if !inside {
            continue;
        }
        let content = line.trim().trim_start_matches("$ ");
        let part = content.strip_suffix('\\').unwrap_or(content);
        match lines.last_mut() {
            Some(last) if goes_on => last.push_str(part),
            _ => lines.push(part.to_owned()),
        }
        goes_on = content.ends_with('\\');
    }
    lines
}

/// The words after `hlarchive`, up to what the shell does with them. What another command
/// would print is taken for a hash, which is what the documents do with it.
fn words(line: &str) -> Option<String> {
    let line = line.trim_start_matches("sudo ").trim_start_matches("-u hlarchive ");
    let words = line.strip_prefix("hlarchive ")?;
    let end = [" | ", " > ", " < ", " # ", " && ", " || ", "  "]
        .iter()
        .filter_map(|stop| words.find(stop))
        .min()
        .unwrap_or(words.len());
    let mut words = words[..end].to_owned();
    while let Some(from) = words.find("\"$(") {
        let to = from + words[from..].find(")\"")? + 2;
        words.replace_range(from..to, &"0".repeat(64));
    }
    Some(words)
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let Some(bash) = tool("bash") else { return };
    let mut seen = 0;
    for document in documents() {
        for line in shell_lines(&fs::read_to_string(&document).unwrap()) {
            let Some(words) = words(&line) else { continue };
            // The words are read like any others, and then ask for help instead of work.
            let script = format!("exec \"$0\" {words} --help");
            let output = Command::new(&bash).args(["-c", &script, HLARCHIVE]).output().unwrap();
            let run = Run::of(&output);
            assert!(run.code == 0, "{}: {line}: {run:?}", document.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
}

#[test]
fn the_readme_begins_with_the_demo_and_the_tests() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let lines = shell_lines(&text);
    assert_eq!(lines[..2], ["cargo run --release -- demo", "cargo test"]);
}

/// Flags in the documents that are another program's, and whose.
const OF_OTHERS: [(&str, &str); 4] = [
    ("--features", "cargo"),
    ("--checksum", "rsync"),
    ("--exclude", "rsync"),
    ("--partial", "rsync"),
];

/// Whatever a document sets as code: the lines of fenced blocks, and what stands between backticks.
fn code(text: &str) -> Vec<String> {
    let (mut code, mut prose, mut inside) = (Vec::new(), String::new(), false);
    for line in text.replace("\\\n", "").lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            code.push(line.trim().trim_start_matches("$ ").to_owned());
        } else {
            prose.push_str(line.trim());
            prose.push(if line.trim().is_empty() { '\n' } else { ' ' });
        }
    }
    for paragraph in prose.lines() {
        code.extend(paragraph.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    code
}

/// The name of a long flag that a word of a command line begins with.
fn flag(word: &str) -> Option<&str> {
    let rest = word.trim_start_matches(['[', '(', '"', '\'']).strip_prefix("--")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
    (end > 0).then(|| &word[word.len() - rest.len() - 2..][..end + 2])
}

/// The flags that are named in a help.
fn flags(help: &str) -> Vec<&str> {
    help.split_whitespace().filter_map(flag).collect()
}

/// Command lines of any kind in code of any kind: also those with words to be filled in, and those
/// that stand in the midst of others.
#[test]
fn every_verb_and_flag_that_the_documents_name_is_one_of_the_program() {
    let verbs = verbs();
    let mut helps: BTreeMap<String, String> =
        verbs.iter().map(|verb| (verb.clone(), help(verb))).collect();
    for group in verbs.iter().filter_map(|verb| Some(verb.split_once(' ')?.0)) {
        helps.entry(group.to_owned()).or_insert_with(|| help(group));
    }
    helps.insert(String::new(), help(""));
    let (mut seen, mut wrong) = (0, Vec::new());
    for document in documents() {
        for code in code(&fs::read_to_string(&document).unwrap()) {
            if let Some(name) = flag(&code) {
                let known = helps.values().any(|help| flags(help).contains(&name));
                if !known && OF_OTHERS.iter().all(|(other, _)| *other != name) {
                    wrong.push(format!("{}: {code}: no {name}", document.display()));
                }
            }
            for (at, before) in code.split("hlarchive ").skip(1).zip(code.split("hlarchive ")) {
                // Another program's argument, a user's name among them, or a part of a path.
                let begins = before.is_empty() || before.ends_with(['(', '"', '\'']);
                let begins = begins || before.ends_with("&& ") || before.ends_with("| ");
                let end = at.find(['|', '>', '<', '#', ';', '&', ')', '"']).unwrap_or(at.len());
                let words: Vec<&str> = at[..end].split_whitespace().collect();
                let is_verb = |count: &usize| helps.contains_key(&words[..*count].join(" "));
                let count = (1..=words.len().min(2)).rev().find(is_verb).unwrap_or(0);
                if count == 0 && !begins {
                    continue;
                }
                seen += 1;
                let verb = words[..count].join(" ");
                let option = words.first().is_none_or(|word| word.starts_with(['-', '…']));
                if count == 0 && !option {
                    wrong.push(format!("{}: {code}: no such verb", document.display()));
                }
                // Behind flags that every verb has, a verb is not looked for: it has any.
                let has = |name: &str| match count {
                    0 => helps.values().any(|help| flags(help).contains(&name)),
                    _ => flags(&helps[&verb]).contains(&name),
                };
                for name in words.iter().filter_map(|word| flag(word)).filter(|name| !has(name)) {
                    wrong.push(format!("{}: {code}: {verb} has no {name}", document.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 150, "only {seen} commands were found");
}

/// A text without what differs from one run to the next: numbers, hashes, units, blanks.
fn shape(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let is_hash = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut shape = String::new();
        for letter in word.chars() {
            match if is_hash || letter.is_ascii_digit() { '0' } else { letter } {
                '0' if shape.ends_with('0') => {}
                letter => shape.push(letter),
            }
        }
        shape.replace("0.0", "0").replace("KiB", "B")
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The block of a document in which a text stands.
fn block<'a>(document: &'a str, text: &str) -> &'a str {
    let found = document.split("```").skip(1).step_by(2).find(|block| block.contains(text));
    found.unwrap_or_else(|| panic!("no block has {text:?}")).split_once('\n').unwrap().1
}

/// Asserts that each line of a sample, up to its `…`, is printed like this, in the same order.
#[track_caller]
fn assert_shown(sample: &str, printed: &str) {
    let mut printed_lines = printed.lines().map(shape);
    for line in sample.lines().filter(|line| line.trim() != "…") {
        let fits = match line.split_once('…') {
            Some((begin, _)) => printed_lines.any(|printed| printed.starts_with(&shape(begin))),
            None => printed_lines.any(|printed| printed == shape(line)),
        };
        assert!(fits, "the README shows:\n{line}\nand this is printed:\n{printed}");
    }
}

#[test]
fn the_samples_of_the_readme_have_the_shape_of_what_is_printed() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let lab = Lab::new();
    let policy = "version = 1\n[retain]\nkeep = \"2y\"\ngrace = \"0d\"\n";
    fs::write(lab.path("policy.toml"), policy).unwrap();
    assert_shown(block(&readme, "$ hlarchive trace deploy-882"), &lab.ok(["demo"]));
    lab.seed(3, 1);
    assert_shown(block(&readme, "2 events into 2026/2026-10-06"), &lab.rotate());
    let proof = block(&readme, "$ hlarchive manifest head");
    let (verified, head) = (lab.ok(["verify"]), lab.ok(["manifest", "head"]));
    let told = format!("$ hlarchive verify\n{verified}$ hlarchive manifest head\n{head}");
    // For a page, the README breaks the lines.
    assert_eq!(shape(proof), shape(&told));
    let later = ["prune", "--dry-run", "--now", "2028-05-10T12:00:00Z"];
    assert_shown(block(&readme, "retain.keep = \"2y\""), &lab.ok(later));
}
