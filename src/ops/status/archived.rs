//! The archived half of a status: segments, holds, copies.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::plans::OVERDUE_MICROS;
use super::report::{ArchivedStatus, CalendarDay, LastRun, Status, StatusOptions};
use crate::Context;
use crate::archive::copies::only_copy_gone;
use crate::archive::{ArchiveDir, Expired, Manifest, Op, Record, SegmentName, catalogue};
use crate::event::Date;
use crate::ops::Finding;
use crate::ops::hold::Holds;
use crate::policy::Policy;
use crate::segment::SegmentReader;

/// Number of segments, the newest ones, that show how much smaller the archive is than its events.
const RATIO_SEGMENTS: usize = 16;

pub(super) fn archived(
    archive: &ArchiveDir,
    manifest: &Manifest,
    options: &StatusOptions,
    status: &mut Status,
) {
    let holds = manifest.holds();
    status.archived.holds = holds.len() as u64;
    let holds = Holds::of(archive, holds);
    let ids = holds.ids();
    let without = if ids.is_empty() { HashSet::new() } else { catalogue::without(archive, &ids) };
    let mut held_days = BTreeSet::new();
    let mut calendar: BTreeMap<Date, CalendarDay> = BTreeMap::new();
    segments(manifest, &mut status.archived, &mut |name, record| {
        let is_without = record.sha256.is_some_and(|sha256| without.contains(&sha256));
        let held = holds.seems_to_hold(name, is_without);
        if held {
            held_days.insert(name.date);
        }
        if name.date >= options.calendar_from {
            let day = calendar.entry(name.date).or_default();
            day.archived = true;
            day.events = day.events.saturating_add(record.events.unwrap_or(0));
            day.invalid = day.invalid.saturating_add(record.invalid.unwrap_or(0));
            day.held |= held;
            day.late |= name.number > 0;
        }
    });
    for (date, day) in calendar {
        let known = status.calendar.entry(date).or_default();
        *known = CalendarDay { events: day.events.max(known.events), ..day };
    }
    status.archived.held_days = held_days.len() as u64;
    status.archived.expired = Expired::of(manifest.expired());
    status.archived.ratio = ratio(archive, manifest);
    for record in manifest.records().iter().filter(|record| record.time >= options.since) {
        match record.op {
            Op::Rotate => {
                let invalid = record.invalid.unwrap_or(0);
                status.new_invalid = status.new_invalid.saturating_add(invalid);
            }
            Op::Conflict => status.new_conflicts += 1,
            _ => {}
        }
    }
    let last = |op: &Op| manifest.records().iter().rev().find(|record| record.op == *op);
    status.last_rotate = last(&Op::Rotate).map(last_run);
    status.last_prune = last(&Op::Prune).map(last_run);
    if let Some(torn) = manifest.torn() {
        status.findings.push(Finding::new(
            archive.manifest_path().display().to_string(),
            format!(
                "the last line was torn by a crash ({} bytes); the next rotate repairs it",
                torn.bytes
            ),
        ));
    }
}

/// Counts the copies that the manifest knows; whether they are still there is for "remote status".
pub(super) fn copies(
    archive: &ArchiveDir,
    manifest: &Manifest,
    policy: &Policy,
    context: &Context,
    status: &mut Status,
) {
    let evicted = manifest.evicted();
    status.archived.elsewhere = evicted.len() as u64;
    let objects: Vec<&str> =
        evicted.values().filter_map(|record| record.object.as_deref()).collect();
    // What cannot be reached is reported by those who need it.
    for lost in archive.lost_copies(&objects).unwrap_or_default() {
        let of = |record: &&&Record| record.object.as_ref() == Some(&lost);
        if let Some(name) = evicted.values().find(of).and_then(|record| record.segment.as_ref()) {
            status.findings.push(Finding::new(name.to_string(), only_copy_gone(&lost)));
        }
    }
    if policy.remote.is_none() {
        return;
    }
    let copies = manifest.copies();
    // A run that could not reach the place reports it; overdue is what none of them tried.
    let overdue_before = context.now().micros().saturating_sub(OVERDUE_MICROS);
    let (mut copied, mut overdue) = (0, Vec::new());
    for (name, record) in manifest.segments() {
        if record.sha256.is_some_and(|sha256| copies.contains_key(&sha256)) {
            copied += 1;
        } else if record.time.micros() <= overdue_before {
            overdue.push(name);
        }
    }
    status.archived.copied = Some(copied);
    if let Some(first) = overdue.first() {
        let more = overdue.len() - 1;
        let others = if more > 0 { format!(", and {more} others") } else { String::new() };
        let reason = format!("it has had no copy for days{others} (hlarchive remote push)");
        status.findings.push(Finding::new(first.to_string(), reason));
    }
}

/// Sums up the segments, and passes each to `look`.
pub(super) fn segments(
    manifest: &Manifest,
    archived: &mut ArchivedStatus,
    look: &mut dyn FnMut(&SegmentName, &Record),
) {
    let mut days = BTreeSet::new();
    for (name, record) in manifest.segments() {
        days.insert(name.date);
        archived.segments += 1;
        // A forged record may claim any number.
        archived.events = archived.events.saturating_add(record.events.unwrap_or(0));
        archived.bytes = archived.bytes.saturating_add(record.bytes.unwrap_or(0));
        look(name, record);
    }
    archived.days = days.len() as u64;
    archived.first_day = days.first().copied();
    archived.last_day = days.last().copied();
}

fn last_run(record: &Record) -> LastRun {
    LastRun {
        time: record.time,
        segment: record.segment.clone(),
        by: record.by.as_ref().map(|by| format!("{}@{}", by.user, by.host)),
    }
}

/// Returns event bytes by segment bytes, for the newest segments that can be read.
fn ratio(archive: &ArchiveDir, manifest: &Manifest) -> Option<f64> {
    let mut newest: Vec<_> = manifest.segments().map(|(name, _)| name).collect();
    newest.reverse();
    let (mut events, mut segments) = (0_u64, 0_u64);
    for name in newest.into_iter().take(RATIO_SEGMENTS) {
        let path = archive.segment_path(name);
        let reader = archive
            .open_segment(name)
            .and_then(|file| SegmentReader::open_day(file, &path, name.date));
        if let Some((event_bytes, bytes)) = reader.ok().and_then(|reader| {
            Some((reader.index()?.event_bytes(), manifest.record_of(name)?.bytes?))
        }) {
            events = events.saturating_add(event_bytes);
            segments = segments.saturating_add(bytes);
        }
    }
    (segments > 0).then(|| events as f64 / segments as f64)
}
