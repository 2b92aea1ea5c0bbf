//! Whether the tracer does to a process what it says.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use super::*;

/// Strikes the first call of a kind.
struct Strike(Kind, Fate);

impl Director for Strike {
    fn before(&mut self, call: &Call) -> Fate {
        if call.kind() == self.0 {
            return std::mem::replace(&mut self.1, Fate::Pass);
        }
        Fate::Pass
    }
}

/// Runs a shell script in a directory of its own, under a director.
pub(crate) fn script(name: &str, text: &str, director: &mut dyn Director) -> (PathBuf, End) {
    let home =
        std::env::temp_dir().join(format!("hlarchive-faults-test-{}-{name}", std::process::id()));
    let root = home.join("root");
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(home.join("stdin"), "").unwrap();
    let job = Job {
        words: vec!["/bin/sh".into(), "-c".into(), format!("cd {}; {text}", root.display())],
        environment: vec![("PATH".into(), std::env::var("PATH").unwrap())],
        root: root.clone(),
        stdin: home.join("stdin"),
        stdout: home.join("stdout"),
        stderr: home.join("stderr"),
        looks: false,
    };
    let end = run(&job, director).unwrap();
    (home, end)
}

#[test]
fn a_process_killed_before_a_call_has_not_made_it() {
    let mut strike = Strike(Kind::MakeDir, Fate::Die);
    let (home, end) =
        script("kill", "printf whole > before; mkdir at; printf x > after", &mut strike);
    assert_eq!(end, End::Signal(Signal::SIGKILL));
    assert_eq!(std::fs::read(home.join("root/before")).unwrap(), b"whole");
    assert!(!home.join("root/at").exists());
    assert!(!home.join("root/after").exists());
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_process_killed_within_a_write_has_made_half_of_it() {
    let mut strike = Strike(Kind::Write, Fate::HalfAndDie);
    let (home, end) = script("half", "printf 12345678 > file", &mut strike);
    assert_eq!(end, End::Signal(Signal::SIGKILL));
    assert_eq!(std::fs::read(home.join("root/file")).unwrap(), b"1234");
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_call_that_fails_was_not_made_and_says_why() {
    let mut strike = Strike(Kind::MakeDir, Fate::Fail(Errno::ENOSPC));
    let (home, end) = script("fail", "mkdir at", &mut strike);
    assert_eq!(end, End::Code(1));
    assert!(!home.join("root/at").exists());
    let said = std::fs::read_to_string(home.join("stderr")).unwrap();
    assert!(said.contains("No space left"), "{said}");
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_short_write_leaves_the_rest_to_the_process() {
    let mut strike = Strike(Kind::Write, Fate::Half);
    let (home, end) = script("short", "printf 12345678 | dd of=file bs=8 status=none", &mut strike);
    assert_eq!(end, End::Code(0));
    assert_eq!(std::fs::read(home.join("root/file")).unwrap(), b"12345678");
    std::fs::remove_dir_all(home).unwrap();
}
