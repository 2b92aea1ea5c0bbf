//! Events made to measure, and pictures of whole directories.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;
use walkdir::{DirEntry, WalkDir};

use crate::common::{Lab, RUNS, Run};

/// An event with every field under the test's control; the defaults do for most.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    pub time: &'a str,
    pub node: &'a str,
    pub kind: &'a str,
    pub severity: &'a str,
    pub source: &'a str,
    pub service: &'a str,
    pub correlation: &'a str,
    pub payload: &'a str,
    /// Its place among the ids.
    pub number: u32,
}

pub const EVENT: Event<'static> = Event {
    time: "2026-05-16T10:11:12.000000Z",
    node: "pi4",
    kind: "node_online",
    severity: "info",
    source: "test",
    service: "all",
    correlation: "run-1",
    payload: "{}",
    number: 0,
};

impl Event<'_> {
    pub fn id(&self) -> String {
        format!("0196d8a2-0000-7000-8000-{:012}", self.number)
    }

    /// Its identity, filed under the day of its timestamp.
    pub fn path(&self) -> String {
        let name = self.time.replace(['-', ':'], "");
        format!("{}/{}/{name}_{}_{}.json", &self.time[..10], self.node, self.kind, self.id())
    }

    pub fn line(&self) -> String {
        format!(
            "{{\"timestamp\":\"{}\",\"node\":\"{}\",\"type\":\"{}\",\"severity\":\"{}\",\
             \"source\":\"{}\",\"service\":\"{}\",\"correlation_id\":\"{}\",\"payload\":{}}}",
            self.time,
            self.node,
            self.kind,
            self.severity,
            self.source,
            self.service,
            self.correlation,
            self.payload
        )
    }

    /// Writes it into the live tree; gives its identity.
    pub fn write(&self, lab: &Lab) -> String {
        lab.write(&self.path(), self.line() + "\n");
        self.path()
    }

    /// The line that `list -o ndjson` prints while it is live.
    pub fn live_line(&self) -> String {
        let line = self.line();
        format!("{},\"_path\":\"{}\"}}", &line[..line.len() - 1], self.path())
    }

    /// The line that `list -o ndjson` prints when it is archived.
    pub fn archived_line(&self, segment: &str) -> String {
        let line = self.live_line();
        format!("{},\"_segment\":\"{segment}\"}}", &line[..line.len() - 1])
    }
}

/// Everything below a directory, directories too: kind and mode, time of change, content.
pub type Picture = BTreeMap<String, (u32, i64, i64, Vec<u8>)>;

pub fn picture(directory: &Path) -> Picture {
    let is_archive = |directory: &Path| directory.join("manifest.jsonl").exists();
    // How runs ended may be left in an archive by those that change nothing.
    let is_kept = |entry: &DirEntry| {
        entry.file_name() != RUNS || !entry.path().parent().is_some_and(is_archive)
    };
    let walk = WalkDir::new(directory).into_iter().filter_entry(is_kept).map(Result::unwrap);
    let seen = walk.map(|entry| {
        let metadata = entry.metadata().unwrap();
        let content = if metadata.is_file() {
            fs::read(entry.path()).unwrap()
        } else if metadata.is_symlink() {
            fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes()
        } else {
            Vec::new()
        };
        let times = if is_archive(entry.path()) {
            (0, 0)
        } else {
            (metadata.mtime(), metadata.mtime_nsec())
        };
        let path = entry.path().strip_prefix(directory).unwrap();
        let path = path.to_string_lossy().into_owned();
        (path, (metadata.mode(), times.0, times.1, content))
    });
    seen.collect()
}

/// Asserts that nothing in the lab changed while something ran.
#[track_caller]
pub fn assert_untouched<T>(lab: &Lab, work: impl FnOnce() -> T) -> T {
    let before = picture(&lab.path(""));
    let result = work();
    let after = picture(&lab.path(""));
    let keys = |picture: &Picture| picture.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&before), keys(&after));
    for (path, entry) in &before {
        assert!(after[path] == *entry, "{path} changed");
    }
    result
}

/// Asserts that a run said one sentence and nothing else; the sentence without the
/// program's name.
#[track_caller]
pub fn sentence(run: &Run) -> &str {
    assert_eq!(run.stdout, "", "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    let text = run.stderr.trim_end().strip_prefix("hlarchive: ");
    text.unwrap_or_else(|| panic!("{run:?}"))
}

#[track_caller]
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Puts another policy in place of the lab's.
pub fn policy(lab: &Lab, text: &str) {
    fs::write(lab.path("policy.toml"), text).unwrap();
}
