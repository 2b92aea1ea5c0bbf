//! What is public is a list, and the list is kept: a change of it is seen in `tests/public.txt`
//! and meant. `PUBLIC=overwrite cargo test --test promises public` writes it again.
//!
//! Read from the source as rustfmt leaves it: the names that `lib.rs` gives out, each followed
//! to where it is defined; of types their public fields, variants and methods.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::layers::sources;

/// More than a reader can look through; a new one takes the place of an old one.
const MAX_DEFINITIONS: usize = 275;

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A module's file, by its path from the crate's root.
fn file_of(module: &[String]) -> PathBuf {
    let at = module.iter().fold(source_root(), |at, part| at.join(part));
    let own = at.with_extension("rs");
    if module.is_empty() {
        source_root().join("lib.rs")
    } else if own.is_file() {
        own
    } else {
        at.join("mod.rs")
    }
}

/// The names that the `use` declarations of a file give out, each with the path it comes from.
fn given_out(source: &str) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::new();
    for (at, _) in source.match_indices("pub use ").chain(source.match_indices("pub(crate) use ")) {
        if !source[..at].is_empty() && !source[..at].ends_with('\n') {
            continue;
        }
        let tree = &source[at..at + source[at..].find(';').unwrap()];
        let tree = tree.split_once("use ").unwrap().1;
        let tree: String = tree.split_whitespace().collect();
        let (stem, list) = match tree.split_once('{') {
            Some((stem, list)) => (stem.trim_end_matches("::"), list.trim_end_matches('}')),
            None => tree.rsplit_once("::").unwrap(),
        };
        let stem: Vec<String> = stem.split("::").map(str::to_owned).collect();
        for name in list.split(',').filter(|name| !name.is_empty()) {
            names.insert(name.to_owned(), stem.clone());
        }
    }
    names
}

/// Whether a line begins the definition of a name.
fn defines(line: &str, name: &str) -> bool {
    ["struct", "enum", "trait", "fn", "type", "const"].iter().any(|kind| {
        line.trim_start()
            .strip_prefix(&format!("pub {kind} {name}"))
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    })
}

/// Where a name is defined: the module, and its source.
fn defined(name: &str, mut module: Vec<String>) -> (Vec<String>, String) {
    for _ in 0..8 {
        let source = fs::read_to_string(file_of(&module)).unwrap();
        if source.lines().any(|line| defines(line, name)) {
            return (module, source);
        }
        let from = given_out(&source).remove(name).unwrap_or_else(|| {
            panic!("{name} is neither defined nor given out in {}", module.join("::"))
        });
        match from.first().map(String::as_str) {
            Some("crate") => module = from[1..].to_vec(),
            _ => module.extend(from),
        }
    }
    panic!("{name} is given out in a circle");
}

/// A definition's head on one line, from its first line on.
fn head<'a>(first: &str, rest: impl Iterator<Item = &'a str>) -> String {
    let mut text = first.trim().to_owned();
    for line in rest {
        if text.ends_with('{') || text.ends_with(';') || text.ends_with('}') {
            break;
        }
        text = format!("{text} {}", line.trim());
    }
    text.trim_end_matches(['{', ';']).trim().replace("( ", "(").replace(", )", ")")
}

/// The public fields or the variants of a type, and the methods of a trait.
fn members(source: &str, name: &str) -> Vec<String> {
    let mut lines = source.lines().skip_while(|line| !defines(line, name));
    let first = lines.next().unwrap_or_default();
    let (is_enum, is_trait) = (first.starts_with("pub enum"), first.starts_with("pub trait"));
    if !first.ends_with('{') {
        return Vec::new();
    }
    let member = |line: &&str| {
        let is_own = line.starts_with("    ") && !line.starts_with("     ");
        let line = line.trim();
        let is_text = line.starts_with("//") || line.starts_with('#') || line.starts_with('}');
        is_own
            && !is_text
            && (is_enum || is_trait && line.starts_with("fn") || line.starts_with("pub "))
    };
    let own = lines.take_while(|line| *line != "}").filter(member);
    own.map(|line| line.trim().trim_end_matches([',', '{', ';']).trim().to_owned()).collect()
}

/// The public methods and constants that `impl` blocks of a file give a type.
fn methods(source: &str, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    let lines: Vec<&str> = source.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        if line.starts_with("impl") && !line.contains(" for ") {
            let own = line.trim_start_matches("impl").trim_start();
            let own = if own.starts_with('<') { own.split_once('>').unwrap().1 } else { own };
            let own = own.trim().split(['<', ' ', '{']).next().unwrap_or_default();
            inside = own == name;
        } else if *line == "}" {
            inside = false;
        } else if inside
            && ["    pub fn ", "    pub const "].iter().any(|start| line.starts_with(start))
        {
            found.push(head(line, lines[number + 1..].iter().copied()));
        }
    }
    found
}

#[test]
fn the_public_list_is_the_one_that_was_agreed_on() {
    let root = fs::read_to_string(source_root().join("lib.rs")).unwrap();
    let sources: Vec<(PathBuf, String)> = sources()
        .into_iter()
        .filter(|(path, _)| !path.starts_with("cli/"))
        .map(|(path, source)| (source_root().join(path), source))
        .collect();
    let (mut text, mut definitions) = (String::new(), 0);
    for (name, from) in given_out(&root) {
        let (module, source) = defined(&name, from);
        let lines: Vec<&str> = source.lines().collect();
        let at = lines.iter().position(|line| defines(line, &name)).unwrap();
        text.push_str(&format!("{}\n", head(lines[at], lines[at + 1..].iter().copied())));
        definitions += 1;
        for member in members(&source, &name) {
            text.push_str(&format!("    {member}\n"));
        }
        // The one handle has methods in the files of its verbs; a type, in its own module.
        let own = file_of(&module);
        let home = own.parent().unwrap();
        let is_near =
            |path: &Path| path == own || (home != source_root() && path.starts_with(home));
        for (path, source) in &sources {
            if name == "History" || is_near(path) {
                for method in methods(source, &name) {
                    text.push_str(&format!("    {method}\n"));
                    definitions += 1;
                }
            }
        }
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public.txt");
    if env::var_os("PUBLIC").is_some_and(|word| word == "overwrite") {
        fs::write(&kept, &text).unwrap();
    }
    let agreed = fs::read_to_string(&kept).unwrap_or_default();
    assert!(
        text == agreed,
        "what is public is not what tests/public.txt says; if it is meant, write it again with \
         PUBLIC=overwrite:\n{text}"
    );
    assert!(definitions <= MAX_DEFINITIONS, "{definitions} public definitions");
    assert!(definitions > 50, "only {definitions} were found");
}

#[test]
fn nothing_public_writes_or_removes_a_segment_but_a_verb() {
    let root = fs::read_to_string(source_root().join("lib.rs")).unwrap();
    for line in root.lines().filter(|line| line.starts_with("pub mod ")) {
        assert!(
            ["pub mod cli;", "pub mod internals;"].contains(&line),
            "{line} makes a room public"
        );
    }
    let rooms = ["archive", "live", "segment", "store"];
    let given = given_out(&root);
    let from_rooms: Vec<&String> = given
        .iter()
        .filter(|(_, from)| rooms.contains(&from[0].as_str()))
        .map(|(name, _)| name)
        .collect();
    let plain = [
        "By",
        "Expired",
        "FoundEvent",
        "Head",
        "Notice",
        "Op",
        "SegmentName",
        "SegmentPlace",
        "Sha256Hash",
        "Unreached",
    ];
    assert_eq!(from_rooms, plain);
}
