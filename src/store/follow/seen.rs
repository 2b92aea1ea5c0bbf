//! Events that were seen, a day at a time, and whether a live day must be listed again.

use std::collections::{BTreeMap, HashSet};

use super::log::{LogEntry, Mark, MarkLog};
use crate::Result;
use crate::event::{Date, Timestamp};

/// Number of days whose entries are collected in one pass over the file.
const DAYS_AT_ONCE: usize = 64;

/// The time for which a directory's mtime must stand still to be trusted: some file systems count
/// in steps of two seconds. Only our own clock counts, not a file server's.
const SETTLES_MICROS: i64 = 2_500_000;

/// The marks of one day: from the file, and since.
#[derive(Debug, Default)]
struct Marks {
    sorted: Vec<Mark>,
    since: HashSet<Mark>,
}

/// The events seen in the days being read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    days: BTreeMap<Date, Marks>,
    /// The days with any entry in the file.
    noted: HashSet<Date>,
}

impl Seen {
    /// Starts from the days in the file.
    pub(super) fn noted(log: &MarkLog) -> Result<Self> {
        let mut seen = Self::default();
        log.scan(0, &mut |_, entry| {
            if let LogEntry::Came(date, _) | LogEntry::Known(date, _) = entry {
                seen.noted.insert(date);
            }
            true
        })?;
        Ok(seen)
    }

    /// Collects the marks of these days.
    pub(super) fn load(&mut self, log: &MarkLog, dates: &[Date]) -> Result<()> {
        let missing: Vec<Date> =
            dates.iter().copied().filter(|date| !self.days.contains_key(date)).collect();
        for dates in missing.chunks(DAYS_AT_ONCE) {
            let mut found: BTreeMap<Date, Vec<Mark>> =
                dates.iter().map(|date| (*date, Vec::new())).collect();
            if dates.iter().any(|date| self.noted.contains(date)) {
                log.scan(0, &mut |_, entry| {
                    if let LogEntry::Came(date, mark) | LogEntry::Known(date, mark) = entry
                        && let Some(marks) = found.get_mut(&date)
                    {
                        marks.push(mark);
                    }
                    true
                })?;
            }
            for (date, mut sorted) in found {
                sorted.sort_unstable();
                self.days.insert(date, Marks { sorted, since: HashSet::new() });
            }
        }
        Ok(())
    }

    /// Reports whether an event of a loaded day was seen.
    pub(super) fn has(&self, date: Date, mark: &Mark) -> bool {
        self.days.get(&date).is_some_and(|marks| {
            marks.since.contains(mark) || marks.sorted.binary_search(mark).is_ok()
        })
    }

    /// Notes an event. Returns whether it is new.
    pub(super) fn add(&mut self, date: Date, mark: Mark) -> bool {
        if self.has(date, &mark) {
            return false;
        }
        self.noted.insert(date);
        self.days.entry(date).or_default().since.insert(mark)
    }

    /// Forgets all days but these; the file still has them.
    pub(super) fn keep(&mut self, dates: &BTreeMap<Date, Watched>) {
        self.days.retain(|date, _| dates.contains_key(date));
    }
}

/// A live day, and the state of its directories at the last look.
#[derive(Debug, Default)]
pub(super) struct Watched {
    changes: Vec<(u64, i64)>,
    since: Option<Timestamp>,
    settled: bool,
}

impl Watched {
    /// Reports whether the day must be listed again. Changes within the clock's granularity leave
    /// no trace in a directory's mtime, so an unchanged mtime is trusted only after a look well
    /// after it was first seen found nothing new.
    pub(super) fn needs_look(&mut self, changes: Vec<(u64, i64)>, now: Timestamp) -> bool {
        if changes != self.changes {
            *self = Self { changes, since: Some(now), settled: false };
            return true;
        }
        if self.settled {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let waited = now.micros().saturating_sub(since.micros());
        if waited < 0 {
            // The clock was set back.
            self.since = Some(now);
        }
        self.settled = waited > SETTLES_MICROS;
        true
    }

    /// Reports whether nothing can arrive without a new mtime.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_believed_when_its_time_stood_still_for_long_enough() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut day = Watched::default();
        let mut look = |time: i64, now: i64| day.needs_look(vec![(1, time)], at(now));
        assert!(look(5, 100), "never seen");
        assert!(look(5, 101) && look(5, 102), "too young, whatever the server's clock says");
        assert!(look(5, 103), "the look that settles it");
        assert!(!look(5, 104) && !look(5, 50), "settled");
        assert!(look(6, 105), "changed");
        assert!(look(6, 20) && look(6, 22), "the clock was set back");
        assert!(look(6, 23));
        assert!(!look(6, 24));
    }
}
