//! A user without rights: reads what can be read, and is told what cannot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::verbs::{BRINGING, LOCKING, OTHERS, READING, TAKING, assert_every_verb, ready};
use crate::common::{HLARCHIVE, Lab, Run, is_root, tool, tree};

struct Nobody<'a> {
    lab: &'a Lab,
}

impl<'a> Nobody<'a> {
    /// None, with a line that says so, where this user cannot become another.
    fn new(lab: &'a Lab) -> Option<Self> {
        if !is_root() {
            return None;
        }
        tool("setpriv")?;
        // Where anybody can reach it.
        // By another process: while this one has a program open for writing, a command that
        // a test beside this one starts would keep it open, and it could not be run.
        crate::common::system(Command::new("cp").arg(HLARCHIVE).arg(lab.path("hlarchive")));
        chmod(&lab.path(""), 0o755);
        let nobody = Self { lab };
        assert_eq!(nobody.run(&["--version"]).code, 0);
        Some(nobody)
    }

    fn run(&self, words: &[&str]) -> Run {
        Run::of(&self.command(words).output().unwrap())
    }

    fn command(&self, words: &[&str]) -> Command {
        let ids = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let mut command = Command::new("setpriv");
        command
            .args(ids)
            .arg(self.lab.path("hlarchive"))
            .args(words)
            .current_dir(self.lab.path(""))
            .env("HLARCHIVE_ROOT", self.lab.root())
            .env("HLARCHIVE_ARCHIVE", self.lab.archive())
            .env("HLARCHIVE_POLICY", self.lab.path("policy.toml"))
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn fails(&self, code: i32, named: &str, words: &[&str]) -> Run {
        let run = self.run(words);
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.stderr.contains(named), "{named}: {run:?}");
        assert!(run.stderr.contains("permission denied"), "{run:?}");
        assert!(!run.stderr.contains("os error"), "{run:?}");
        run
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const LIST: [&str; 5] = ["list", "--since", "2000-01-01", "-o", "ndjson"];

fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(3, 5);
    lab.rotate_day("2026-05-10");
    ready(&lab);
    lab
}

#[test]
fn reading_takes_no_right_to_write() {
    let lab = lab();
    let Some(nobody) = Nobody::new(&lab) else { return };
    for words in READING {
        let (run, own) = (nobody.run(words), lab.run(words));
        assert_eq!((run.code, &run.stdout), (own.code, &own.stdout), "{words:?}: {run:?}");
        assert!(!run.stderr.contains("permission denied"), "{words:?}: {run:?}");
    }
    for words in TAKING {
        let run = nobody.run(words);
        assert_eq!(run.code, 0, "{words:?}: {run:?}");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_shown() {
    let lab = lab();
    let Some(nobody) = Nobody::new(&lab) else { return };
    let all = lab.list_all().len();

    let file = tree(&lab.root()).into_keys().next().unwrap();
    chmod(&lab.root().join(&file), 0o000);
    let run = nobody.fails(74, &file, &LIST);
    assert_eq!(run.stdout.lines().count(), all - 1);
    chmod(&lab.root().join(&file), 0o444);

    for (directory, costs) in [("2026-05-11/nas", 5), ("2026-05-11", 15)] {
        chmod(&lab.root().join(directory), 0o700);
        let run = nobody.fails(74, directory, &LIST);
        assert_eq!(run.stdout.lines().count(), all - costs);
        chmod(&lab.root().join(directory), 0o755);
    }

    let segment = lab.archive().join("2026/2026-05-10.tar.zst");
    chmod(&segment, 0o400);
    let run = nobody.fails(74, "2026/2026-05-10.tar.zst", &LIST);
    assert_eq!(run.stdout.lines().count(), all - 15);
    let verified = nobody.run(&["verify"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.stdout.contains("2026/2026-05-10.tar.zst: "), "{verified:?}");
    assert!(verified.stdout.contains("permission denied"), "{verified:?}");
    nobody.fails(77, "2026/2026-05-10.tar.zst", &["inspect", "2026-05-10"]);
    chmod(&segment, 0o444);
    assert_eq!(nobody.run(&LIST).code, 0);
}

#[test]
fn a_root_an_archive_or_a_manifest_that_cannot_be_read_is_an_error_that_names_it() {
    let lab = lab();
    let Some(nobody) = Nobody::new(&lab) else { return };
    for (path, mode, back) in [
        (lab.root(), 0o700, 0o755),
        (lab.archive(), 0o700, 0o755),
        (lab.archive().join("manifest.jsonl"), 0o600, 0o644),
    ] {
        chmod(&path, mode);
        let run = nobody.fails(77, path.to_str().unwrap(), &LIST);
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        chmod(&path, back);
    }
}

#[test]
fn writing_without_rights_is_refused_and_changes_nothing() {
    let lab = lab();
    let Some(nobody) = Nobody::new(&lab) else { return };
    // Each verb is tried by this test or by reading_takes_no_right_to_write.
    assert_every_verb(&[&READING[..], &TAKING, &LOCKING, &BRINGING].concat(), &OTHERS);
    // The key is the user's own; it is the archive that they have no right to.
    crate::common::system(Command::new("chown").arg("65534").arg(lab.path("key.sec")));
    let trees = (tree(&lab.root()), tree(&lab.archive()));
    let lock = lab.archive().join("lock");
    let lock = lock.to_str().unwrap();
    for words in LOCKING {
        nobody.fails(77, lock, words);
    }
    let root = lab.root();
    for words in BRINGING {
        nobody.fails(77, root.to_str().unwrap(), words);
    }
    nobody.fails(77, root.to_str().unwrap(), &["emit", "node_online"]);
    assert_eq!((tree(&lab.root()), tree(&lab.archive())), trees);
}

#[cfg(feature = "mcp")]
#[test]
fn an_agent_is_told_what_could_not_be_read_and_given_the_rest() {
    let lab = lab();
    let Some(nobody) = Nobody::new(&lab) else { return };
    let all = lab.list_all().len();
    let file = tree(&lab.root()).into_keys().next().unwrap();
    chmod(&lab.root().join(&file), 0o000);
    let list = r#"{"name":"list","arguments":{"since":"2000-01-01","limit":500}}"#;
    let show = format!(r#"{{"name":"show","arguments":{{"event":"{file}"}}}}"#);
    let client = r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"0"}}"#;
    let request = |id: u32, method: &str, parameters: &str| {
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{parameters}}}\n"
        )
    };
    let lines = [
        request(0, "initialize", client),
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n".to_owned(),
        request(1, "tools/call", list),
        request(2, "tools/call", &show),
    ];
    let input = lab.path("asked");
    std::fs::write(&input, lines.concat()).unwrap();
    let input = std::fs::File::open(input).unwrap();
    let run = Run::of(&nobody.command(&["mcp"]).stdin(input).output().unwrap());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let answers = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let answers: Vec<serde_json::Value> = answers.collect();
    let of = |id: u32| &answers.iter().find(|answer| answer["id"] == id).unwrap()["result"];
    let found = &of(1)["structuredContent"];
    assert_eq!(found["events"].as_array().unwrap().len(), all - 1);
    assert_eq!(found["complete"], false);
    let warning = found["warnings"][0].as_str().unwrap();
    assert!(warning.contains(&file) && warning.contains("permission denied"), "{warning}");
    assert_eq!(of(2)["isError"], true);
    let text = of(2)["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("permission denied"), "{text}");
}
