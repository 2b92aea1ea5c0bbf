//! A machine that keeps copies of its archive in a bucket.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::common::{Lab, NOW, Run, Tree, tree, without_segment};
use crate::garage::{BUCKET, Garage, KEY, SECRET};

/// A lab, the address of its bucket, and a name in it.
pub struct Site {
    pub lab: Lab,
    pub host: String,
    pub url: String,
    /// Where its requests go: the server, or a proxy before it.
    pub endpoint: String,
    pub secret: String,
    /// Further lines of the policy's `[remote]`.
    pub rules: String,
}

impl Site {
    /// One whose copies lie below this prefix, which no other test has.
    pub fn new(garage: &Garage, prefix: &str, host: &str) -> Self {
        Self::at(&format!("s3://{BUCKET}/{prefix}"), &garage.address, host)
    }

    pub fn at(url: &str, endpoint: &str, host: &str) -> Self {
        let site = Self {
            lab: Lab::new(),
            host: host.to_owned(),
            url: url.to_owned(),
            endpoint: endpoint.to_owned(),
            secret: SECRET.to_owned(),
            rules: "timeout = \"5s\"\n".to_owned(),
        };
        site.policy("");
        site
    }

    /// Another machine with the same bucket.
    pub fn beside(&self, host: &str) -> Self {
        Self::at(&self.url, &self.endpoint, host)
    }

    /// Writes the policy; `retain` are lines of its `[retain]`.
    pub fn policy(&self, retain: &str) {
        let Self { url, host, rules, .. } = self;
        let text = format!(
            "version = 1\n[rotate]\nkeep_live = \"1d\"\nlevel = 3\n[retain]\n{retain}\n[remote]\n\
             url = \"{url}\"\nhost = \"{host}\"\n{rules}"
        );
        fs::write(self.lab.path("policy.toml"), text).unwrap();
        let text = format!(
            "version = 1\n[rotate]\nkeep_live = \"1d\"\nlevel = 3\n[retain]\n{}",
            retain.replace("local", "# local")
        );
        fs::write(self.lab.path("alone.toml"), text).unwrap();
    }

    /// The same with every archived day evicted by the next prune.
    pub fn evicts(&self) {
        self.policy("local = \"1d\"");
    }

    pub fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.lab.command(words);
        command
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret)
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.endpoint))
            .env("AWS_REGION", "garage")
            .env("HLARCHIVE_CACHE", self.cache());
        command
    }

    pub fn cache(&self) -> PathBuf {
        self.lab.path("cache")
    }

    pub fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Run {
        Run::of(&self.command(words).output().unwrap())
    }

    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> String {
        let run = self.run(words);
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout
    }

    #[track_caller]
    pub fn fails<S: AsRef<OsStr>>(&self, code: i32, words: impl IntoIterator<Item = S>) -> Run {
        let run = self.run(words);
        assert_eq!(run.code, code, "{run:?}");
        run
    }

    #[track_caller]
    pub fn json<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Value {
        let text = self.ok(words);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Rotates all closed days, and copies nothing.
    pub fn rotate_alone(&self) {
        let mut command = self.command(["rotate", "--now", NOW]);
        let run = Run::of(
            &command.env("HLARCHIVE_POLICY", self.lab.path("alone.toml")).output().unwrap(),
        );
        assert_eq!(run.code, 0, "{run:?}");
    }

    /// Every event, one NDJSON line each, wherever it lies.
    #[track_caller]
    pub fn events(&self) -> Vec<String> {
        let text = self.ok(["list", "--since", "2000-01-01", "-o", "ndjson"]);
        text.lines().map(without_segment).collect()
    }

    /// The archive's own files, without lock, mirrors, and what is made anew from the rest.
    pub fn archive_files(&self) -> Tree {
        let mut files = tree(&self.lab.archive());
        files.retain(|path, _| {
            path == "manifest.jsonl" || path.starts_with("20") && !path.contains("/.hlarchive")
        });
        files
    }

    /// Loses everything that is on the machine, but for its policy.
    pub fn lose(&self) {
        for directory in [self.lab.root(), self.lab.archive(), self.cache()] {
            if directory.exists() {
                fs::remove_dir_all(directory).unwrap();
            }
        }
        fs::create_dir(self.lab.root()).unwrap();
    }

    /// Makes this machine what another one is: tree and archive, to the last byte.
    pub fn become_like(&self, other: &Self) {
        self.lose();
        for part in ["events", "events-archive"] {
            let (from, to) = (other.lab.path(part), self.lab.path(part));
            for (path, bytes) in tree(&from) {
                let path = to.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
    }

    /// `verify` and `remote verify` have nothing to say, and every event is there once.
    #[track_caller]
    pub fn is_sound(&self, expected: &[String]) {
        self.ok(["verify"]);
        self.ok(["remote", "verify", "--all-hosts"]);
        assert_eq!(self.events(), expected);
    }

    pub fn segments(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.archive_files();
        files.retain(|path, _| path.ends_with(".tar.zst"));
        files
    }

    pub fn manifest(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.lab.archive().join("manifest.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn records(&self, op: &str) -> usize {
        self.manifest().iter().filter(|record| record["op"] == op).count()
    }
}

/// A directory as a bucket's address.
pub fn file_url(directory: &Path) -> String {
    fs::create_dir_all(directory).unwrap();
    format!("file://{}", directory.display())
}
