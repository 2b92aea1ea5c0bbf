//! What the documents tell people to type is understood.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{HLARCHIVE, Run, tool};

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
