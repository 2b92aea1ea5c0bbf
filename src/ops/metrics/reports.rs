//! The values of each report. Names end in what is counted, or in its unit; days are partitions
//! here, since Prometheus takes "days" for a unit of time and wants seconds.

use super::{Gauge, ORIGIN};
use crate::ops::Finding;
use crate::ops::compact::CompactReport;
use crate::ops::import::ImportReport;
use crate::ops::prune::PruneReport;
use crate::ops::rotate::{RotateReport, RotatedDay};
use crate::ops::status::{Status, Totals};
use crate::ops::sync::SyncReport;
use crate::ops::verify::VerifyReport;

fn findings(findings: &[Finding]) -> Gauge {
    Gauge::findings(findings.len() as u64)
}

fn sum<T>(rows: &[T], what: impl Fn(&T) -> u64) -> u64 {
    rows.iter().map(what).fold(0, u64::saturating_add)
}

/// Returns the values of a rotation.
pub(crate) fn of_rotate(report: &RotateReport) -> Vec<Gauge> {
    let sum = |what: fn(&RotatedDay) -> u64| sum(&report.days, what);
    let gauge = Gauge::new;
    vec![
        gauge("partitions", "Days that were worked on.", report.days.len() as u64),
        gauge("events", "Files that were archived.", sum(|day| day.events)),
        gauge("invalid_events", "Among them those that are no events.", sum(|day| day.invalid)),
        gauge(
            "late_events",
            "Among them those of days that were archived before.",
            sum(|day| day.late),
        ),
        gauge(
            "conflicts",
            "Files that were archived beside another one of their name.",
            sum(|day| day.conflicts),
        ),
        gauge("event_bytes", "Size of the files that were archived.", sum(|day| day.event_bytes)),
        gauge("segment_bytes", "Size of the new segments.", sum(|day| day.segment_bytes)),
        gauge("removed_files", "Live files that were removed.", sum(|day| day.removed)),
        gauge("left_files", "Files of those days that stay live.", sum(|day| day.left)),
        findings(&report.findings),
    ]
}

/// Returns the values of a prune.
pub(crate) fn of_prune(report: &PruneReport) -> Vec<Gauge> {
    let gauge = Gauge::new;
    let expired = &report.expired;
    vec![
        gauge("segments", "Segments that expired.", expired.len() as u64),
        gauge("events", "Events that were in them.", sum(expired, |gone| gone.events)),
        gauge("segment_bytes", "Size of the segments that expired.", sum(expired, |g| g.bytes)),
        gauge("held_segments", "Segments that a hold kept.", report.held.len() as u64),
        findings(&report.findings),
    ]
}

/// Returns the values of a compaction.
pub(crate) fn of_compact(report: &CompactReport) -> Vec<Gauge> {
    let gauge = Gauge::new;
    let days = &report.days;
    vec![
        gauge("segments", "New segments, each in the place of several.", days.len() as u64),
        gauge(
            "superseded_segments",
            "Segments whose place they took.",
            sum(days, |day| day.supersedes.len() as u64),
        ),
        gauge("events", "Events in the new segments.", sum(days, |day| day.events)),
        gauge("segment_bytes", "Size of the new segments.", sum(days, |day| day.segment_bytes)),
        findings(&report.findings),
    ]
}

/// Returns the values of a verification.
pub(crate) fn of_verify(report: &VerifyReport) -> Vec<Gauge> {
    let gauge = Gauge::new;
    vec![
        gauge("segments", "Segments that were looked at.", report.segments),
        gauge(
            "segments_read_whole",
            "Among them those that were read whole.",
            report.segments_read_whole,
        ),
        gauge("segment_bytes", "Bytes of segments that were read whole.", report.segment_bytes),
        gauge("archived_events", "Events in the segments.", report.archived_events),
        gauge("live_files", "Live files that were read.", report.live_files),
        gauge("manifest_records", "Records of the manifest.", report.manifest_records),
        findings(&report.findings),
    ]
}

/// Returns the values of an import.
pub(crate) fn of_import(report: &ImportReport) -> Vec<Gauge> {
    let gauge = Gauge::new;
    vec![
        gauge("events", "Events that were found.", report.events),
        gauge("imported_events", "Those that were new here.", report.imported),
        gauge("imported_bytes", "Size of those.", report.imported_bytes),
        gauge("conflicts", "Events whose name another one has.", report.conflicts),
        gauge("invalid_events", "Files that are no events.", report.bad),
        gauge("unreadable_files", "Files that could not be read.", report.unreadable),
        findings(&report.findings),
    ]
}

/// Returns the values of a sync.
pub(crate) fn of_sync(report: &SyncReport) -> Vec<Gauge> {
    let gauge = Gauge::new;
    vec![
        gauge("events", "Events that were compared one by one.", report.events),
        gauge("copied_events", "Those that the destination lacked.", report.copied),
        gauge("copied_bytes", "Size of those.", report.copied_bytes),
        gauge("conflicts", "Events whose name another one has.", report.conflicts),
        gauge("invalid_events", "Files that are no events.", report.invalid),
        findings(&report.findings),
    ]
}

/// Returns the values of a status report: `problems` are open, and `attention` says whether
/// somebody is needed.
pub(crate) fn of_status(
    status: &Status,
    problems: u64,
    unended: u64,
    attention: bool,
) -> Vec<Gauge> {
    let gauge = Gauge::new;
    let due = status.next_rotate.len() as u64;
    let expiring = status.next_prune.expiring.len() as u64;
    vec![
        gauge("attention", "Whether somebody is needed: 1 or 0.", u64::from(attention)),
        gauge("problems", "Problems that are open.", problems),
        gauge("unended_runs", "Runs that did not report an end.", unended),
        gauge("due_partitions", "Days that the next rotate will work on.", due),
        gauge("expiring_segments", "Segments that the next prune will let go.", expiring),
        findings(&status.findings),
    ]
}

/// Returns the values of the history in total.
pub(crate) fn of_totals(totals: &Totals) -> Vec<Gauge> {
    let gauge = Gauge::new;
    let (live, archived) = (&totals.live, &totals.archived);
    let origin = totals.origin.map(|origin| {
        gauge(ORIGIN, "Which archive it is: the first 48 bits of its origin, as a number.", origin)
    });
    let mut gauges = vec![
        gauge("live_partitions", "Days with live files.", live.days),
        gauge("live_files", "Live files that may be events.", live.files),
        gauge("live_bytes", "Size of the live files.", live.bytes),
        gauge("archived_partitions", "Days with a segment.", archived.days),
        gauge("archived_segments", "Segments, by the manifest.", archived.segments),
        gauge("archived_events", "Events in the segments, by the manifest.", archived.events),
        gauge("archived_bytes", "Size of the segments, by the manifest.", archived.bytes),
    ];
    gauges.extend(origin);
    gauges
}
