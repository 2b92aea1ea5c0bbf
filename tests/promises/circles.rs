//! No two files need each other: what a file uses, and what that uses in turn, never leads back
//! to it. So each file can be read after those that it uses, and can be cut out with them.
//!
//! Read from the source as `layers` reads it. A name counts for the file that defines it, however
//! many files give it on; a file that only gives it on does not use it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::layers::{branches, sources, without_comments, without_tests};

/// A name that a file brings in.
struct Use {
    path: Vec<String>,
    name: String,
    is_public: bool,
}

/// A file of the house.
struct File {
    path: String,
    uses: Vec<Use>,
    /// What is left without its `use`s.
    body: String,
}

/// All files, by the module that each of them is.
struct House {
    files: BTreeMap<Vec<String>, File>,
}

impl House {
    fn new(sources: &[(String, String)]) -> Self {
        let file = |(path, source): &(String, String)| {
            let (uses, body) = take_uses(&without_tests(&without_comments(source)));
            (module(path), File { path: path.clone(), uses, body })
        };
        Self { files: sources.iter().filter(|(path, _)| path != "main.rs").map(file).collect() }
    }

    /// The files that each file uses, with a path that leads there.
    fn edges(&self) -> BTreeMap<&str, BTreeMap<&str, String>> {
        let mut edges = BTreeMap::<&str, BTreeMap<&str, String>>::new();
        for (module, file) in &self.files {
            let from = edges.entry(&file.path).or_default();
            let words: BTreeSet<&str> = file.body.split(|c| !is_word(c)).collect();
            let brought = file
                .uses
                .iter()
                .filter(|used| !used.is_public || words.contains(used.name.as_str()))
                .map(|used| used.path.clone());
            let stands = file
                .body
                .split(|c| !is_word(c) && c != ':')
                .map(|path| path.trim_matches(':'))
                .filter(|path| path.contains("::"))
                .map(|path| path.split("::").map(str::to_owned).collect::<Vec<_>>());
            for path in brought.chain(stands) {
                if let Some(target) = self.target(module, &path, 0)
                    && target != file.path
                {
                    from.entry(target).or_insert_with(|| path.join("::"));
                }
            }
        }
        edges
    }

    /// The file that defines what a path in a module leads to; none for what is not ours.
    fn target(&self, module: &[String], path: &[String], depth: usize) -> Option<&str> {
        let up = path.iter().take_while(|part| *part == "super").count();
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" | "hlarchive" => (Vec::new(), &path[1..]),
            "self" => (module.to_vec(), &path[1..]),
            "super" => (module[..module.len().checked_sub(up)?].to_vec(), &path[up..]),
            child => {
                let inner = [module, &[child.to_owned()]].concat();
                (self.files.contains_key(&inner).then_some(inner)?, &path[1..])
            }
        };
        while let Some(part) = rest.first() {
            let inner = [at.as_slice(), std::slice::from_ref(part)].concat();
            if self.files.contains_key(&inner) {
                (at, rest) = (inner, &rest[1..]);
                continue;
            }
            let file = self.files.get(&at)?;
            let mut given = file.uses.iter().filter(|used| used.name == *part && depth < 9);
            return given
                .find_map(|used| {
                    let path = [used.path.as_slice(), &rest[1..]].concat();
                    self.target(&at, &path, depth + 1)
                })
                .or(Some(&file.path));
        }
        self.files.get(&at).map(|file| file.path.as_str())
    }

    /// One circle, the shortest, of each set of files that need each other.
    fn circles(&self) -> Vec<String> {
        let edges = self.edges();
        let mut circles: Vec<Vec<&str>> =
            edges.keys().filter_map(|file| way_back(&edges, file)).collect();
        circles.sort_by_key(Vec::len);
        let mut seen = BTreeSet::new();
        circles.retain(|circle| {
            let is_new = circle.iter().all(|file| !seen.contains(file));
            seen.extend(circle.iter().copied());
            is_new
        });
        let told = |circle: &Vec<&str>| {
            let step = |pair: &[&str]| format!("{} uses {}", pair[0], edges[pair[0]][pair[1]]);
            let closed: Vec<&str> = circle.iter().chain(circle.first()).copied().collect();
            closed.windows(2).map(step).collect::<Vec<_>>().join(",\n  ")
        };
        circles.iter().map(told).collect()
    }
}

/// The shortest way from a file back to itself.
fn way_back<'a>(
    edges: &BTreeMap<&'a str, BTreeMap<&'a str, String>>,
    start: &'a str,
) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in edges.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push_back([way.as_slice(), &[*next]].concat());
            }
        }
    }
    None
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The module that a file is: `ops/emit.rs` and `ops/emit/mod.rs` are both `ops::emit`.
fn module(path: &str) -> Vec<String> {
    let mut parts: Vec<String> =
        path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    parts.pop_if(|last| matches!(last.as_str(), "mod" | "lib"));
    parts
}

/// Takes the `use`s, the modules that are declared, and who may see what, out of the code.
fn take_uses(code: &str) -> (Vec<Use>, String) {
    let (mut uses, mut body) = (Vec::new(), String::new());
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let (before, tree) = rest.split_at(at);
        let line = before.rsplit(['\n', ';', '{', '}', ']']).next().unwrap_or_default().trim();
        let end = tree.find(';').filter(|_| line.is_empty() || line.starts_with("pub"));
        body.push_str(before);
        let Some(end) = end else {
            body.push_str(&tree[..4]);
            rest = &tree[4..];
            continue;
        };
        let mut found = Vec::new();
        // The name that is given after `as` stays with its path.
        let tree_text: String = tree[4..end].replace(" as ", "@").split_whitespace().collect();
        branches("", &tree_text, &mut found);
        for path in found {
            let (path, renamed) = path.split_once('@').unwrap_or((&path, ""));
            let path = path.trim_end_matches("::self").trim_end_matches("::*");
            let path: Vec<String> = path.split("::").map(str::to_owned).collect();
            let name = if renamed.is_empty() { path.last().cloned() } else { Some(renamed.into()) };
            uses.push(Use {
                path,
                name: name.unwrap_or_default(),
                is_public: line.starts_with("pub"),
            });
        }
        rest = &tree[end..];
    }
    body.push_str(rest);
    let is_declared = |line: &&str| !(line.contains("mod ") && line.ends_with(';'));
    let body: String = body.lines().filter(is_declared).flat_map(|line| [line, "\n"]).collect();
    let mut parts = body.split("pub(in ");
    let first = parts.next().unwrap_or_default().to_owned();
    let body = parts.fold(first, |body, part| body + part.split_once(')').map_or(part, |(_, x)| x));
    (uses, body)
}

#[test]
fn no_file_needs_itself_by_way_of_others() {
    let sources = sources();
    let house = House::new(&sources);
    let circles = house.circles();
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), circles.join("\n"));
    // The check sees what it should: each of these arrows is really there.
    let edges = house.edges();
    for (from, to) in [
        ("archive/manifest.rs", "archive/chain.rs"),
        ("store/stream.rs", "store/source.rs"),
        ("ops/rotate/day.rs", "archive/temp.rs"),
        ("views/trace/mod.rs", "views/trace/summary.rs"),
    ] {
        let there = edges.get(from).is_some_and(|targets| targets.contains_key(to));
        assert!(there, "{from} does not use {to}");
    }
}

fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let owned = |(path, source): &(&str, &str)| ((*path).to_owned(), (*source).to_owned());
    House::new(&files.iter().map(owned).collect::<Vec<_>>()).circles()
}

#[test]
fn the_check_finds_every_kind_of_circle() {
    for files in [
        // Through the root, through a path in the code, through `super`.
        [("a.rs", "use crate::b::B;\npub struct A;"), ("b.rs", "use crate::a::A;\npub struct B;")],
        [("a.rs", "fn f() { crate::b::g() }"), ("b.rs", "use hlarchive::a;")],
        [("a/mod.rs", "mod b;\nuse b::B;\npub struct A;"), ("a/b.rs", "use super::A;")],
        [
            ("a.rs", "mod b;\nfn f() { b::g(super::C) }\npub fn h() {}"),
            ("a/b.rs", "impl super::A {}"),
        ],
        // The name is given on, and is used where it is given on.
        [("a/mod.rs", "mod b;\npub use b::B;\npub fn f(_: B) {}"), ("a/b.rs", "use super::f;")],
        [
            ("a/mod.rs", "mod b;\npub use b::X as B;\npub fn f(_: B) {}"),
            ("a/b.rs", "use crate::{a::{f}};"),
        ],
        // By its new name, by all names, by a module.
        [("a.rs", "use super::b as c;"), ("b.rs", "#[serde(with = \"crate::a\")]\nstruct B;")],
        [("a.rs", "use crate::b::*;"), ("b.rs", "use crate::a::{self, C};")],
    ] {
        assert_eq!(circles(&files).len(), 1, "{files:?}");
    }
    let long = [
        ("lib.rs", "pub use a::A;"),
        ("a.rs", "use super::b::B;\npub struct A;"),
        ("b.rs", "mod inner;\npub use inner::C;\nuse crate::c::D;\npub struct B;"),
        ("c.rs", "use crate::A;\npub struct D;"),
    ];
    assert_eq!(
        circles(&long),
        ["a.rs uses super::b::B,\n  b.rs uses crate::c::D,\n  c.rs uses crate::A"]
    );
}

#[test]
fn the_check_lets_pass_what_is_no_circle() {
    for files in [
        // A parent that only gives a name on, and a sibling that is reached through it.
        [
            ("a/mod.rs", "mod b;\npub use b::B;\npub struct A;"),
            ("a/b.rs", "use super::A;\npub struct B;"),
        ],
        [("a/mod.rs", "mod b;\nmod c;\npub use c::C;\nuse b::B;"), ("a/b.rs", "use super::C;")],
        [
            ("a/mod.rs", "mod b;\nuse b::B;\npub(in crate::a) fn f() {}"),
            ("a/b.rs", "pub(in crate::a) fn g() {}"),
        ],
        // What only words, tests and the world outside say.
        [("a.rs", "//! See [`crate::b`].\nfn f() {}"), ("b.rs", "use crate::a::f;")],
        [
            ("a.rs", "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}"),
            ("b.rs", "use crate::a::f;"),
        ],
        [("a.rs", "use std::b::B;\nuse b::C;"), ("b.rs", "use crate::a::f;")],
    ] {
        let files = [files.as_slice(), &[("a/c.rs", "pub struct C;")]].concat();
        assert_eq!(circles(&files), [""; 0], "{files:?}");
    }
}
