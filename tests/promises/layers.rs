//! The house keeps its arrows: each room uses only rooms below it, and the library finds out
//! nothing by itself (no environment, no clock, no chance) and never prints or exits.
//!
//! Read from the source: every `use` tree and every path that begins with `crate`, `super` or
//! `hlarchive`, in all of `src` but tests.

use std::fs;
use std::path::Path;

use crate::common::below;

/// Each room and those that it may use, itself left out. What is not listed is no room.
const ROOMS: [(&str, &[&str]); 18] = [
    ("event", &["error", "text"]),
    ("segment", &["event", "fs", "error", "progress", "text"]),
    ("live", &["event", "fs", "error", "progress", "text"]),
    ("archive", &["segment", "event", "fs", "error", "progress", "text"]),
    ("policy", &["event", "fs", "error", "progress", "text"]),
    (
        "store",
        &["live", "archive", "policy", "segment", "event", "fs", "error", "progress", "text"],
    ),
    ("remote", &["segment", "fs", "error", "text"]),
    // Times as people type them.
    ("when", &["event", "policy", "text"]),
    // The one door to the machine.
    ("system", &["archive", "event", "fs", "error"]),
    ("context", &["system", "archive", "policy", "segment", "event", "error"]),
    ("history", &["store", "remote", "context", "system", "policy", "event", "progress", "error"]),
    (
        "ops",
        &[
            "history", "context", "system", "when", "views", "store", "live", "archive", "policy",
            "remote", "segment", "event", "fs", "error", "progress", "text",
        ],
    ),
    (
        "views",
        &[
            "store", "live", "archive", "policy", "segment", "event", "fs", "error", "progress",
            "text",
        ],
    ),
    ("fs", &["error"]),
    ("error", &[]),
    ("text", &[]),
    ("progress", &["error"]),
    // The command uses all but the calls by handle.
    (
        "cli",
        &[
            "history", "context", "system", "when", "ops", "views", "store", "live", "archive",
            "policy", "remote", "segment", "event", "error", "progress", "text",
        ],
    ),
];

/// Where a name lives that `lib.rs` gives out at the top.
const TOP_NAMES: [(&str, &str); 7] = [
    ("Error", "error"),
    ("Result", "error"),
    ("Date", "event"),
    ("Event", "event"),
    ("Timestamp", "event"),
    ("Context", "context"),
    ("History", "history"),
];

/// The one arrow upwards: the library's error has a variant for each room's own.
const WRAPPED: (&str, &str) = ("error", "crate::policy::PolicyError");

/// What only the command may do, and what is asked of the machine by its one door.
const FORBIDDEN: [&str; 15] = [
    "std::env",
    "env::var",
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "std::io::stdout",
    "std::io::stderr",
    "process::exit",
    "process::abort",
    "getrandom",
];

/// What is wrong with a file of `src`, by its path below it.
fn wrongs(path: &str, source: &str) -> Vec<String> {
    let code = without_tests(&without_comments(source));
    let module: Vec<&str> = path
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| !matches!(*part, "mod" | "lib" | "main" | "internals"))
        .collect();
    let Some(room) = module.first() else { return Vec::new() };
    let Some((_, below)) = ROOMS.iter().find(|(name, _)| name == room) else {
        return vec![format!("{path}: {room} is no room of the house; give it a place in ROOMS")];
    };
    let mut wrongs = Vec::new();
    for used in paths(&code) {
        if let Some(target) = target(&used, &module)
            && target != *room
            && !below.contains(&target)
            && (*room, used.as_str()) != WRAPPED
        {
            wrongs.push(format!("{path}: {room} uses {used}, which is not below it"));
        }
        if !matches!(*room, "cli" | "system") {
            for word in FORBIDDEN.iter().filter(|word| !word.ends_with('!')) {
                if format!("{used}::").contains(&format!("{word}::")) {
                    wrongs.push(format!("{path}: {used} is not for the library"));
                }
            }
        }
    }
    if !matches!(*room, "cli" | "system") {
        for word in FORBIDDEN.iter().filter(|word| word.ends_with('!')) {
            let called = code
                .match_indices(word)
                .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            if called {
                wrongs.push(format!("{path}: {word} is not for the library"));
            }
        }
    }
    wrongs.dedup();
    wrongs
}

/// The room that a path leads to, if it leads to one.
fn target<'a>(used: &'a str, module: &[&'a str]) -> Option<&'a str> {
    let mut parts = used.split("::").peekable();
    let first = match parts.next()? {
        "crate" | "hlarchive" => parts.next()?,
        "super" => {
            let mut up = 1;
            while parts.next_if_eq(&"super").is_some() {
                up += 1;
            }
            let left = module.len().checked_sub(up)?;
            if left > 0 { module[0] } else { parts.next()? }
        }
        _ => return None,
    };
    let named = TOP_NAMES.iter().find(|(name, _)| *name == first);
    let room = named.map_or(first, |(_, room)| room);
    ROOMS.iter().any(|(name, _)| *name == room).then_some(room)
}

/// Every path in the code: `use` trees taken apart, and paths where they stand.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        if let Some(end) = code[at..].find(';') {
            let tree: String = code[at + 4..at + end].split_whitespace().collect();
            branches("", &tree, &mut found);
        }
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    found.extend(
        code.split(|c: char| !is_word(c))
            .map(|word| word.trim_matches(':'))
            .filter(|word| word.contains("::"))
            .map(str::to_owned),
    );
    found
}

/// `a::{b, c::{d, e}}` becomes `a::b`, `a::c::d`, `a::c::e`.
pub(super) fn branches(before: &str, tree: &str, found: &mut Vec<String>) {
    match tree.split_once('{') {
        None => found.push(format!("{before}{tree}")),
        Some((stem, rest)) => {
            let inner = rest.strip_suffix('}').unwrap_or(rest);
            let (mut depth, mut from) = (0, 0);
            for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        if at > from {
                            branches(&format!("{before}{stem}"), &inner[from..at], found);
                        }
                        from = at + 1;
                    }
                    _ => {}
                }
            }
        }
    }
}

pub(super) fn without_comments(source: &str) -> String {
    let line = |line: &str| line.split_once("//").map_or(line, |(code, _)| code).to_owned();
    source.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Tests stand at the end of a file, or in a file of their own.
pub(super) fn without_tests(code: &str) -> String {
    let end = test_modules(code).find(|(_, line)| line.ends_with('{')).map(|(at, _)| at);
    code[..end.unwrap_or(code.len())].to_owned()
}

/// The modules that are only there in tests: where, and the line that says so.
fn test_modules(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.match_indices("#[cfg(test)]").filter_map(|(at, _)| {
        let line = code[at..].lines().find(|line| !line.trim_start().starts_with('#'))?;
        line.starts_with("mod ").then_some((at, line.trim_end()))
    })
}

/// The files of the modules that a file keeps for tests, without their ending.
fn test_files(path: &str, source: &str) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let place = ["mod", "lib", "main"]
        .iter()
        .find_map(|top| stem.strip_suffix(top).filter(|at| at.is_empty() || at.ends_with('/')))
        .map_or_else(|| format!("{stem}/"), str::to_owned);
    test_modules(&without_comments(source))
        .filter_map(|(_, line)| line.strip_prefix("mod ")?.strip_suffix(';'))
        .map(|name| format!("{place}{name}"))
        .collect()
}

pub(super) fn sources() -> Vec<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rust =
        below(&source).filter(|(path, entry)| entry.file_type().is_file() && path.ends_with(".rs"));
    let mut found: Vec<(String, String)> =
        rust.map(|(path, entry)| (path, fs::read_to_string(entry.path()).unwrap())).collect();
    let tests: Vec<String> =
        found.iter().flat_map(|(path, source)| test_files(path, source)).collect();
    let is_test = |path: &str| {
        let below = |test: &String| path.strip_prefix(test.as_str());
        tests.iter().filter_map(below).any(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    found.retain(|(path, _)| !is_test(path));
    found
}

#[test]
fn every_arrow_of_the_house_points_down() {
    let sources = sources();
    assert!(sources.len() > 50, "{} files", sources.len());
    let wrongs: Vec<String> =
        sources.iter().flat_map(|(path, source)| wrongs(path, source)).collect();
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
    // The check sees what it should: each of these arrows is really there.
    for (path, target_room) in [
        ("ops/rotate/day.rs", "archive"),
        ("store/archive_scan.rs", "segment"),
        ("archive/dir.rs", "fs"),
        ("error.rs", "policy"),
        ("cli/session.rs", "store"),
    ] {
        let (_, source) = sources.iter().find(|(name, _)| name == path).unwrap();
        let module: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
        let there = paths(&without_comments(source));
        assert!(
            there.iter().any(|used| target(used, &module) == Some(target_room)),
            "{path} does not use {target_room}"
        );
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    for (path, line) in [
        ("event/name.rs", "use crate::segment::Index;"),
        ("segment/tar.rs", "use crate::{Error, archive::ArchiveDir};"),
        ("segment/tar.rs", "use crate::{\n    Result,\n    live::{LiveTree, place},\n};"),
        ("live/create.rs", "fn f() { crate::archive::rebuild(); }"),
        ("live/create.rs", "use crate::segment::Sha256Hash;"),
        ("live/mod.rs", "use super::store::Store;"),
        ("live/create.rs", "pub use super::super::ops::emit;"),
        ("policy/read.rs", "use crate::History;"),
        ("store/find.rs", "use crate::Context;"),
        ("views/trace.rs", "use crate::ops::Finding;"),
        ("store/find.rs", "use crate::views::trace;"),
        ("store/follow/log.rs", "use super::super::super::views::trace;"),
        ("archive/state.rs", "use crate::views::standing::Standing;"),
        ("fs.rs", "use crate::progress::Progress;"),
        ("error.rs", "use crate::policy::Policy;"),
        ("history/mod.rs", "use crate::ops::emit;"),
        ("context.rs", "let now = std::time::SystemTime::now();"),
        ("ops/emit.rs", "let home = std::env::var(\"HOME\");"),
        ("ops/emit.rs", "use std::{env, fs};"),
        ("store/mod.rs", "let now = std::time::SystemTime::now();"),
        ("store/mod.rs", "let now = SystemTime::now();"),
        ("archive/lock.rs", "let now = Instant::now();"),
        ("views/trace.rs", "println!(\"{}\", 1);"),
        ("live/tree.rs", "eprintln!();"),
        ("ops/mod.rs", "std::process::exit(1);"),
        ("ops/mod.rs", "use std::process;\nfn f() { process::exit(1) }"),
        ("ops/mod.rs", "rustix::rand::getrandom(&mut seed, flags);"),
        ("store/mod.rs", "#[cfg(test)]\nmod tests;\n\nuse crate::ops::emit;"),
        ("cellar/mod.rs", ""),
    ] {
        assert!(!wrongs(path, line).is_empty(), "{path}: {line}");
    }
}

#[test]
fn the_check_lets_pass_what_is_right() {
    for (path, line) in [
        ("ops/rotate/day.rs", "use super::super::manifest::describe_segment;"),
        ("store/find.rs", "use super::{FoundEvent, Store};\nuse crate::archive::Manifest;"),
        ("event/mod.rs", "//! Not for [`crate::segment`].\npub use body::Event;"),
        ("event/body.rs", "#[cfg(test)]\nmod tests {\n    use crate::segment::Index;\n}"),
        ("live/tree.rs", "impl From<std::time::SystemTime> for T {}"),
        ("ops/emit.rs", "let footprint!(x) = 1; std::environment();"),
        ("error.rs", "Policy(#[from] crate::policy::PolicyError),"),
        ("cli/session.rs", "println!(\"{}\", std::env::args().count()); use crate::Store;"),
        ("cli/mod.rs", "use super::cli::session;"),
        ("system.rs", "let home = std::env::var_os(\"HOME\");"),
        ("main.rs", "mod cli;"),
    ] {
        assert_eq!(wrongs(path, line), [""; 0], "{path}: {line}");
    }
}

#[test]
fn a_file_of_tests_is_known_by_its_declaration() {
    let kept = "#[cfg(test)]\nmod kept;\nmod open;\n#[cfg(test)]\nmod tests {\n}";
    for (path, file) in
        [("lib.rs", "kept"), ("store/mod.rs", "store/kept"), ("store/find.rs", "store/find/kept")]
    {
        assert_eq!(test_files(path, kept), [file], "{path}");
    }
    let sources = sources();
    let has = |path: &str| sources.iter().any(|(name, _)| name == path);
    assert!(has("store/mod.rs") && has("segment/mod.rs"));
    assert!(!has("store/tests/interleaved.rs") && !has("segment/tests.rs"));
}
