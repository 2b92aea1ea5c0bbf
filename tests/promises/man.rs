//! The manual pages that are committed are those that the program writes, and they read well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Lab, system, tool, tree};

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man")
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        fs::read_dir(committed()).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    assert!(!pages.is_empty());
    pages
}

#[test]
fn the_committed_pages_are_current_whatever_the_terminal_and_the_environment() {
    let lab = Lab::new();
    for (number, environment) in [
        vec![("COLUMNS", "40"), ("HLARCHIVE_COLOR", "always"), ("TZ", "Asia/Tokyo")],
        vec![("NO_COLOR", "1"), ("LANG", "de_DE.UTF-8"), ("TERM", "dumb")],
    ]
    .into_iter()
    .enumerate()
    {
        let directory = lab.path(&format!("man-{number}"));
        let mut command = lab.command(["man", "--to"]);
        system(command.arg(&directory).envs(environment));
        assert!(
            tree(&directory) == tree(&committed()),
            "man/ is not what this program writes; run \"cargo man\" and commit man/"
        );
    }
}

#[test]
fn a_strict_formatter_has_nothing_to_complain_of() {
    let Some(mandoc) = tool("mandoc") else { return };
    let output = Command::new(mandoc).args(["-Tlint", "-W", "warning"]).args(pages()).output();
    let output = output.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.is_empty(), "{told}");
}

#[test]
fn every_example_of_the_help_stands_in_its_page_as_it_is_typed() {
    let Some(mandoc) = tool("mandoc") else { return };
    let lab = Lab::new();
    for page in pages() {
        let rendered = system(Command::new(&mandoc).args(["-Tascii", "-Owidth=80"]).arg(&page));
        let rendered = without_overstrikes(&String::from_utf8(rendered).unwrap());
        let name = page.file_stem().unwrap().to_str().unwrap();
        let words = name.split('-').skip(1).chain(["--help"]);
        let help = lab.ok(words);
        let (_, examples) = help.split_once("\nExamples:\n").unwrap();
        for example in examples.lines().take_while(|line| !line.is_empty()) {
            let found = rendered.lines().any(|line| line.trim() == example.trim());
            assert!(found, "{name}: no line \"{}\" in\n{rendered}", example.trim());
        }
    }
}

/// Bold and underlined letters are printed as a letter, a step back and another one.
fn without_overstrikes(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c == '\u{8}' {
            plain.pop();
        } else {
            plain.push(c);
        }
    }
    plain
}
