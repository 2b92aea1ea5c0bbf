//! The clock is a witness, not a judge: what rotate and prune believe of it.

use std::collections::BTreeSet;

use crate::Context;
use crate::archive::{Manifest, Op, Record};
use crate::event::{Date, Timestamp};
use crate::live::LiveTree;
use crate::ops::{Finding, is_future};
use crate::{Error, Result};

/// Refuses a "now" before the newest record, or years after the newest event and record: it is more
/// likely a wrong clock than the truth. A caller that sets the time (`trust_now`) vouches for it.
pub(in crate::ops) fn check_clock(
    context: &Context,
    trust_now: bool,
    manifest: &Manifest,
    live: Option<&LiveTree>,
) -> Result<()> {
    const SLACK_MICROS: i64 = 600 * 1_000_000;
    const YEARS_DAYS: i64 = 2 * 365;
    if trust_now {
        return Ok(());
    }
    if let Some(newest) = manifest.records().last()
        && context.now().micros() + SLACK_MICROS < newest.time.micros()
    {
        return Err(Error::Refused(format!(
            "the clock says {}, but the manifest's newest record is of {}; set the clock \
                 right, or give the time with --now",
            context.now(),
            newest.time
        )));
    }
    let newest_live = live_days(live)?.into_iter().filter(|date| date.end() <= context.now()).max();
    let newest_archived = manifest.segments().map(|(name, _)| name.date).max();
    let newest_event = newest_live.max(newest_archived);
    // Events imported from an old disk are years old when they arrive, and say nothing of the
    // clock; the record of the import does.
    let imported = manifest.records().iter().filter(|record| record.op == Op::Import);
    let imported = imported.map(|record| record.time.date()).max();
    if let Some(newest) = newest_event.max(newest_event.and(imported))
        && context.now().date().days_since(newest) > YEARS_DAYS
    {
        return Err(Error::Refused(format!(
            "the clock says {}, but the newest event is of {newest}, years before; set the \
                 clock right, or give the time with --now",
            context.now()
        )));
    }
    Ok(())
}

fn live_days(live: Option<&LiveTree>) -> Result<Vec<Date>> {
    Ok(match live {
        Some(live) => live.dates()?.0,
        None => Vec::new(),
    })
}

/// Returns why the clock may have jumped ahead, if it may have: the history does not reach up to
/// now without a gap. A rotation or an emitter that believed a wrong clock leaves a day or two at
/// the wrong end of such a gap, so the last days are examined, not only the newest.
///
/// A gap begins with a day on which something was recorded: emitters decide which days events are
/// filed under, and none of them must be able to stop expiry with an event of long ago.
pub(in crate::ops) fn jump(
    context: &Context,
    trust_now: bool,
    manifest: &Manifest,
    live: Option<&LiveTree>,
) -> Result<Option<String>> {
    const LAST_DAYS: usize = 8;
    const GAP_DAYS: i64 = 60;
    if trust_now {
        return Ok(None);
    }
    let today = context.now().date();
    let recorded: BTreeSet<Date> =
        manifest.records().iter().map(|record| record.time.date()).collect();
    let mut days: BTreeSet<Date> = live_days(live)?.into_iter().collect();
    days.extend(&recorded);
    days.extend(manifest.records().iter().filter_map(|record| record.date));
    days.retain(|day| *day < today);
    days.insert(today);
    let last: Vec<Date> = days.into_iter().rev().take(LAST_DAYS).collect();
    let is_gap =
        |pair: &&[Date]| pair[0].days_since(pair[1]) > GAP_DAYS && recorded.contains(&pair[1]);
    let gap = last.windows(2).find(is_gap);
    Ok(gap.map(|pair| {
        format!(
            "the clock says {}, but there is nothing in the history between {} and {}: it may \
             have jumped",
            context.now(),
            pair[1],
            pair[0]
        )
    }))
}

/// Returns the first archived segment with an event dated later than now, and how many more there
/// are: they can no longer be corrected, but no answer relies on them before their time.
pub(in crate::ops) fn from_the_future(manifest: &Manifest, now: Timestamp) -> Option<Finding> {
    let last = |record: &Record| record.last.filter(|last| is_future(*last, now));
    let mut segments = manifest.segments().filter_map(|(name, record)| Some((name, last(record)?)));
    let (name, last) = segments.next()?;
    let others = match segments.count() {
        0 => String::new(),
        1 => ", and one other segment, too".to_owned(),
        more => format!(", and {more} other segments too"),
    };
    let reason = format!("it has an event of {last}, later than now{others}: is a clock wrong?");
    Some(Finding::new(name.to_string(), reason))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::archive::{ArchiveDir, By, ManifestWriter, NewRecord};
    use crate::event::Timestamp;

    fn jumped(now: &str, records: &[&str]) -> bool {
        jumped_with(now, records, &[])
    }

    /// Adds days that events were filed under, recorded by the first record.
    fn jumped_with(now: &str, records: &[&str], filed: &[&str]) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let archive = ArchiveDir::create(directory.path()).unwrap();
        let lock = archive.lock().unwrap();
        let by = By { user: "u".into(), host: "h".into(), command: "c".into(), sudo_user: None };
        let now: Timestamp = now.parse().unwrap();
        let (mut writer, _) = ManifestWriter::open(&archive, &lock, now, &by).unwrap();
        for time in records {
            writer.append(NewRecord::new(time.parse().unwrap(), Op::Rotate)).unwrap();
        }
        for day in filed {
            let mut record = NewRecord::new(records[0].parse().unwrap(), Op::Rotate);
            record.date = Some(day.parse().unwrap());
            writer.append(record).unwrap();
        }
        let context = Context::fixed(now, by, [0; 32]);
        let manifest = Manifest::load(&archive).unwrap();
        assert_eq!(jump(&context, true, &manifest, None).unwrap(), None);
        jump(&context, false, &manifest, None).unwrap().is_some()
    }

    #[test]
    fn a_clock_is_believed_when_the_history_reaches_up_to_it() {
        let nights = ["2026-05-01T03:00:00Z", "2026-05-20T03:00:00Z", "2026-06-01T03:00:00Z"];
        assert!(!jumped("2026-06-02T03:00:00Z", &nights));
        assert!(!jumped("2026-07-31T03:00:00Z", &nights));
        assert!(jumped("2026-08-01T03:00:00Z", &nights));
        assert!(!jumped("2026-08-01T03:00:00Z", &[]));
    }

    /// A rotation by the same wrong clock, just before, is not a witness for it.
    #[test]
    fn a_few_days_beyond_a_gap_do_not_make_it_believed_and_a_week_does() {
        let beyond: Vec<String> = (1..=9).map(|day| format!("2027-03-0{day}T03:00:00Z")).collect();
        let with = |days: usize| {
            let mut times = vec!["2026-06-01T03:00:00Z"];
            times.extend(beyond[..days].iter().map(String::as_str));
            jumped(beyond[days - 1].as_str(), &times)
        };
        assert!(with(1) && with(5) && with(7));
        assert!(!with(8) && !with(9));
    }

    /// Events of long ago from one emitter must not make every prune ask for consent.
    #[test]
    fn days_of_long_ago_that_events_were_filed_under_are_no_gap() {
        let nights = ["2026-05-30T03:00:00Z", "2026-05-31T03:00:00Z"];
        assert!(!jumped_with("2026-06-01T03:00:00Z", &nights, &["1970-01-01", "2001-01-01"]));
        assert!(jumped_with("2026-08-01T03:00:00Z", &nights, &["1970-01-01"]));
    }
}
