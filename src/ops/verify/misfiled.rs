//! Archived events whose timestamps are not of the day that they are filed under.

use super::VerifyReport;
use crate::Result;
use crate::archive::{ArchiveDir, Record, SegmentName};
use crate::event::{EventHead, Timestamp};
use crate::ops::Finding;
use crate::ops::rotate::files;
use crate::segment::SegmentReader;

/// Maximum number of misfiled events of a segment that are named; the rest are counted.
const MAX_MISFILED: usize = 20;

/// Reports archived events whose timestamps are not of the day that they are filed under. That is
/// not damage: what is archived never changes, and a query by their time finds them.
pub(super) fn name_misfiled(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    whole: bool,
    report: &mut VerifyReport,
) {
    let (Some(first), Some(last)) = (record.first, record.last) else { return };
    if first.date() == name.date && last.date() == name.date {
        return;
    }
    let mut misfiled = Vec::new();
    if whole {
        // Unreadable segments were reported when they were checked.
        let _ = gather_misfiled(archive, name, &mut misfiled);
    }
    if misfiled.is_empty() {
        let reason = format!("it holds events of other days than its own: {first} to {last}");
        report.misfiled.push(Finding::new(name.to_string(), reason));
        return;
    }
    let more = misfiled.len().saturating_sub(MAX_MISFILED);
    misfiled.truncate(MAX_MISFILED);
    report.misfiled.append(&mut misfiled);
    if more > 0 {
        let reason = format!("{more} more events of it have timestamps that are not of its day");
        report.misfiled.push(Finding::new(name.to_string(), reason));
    }
}

fn gather_misfiled(
    archive: &ArchiveDir,
    name: &SegmentName,
    misfiled: &mut Vec<Finding>,
) -> Result<()> {
    let file = archive.open_segment(name)?;
    let reader = SegmentReader::open_day(file, &archive.segment_path(name), name.date)?;
    for number in 0..reader.frames().len() {
        let stats = reader.index().map(|index| index.frame(number));
        let is_of_day = |time: Option<Timestamp>| time.is_none_or(|time| time.date() == name.date);
        if stats.is_some_and(|stats| is_of_day(stats.first) && is_of_day(stats.last)) {
            continue;
        }
        for member in reader.read_frame(number)?.members() {
            let member = member?;
            let path = member.path.to_path();
            if let Ok(head) = EventHead::parse(member.bytes)
                && let Some(reason) = files::misfiled(&path, &head)
            {
                misfiled.push(Finding::new(path.to_string(), reason));
            }
        }
    }
    Ok(())
}
