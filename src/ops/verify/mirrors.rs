//! Checks of the mirrors of other hosts' archives.

use std::collections::BTreeMap;

use super::run::VerifyRun;
use super::segment::{OTHER_STUB, verify_entry, verify_quick};
use crate::Result;
use crate::archive::copies::PEERS;
use crate::archive::{ArchiveDir, Manifest, Record, SegmentName, catalogue, overview};
use crate::ops::Finding;

const OTHER_MIRROR: &str = "it differs from that host's manifest, so list, trace and show may \
                            miss segments; the next \"hlarchive remote pull\" recreates it";

/// Checks the mirrors of other hosts' archives: what is derived must say what their manifests say.
/// Their segments are remote, and "remote verify" reads those.
pub(super) fn verify_mirrors(archive: &ArchiveDir, run: &mut VerifyRun<'_>) -> Result<()> {
    let (options, progress, report) = (run.options, run.progress, &mut run.report);
    for (host, mirror) in archive.peers()? {
        let label = |what: &dyn std::fmt::Display| format!("{PEERS}/{host}/{what}");
        let (manifest, damages) = Manifest::load_checked(&mirror)?;
        for damage in &damages {
            report.wrong(label(&"manifest.jsonl"), damage.clone());
        }
        if !damages.is_empty() {
            continue;
        }
        if overview::is_false(&mirror, &manifest).unwrap_or(false) {
            report.wrong(label(&"overview"), OTHER_MIRROR);
        }
        let catalogued = catalogue::checksums(&mirror);
        let evicted = manifest.evicted();
        for (name, record) in manifest.segments().filter(|(name, _)| options.wants(name.date)) {
            if progress.stop_requested() {
                report.stopped = true;
                return Ok(());
            }
            let mut findings = Vec::new();
            let outcome = verify_mirrored(&mirror, name, record, &evicted, &mut findings)
                .and_then(|()| verify_entry(&mirror, name, record, &catalogued, &mut findings));
            let wrong = findings.into_iter().map(|reason| Finding::new(label(name), reason));
            report.findings.extend(wrong);
            if let Err(error) = outcome
                && !error.is_not_found()
            {
                let reason = Finding::of(name.to_string(), &error).reason;
                report.wrong(label(name), reason);
            }
        }
    }
    Ok(())
}

fn verify_mirrored(
    mirror: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    evicted: &BTreeMap<&SegmentName, &Record>,
    findings: &mut Vec<String>,
) -> Result<()> {
    // A pull may not have reached it yet; readers report it.
    let Some(stub) = mirror.read_stub(name)? else { return Ok(()) };
    let tail = evicted.get(name).and_then(|eviction| eviction.tail);
    if Some(stub.bytes) != record.bytes
        || Some(stub.sha256) != record.sha256
        || tail.is_some_and(|tail| tail != stub.tail_sha256())
    {
        findings.push(OTHER_STUB.to_owned());
    }
    verify_quick(mirror, name, record, findings)
}
