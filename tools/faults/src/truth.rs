//! What is there, read without any code of hlarchive: plain files, `tar`, `zstd`, JSON.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::lab::{Lab, Verdict};

/// Temporary files begin with this.
const TEMPORARY: &str = ".hlarchive-tmp-";

/// The note by which a tree remembers its archive.
pub(crate) const NOTE: &str = ".hlarchive-archive";

/// A state of the disk.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// Live events by identity.
    pub(crate) live: BTreeMap<String, Vec<u8>>,
    /// Archived events by identity, each with the segments that hold it and its bytes.
    pub(crate) archived: BTreeMap<String, Vec<(String, Vec<u8>)>>,
    /// Records of the manifest.
    pub(crate) records: Vec<Value>,
    /// Files that no reader takes for an event or a segment.
    pub(crate) leftovers: Vec<String>,
    /// Segments whose checksum files are missing.
    pub(crate) bare: Vec<String>,
    /// Whether the manifest ends in the middle of a line.
    pub(crate) torn: bool,
}

impl Truth {
    /// Reads the state. Segments count when the manifest names them, and then they must be
    /// whole and just what it says.
    pub(crate) fn read(lab: &Lab) -> Verdict<Self> {
        let mut truth = Self::default();
        let events = lab.events();
        for (path, bytes) in files(&events)? {
            if path.contains(TEMPORARY) {
                truth.leftovers.push(format!("events/{path}"));
            } else if path != NOTE {
                truth.live.insert(path, bytes);
            }
        }
        for (path, _) in files(&lab.archive())? {
            if path.contains(TEMPORARY) {
                truth.leftovers.push(format!("events-archive/{path}"));
            }
        }
        truth.read_manifest(&lab.archive().join("manifest.jsonl"))?;
        for (segment, sha256) in truth.segments() {
            truth.read_segment(lab, &segment, &sha256)?;
        }
        Ok(truth)
    }

    fn read_manifest(&mut self, path: &Path) -> Verdict {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let mut prev = "0".repeat(64);
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let is_last = match lines.peek() {
                None => true,
                // A line is torn also when it has zeros in it and nothing follows.
                Some(rest) => rest.is_empty() && line.contains(&0),
            };
            match serde_json::from_slice::<Value>(line) {
                Ok(record) if record["prev"] == prev.as_str() => self.records.push(record),
                Ok(_) => return Err("a line of the manifest does not follow the one before".into()),
                Err(_) if is_last => {
                    self.torn = !line.is_empty();
                    return Ok(());
                }
                Err(error) => {
                    let line = String::from_utf8_lossy(line);
                    return Err(format!("the manifest has a damaged line: {error}: {line}"));
                }
            }
            prev = hex(&Sha256::digest(line));
        }
        Ok(())
    }

    /// The segments that the manifest names, with their checksums.
    fn segments(&self) -> BTreeMap<String, String> {
        let mut segments = BTreeMap::new();
        for record in &self.records {
            let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
            match record["op"].as_str() {
                // Without a segment, events came into the live tree.
                Some("rotate" | "import" | "compact") if record["segment"].is_string() => {
                    for old in record["supersedes"].as_array().into_iter().flatten() {
                        segments.remove(old.as_str().unwrap_or_default());
                    }
                    segments.insert(text("segment"), text("sha256"));
                }
                Some("prune") => {
                    segments.remove(&text("segment"));
                }
                _ => {}
            }
        }
        segments
    }

    /// The object that a segment is elsewhere, if it was recorded as copied.
    fn object(&self, sha256: &str) -> Option<String> {
        let copied = |record: &&Value| record["op"] == "upload" && record["sha256"] == sha256;
        self.records.iter().find(copied)?["object"].as_str().map(str::to_owned)
    }

    fn read_segment(&mut self, lab: &Lab, segment: &str, sha256: &str) -> Verdict {
        let path = lab.archive().join(segment);
        let failed = |error: std::io::Error| format!("{segment}: {error}");
        let (bytes, is_here) = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let object = self.object(sha256).ok_or_else(|| failed(error))?;
                let path = lab.bucket().join(&object);
                (fs::read(path).map_err(|error| format!("{object}: {error}"))?, false)
            }
            bytes => (bytes.map_err(failed)?, true),
        };
        if hex(&Sha256::digest(&bytes)) != sha256 {
            return Err(format!("{segment}: recorded, but its bytes are not those recorded"));
        }
        let file_name = segment.rsplit('/').next().unwrap_or_default();
        match fs::read_to_string(lab.archive().join(format!("{segment}.sha256"))) {
            Ok(checksum) if checksum == format!("{sha256}  {file_name}\n") => {}
            Ok(_) => {
                return Err(format!("{segment}.sha256 says something else than the manifest"));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if is_here {
                    self.bare.push(segment.to_owned());
                }
            }
            Err(error) => return Err(format!("{segment}.sha256: {error}")),
        }
        let plain = zstd::decode_all(&bytes[..]).map_err(failed)?;
        for entry in tar::Archive::new(&plain[..]).entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let name = entry.path().map_err(failed)?.display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(failed)?;
            self.archived.entry(name).or_default().push((segment.to_owned(), content));
        }
        Ok(())
    }

    /// Every content that an identity has, each once.
    pub(crate) fn contents(&self) -> BTreeMap<&str, Vec<&[u8]>> {
        let mut contents: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
        let live = self.live.iter();
        let archived = self
            .archived
            .iter()
            .flat_map(|(path, copies)| copies.iter().map(move |(_, bytes)| (path, bytes)));
        for (path, bytes) in live.chain(archived) {
            let there = contents.entry(path).or_default();
            if !there.contains(&&bytes[..]) {
                there.push(bytes);
            }
        }
        contents
    }
}

/// Every file below a directory by its path in it; nothing when it is not there.
pub(crate) fn files(directory: &Path) -> Verdict<BTreeMap<String, Vec<u8>>> {
    read_below(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

fn read_below(directory: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    if !directory.try_exists()? {
        return Ok(found);
    }
    for entry in WalkDir::new(directory).min_depth(1) {
        let entry = entry?;
        let path = entry.path().strip_prefix(directory).map_err(io::Error::other)?;
        let path = path.to_string_lossy().into_owned();
        if !entry.file_type().is_dir() {
            found.insert(path, fs::read(entry.path())?);
        } else if path.contains(TEMPORARY) && fs::read_dir(entry.path())?.next().is_none() {
            // A directory in waiting that holds nothing is a leftover, too.
            found.insert(path, Vec::new());
        }
    }
    Ok(found)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Into a string, this cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
