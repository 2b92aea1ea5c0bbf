//! Manifests. The first byte chooses: the rest is a file as it stands, or its lines are
//! linked and sealed, so that what is behind the hashes is reached.
//!
//! Readers never write; what is sound can be appended to, and stays a prefix.

#![no_main]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use hlarchive::Timestamp;
use hlarchive::internals::archive::{ArchiveDir, By, Manifest, ManifestWriter, NewRecord, Op};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

fuzz_target!(|bytes: &[u8]| {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let shm = Path::new("/dev/shm");
        let base = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let root = base.join(format!("hlarchive-fuzz-manifest-{}", std::process::id()));
        std::fs::create_dir_all(&root).expect("a directory");
        root
    });
    let Some((mode, rest)) = bytes.split_first() else { return };
    let text = if mode % 2 == 0 { rest.to_vec() } else { linked(rest) };
    let file = root.join("manifest.jsonl");
    std::fs::write(&file, &text).expect("a file");
    let archive = ArchiveDir::open(root).expect("an archive").expect("an archive");

    let (manifest, damages) = Manifest::load_checked(&archive).expect("it can be read");
    assert_eq!(std::fs::read(&file).expect("a file"), text, "reading does not write");
    let records = manifest.records();
    assert!(manifest.segments().all(|(name, record)| record.segment.as_ref() == Some(name)));
    assert!(manifest.segments().all(|(name, _)| !name.to_string().contains("..")));
    assert!(manifest.has_head(manifest.head()));
    if damages.is_empty() {
        let numbers = records.iter().map(|record| record.seq);
        assert!(numbers.eq(1..=records.len() as u64), "numbered from 1");
        assert!(records.windows(2).all(|pair| pair[0].prev != pair[1].prev));
    }

    let lock = archive.lock().expect("a lock");
    let by = By { user: "u".into(), host: "h".into(), command: "c".into(), sudo_user: None };
    let now = Timestamp::from_micros(0);
    let Ok((mut writer, torn)) = ManifestWriter::open(&archive, &lock, now, &by) else {
        assert!(!damages.is_empty(), "only damage keeps from writing");
        assert_eq!(std::fs::read(&file).expect("a file"), text, "damage is left as it is");
        return;
    };
    assert!(damages.is_empty(), "damage keeps from writing");
    writer.append(NewRecord::new(now, Op::Conflict)).expect("it can be written");
    let (after, damages) = Manifest::load_checked(&archive).expect("it can be read");
    assert_eq!(damages, Vec::<String>::new());
    assert_eq!(after.torn(), None);
    assert_eq!(after.records()[..records.len()], *records, "nothing before was touched");
    let mends = usize::from(torn.is_some());
    assert_eq!(after.records().len(), records.len() + mends + 1);
});

/// Each line as the body of a record: `prev` and `self` are added as the writer does.
fn linked(bytes: &[u8]) -> Vec<u8> {
    let hash = |bytes: &[u8]| {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let mut out = Vec::new();
    let mut prev = "0".repeat(64);
    for (number, body) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let seq = number + 1;
        let mut line = format!("{{\"v\":1,\"seq\":{seq},").into_bytes();
        line.extend_from_slice(body);
        line.extend_from_slice(format!(",\"prev\":\"{prev}\"").as_bytes());
        let own = hash(&line);
        line.extend_from_slice(format!(",\"self\":\"{own}\"}}").as_bytes());
        prev = hash(&line);
        out.extend_from_slice(&line);
        out.push(b'\n');
    }
    out
}
