//! The planted bugs (`tests/planted`) are mistakes in the program as it is: a patch that
//! does not apply any more shows nothing, and must follow the code that it breaks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::tool;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn patches() -> Vec<PathBuf> {
    let folder = fs::read_dir(package().join("tests/planted")).unwrap();
    let mut patches: Vec<PathBuf> = folder
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .collect();
    patches.sort();
    patches
}

/// Says whether a patch fits the tree, without touching it; none where no tool can tell.
fn dry_run() -> Option<Command> {
    // Without a repository around it, git would pass over files that it does not know.
    let mut command = if package().join(".git").exists() && tool("git").is_some() {
        let mut git = Command::new("git");
        git.args(["apply", "--check"]);
        git
    } else {
        let mut patch = Command::new(tool("patch")?);
        patch.args(["-p1", "-F0", "--dry-run", "--force", "--silent", "--input"]);
        patch
    };
    command.current_dir(package()).stdin(Stdio::null());
    Some(command)
}

#[test]
fn every_planted_bug_still_fits_the_program() {
    let patches = patches();
    assert!(patches.len() >= 12, "{} patches", patches.len());
    for patch in patches {
        let Some(mut command) = dry_run() else { return };
        let output = command.arg(&patch).output().unwrap();
        assert!(
            output.status.success(),
            "{} does not apply any more: mend it by hand, or plant the bug anew\n{}{}",
            patch.display(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn every_planted_bug_says_what_it_is_and_what_catches_it() {
    for patch in patches() {
        let name = patch.display();
        let text = fs::read_to_string(&patch).unwrap();
        let (head, _) = text.split_once("\n--- a/src/").unwrap();
        let field = |field: &str| head.lines().find_map(|line| line.strip_prefix(field));
        let caught_by = field("Caught by: ").unwrap();
        let known = ["cargo test --", "cargo run --release -p faults -- "];
        assert!(known.iter().any(|command| caught_by.starts_with(command)), "{name}: {caught_by}");
        assert!(field("Saying: ").is_some_and(|words| !words.is_empty()), "{name}");
        assert!(head.lines().next().unwrap().len() > 20, "{name} does not say what it is");
        for line in text.lines().filter(|line| line.starts_with("+++ ")) {
            assert!(line.starts_with("+++ b/src/"), "{name}: {line}");
        }
    }
}
