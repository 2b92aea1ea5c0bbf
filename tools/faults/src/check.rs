//! The invariants, as checks that any scenario can call.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::events::{History, is_event};
use crate::lab::{Lab, Verdict, first_lines};
use crate::truth::Truth;

/// Nothing lost, nothing changed, nothing made up: every event of `must` is there, live or
/// in a recorded segment; whatever else is there is one of `may`, under any name.
pub(crate) fn kept(lab: &Lab, must: &History, may: &[Vec<u8>]) -> Verdict<Truth> {
    let truth = kept_but_for_checksums(lab, must, may)?;
    match truth.bare.first() {
        Some(segment) => Err(format!("{segment}.sha256 is missing")),
        None => Ok(truth),
    }
}

/// The same, where checksum files may be missing: a prune without room takes them first.
pub(crate) fn kept_but_for_checksums(lab: &Lab, must: &History, may: &[Vec<u8>]) -> Verdict<Truth> {
    let truth = held(lab, must, may)?;
    seen_once(lab, &truth.contents())?;
    Ok(truth)
}

/// The same as far as files tell it, whatever `list` makes of them.
pub(crate) fn held(lab: &Lab, must: &History, may: &[Vec<u8>]) -> Verdict<Truth> {
    let truth = Truth::read(lab)?;
    let there = truth.contents();
    for (identity, contents) in must {
        for content in contents {
            if !there.get(identity.as_str()).is_some_and(|found| found.contains(&&content[..])) {
                return Err(format!("lost: {identity} ({} bytes)", content.len()));
            }
        }
    }
    for (identity, contents) in &there {
        for content in contents {
            let expected =
                must.get(*identity).is_some_and(|all| all.iter().any(|one| one == content));
            if !expected && !may.iter().any(|one| one == content) {
                return Err(format!("half or foreign: {identity} ({} bytes)", content.len()));
            }
        }
    }
    drop(there);
    Ok(truth)
}

/// `list` gives every event exactly once, byte for byte, whatever state the disk is in.
fn seen_once(lab: &Lab, there: &BTreeMap<&str, Vec<&[u8]>>) -> Verdict {
    // A tree that no run has come to make is not taken for an empty one.
    let codes: &[i32] = if lab.events().exists() { &[0, 1] } else { &[66] };
    let listed = lab.must(codes, &["list", "--since", "2000-01-01", "-o", "ndjson"])?;
    let mut seen: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for line in listed.stdout.lines() {
        let object: Value =
            serde_json::from_str(line).map_err(|error| format!("list printed {line}: {error}"))?;
        let path = object["_path"].as_str().unwrap_or_default().to_owned();
        seen.entry(path).or_default().push(line);
    }
    for (identity, contents) in there {
        let mut lines = seen.remove(*identity).unwrap_or_default();
        for content in contents.iter().filter(|content| is_event(content)) {
            let text = String::from_utf8_lossy(content);
            let fields = text.trim_end().trim_end_matches('}');
            let Some(at) = lines.iter().position(|line| line.starts_with(fields)) else {
                return Err(format!(
                    "list does not give {identity}: {}",
                    first_lines(&listed.stderr)
                ));
            };
            lines.remove(at);
        }
        if let Some(line) = lines.first() {
            return Err(format!("list gives {identity} once too often: {line}"));
        }
    }
    match seen.keys().next() {
        Some(path) => Err(format!("list gives {path}, which is not there")),
        None => Ok(()),
    }
}

/// `verify` finds nothing wrong.
pub(crate) fn verified(lab: &Lab) -> Verdict {
    lab.must(&[0], &["verify"]).map(drop)
}

/// Nothing temporary is left.
pub(crate) fn tidy(truth: &Truth) -> Verdict {
    if let Some(segment) = truth.bare.first() {
        return Err(format!("{segment}.sha256 is missing"));
    }
    if truth.torn {
        return Err("the manifest is still torn".to_owned());
    }
    match truth.leftovers.first() {
        Some(path) => Err(format!("left behind: {path}")),
        None => Ok(()),
    }
}

/// Every event of these is archived, and none of them is live any more.
pub(crate) fn moved(truth: &Truth, events: &History) -> Verdict {
    if let Some(identity) = events.keys().find(|identity| truth.live.contains_key(*identity)) {
        return Err(format!("still live: {identity}"));
    }
    archived(truth, events)
}

/// Every event of these is archived, exactly once.
pub(crate) fn archived(truth: &Truth, events: &History) -> Verdict {
    for (identity, contents) in events {
        let copies = truth.archived.get(identity).map_or(&[][..], Vec::as_slice);
        for content in contents {
            let count = copies.iter().filter(|(_, bytes)| bytes == content).count();
            if count != 1 {
                return Err(format!("{identity} is archived {count} times"));
            }
        }
    }
    Ok(())
}

/// The files that the command said it wrote are there, with these bytes.
pub(crate) fn acknowledged(stdout: &str, contents: &[Vec<u8>]) -> Verdict {
    // A line without its end was not said yet.
    for path in stdout.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        match std::fs::read(path) {
            Ok(bytes) if contents.contains(&bytes) => {}
            Ok(bytes) => {
                return Err(format!("acknowledged, but changed: {path} ({})", bytes.len()));
            }
            Err(error) => return Err(format!("acknowledged, but lost: {path}: {error}")),
        }
    }
    Ok(())
}
