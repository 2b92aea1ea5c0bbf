//! Notices: what a reader must know beside the events themselves.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::archive::{Expired, SegmentPlace};
use crate::event::{Date, EventPath, Timestamp};
use crate::live::UnexpectedEntry;

/// Something that was passed over, or that the reader should know.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A file that is kept but is not an event.
    Invalid {
        /// Its identity.
        path: EventPath,
        /// The segment it is in; none while live.
        segment: Option<SegmentPlace>,
        /// The fault.
        reason: String,
    },
    /// An entry of the live tree that is not an event file.
    UnexpectedEntry {
        /// Its path.
        path: PathBuf,
        /// A description of it.
        reason: String,
    },
    /// A live file that could not be read.
    Unreadable {
        /// Its identity.
        path: EventPath,
        /// The reason.
        reason: String,
    },
    /// A segment, or a part of one, that could not be read.
    Damaged {
        /// The segment's file.
        path: PathBuf,
        /// The fault, and what it costs.
        reason: String,
    },
    /// Two files with one identity and different bytes; both are in the answer.
    Conflict {
        /// Their identity.
        path: EventPath,
    },
    /// A live event whose name claims an instant far from its timestamp.
    Misnamed {
        /// Its identity.
        path: EventPath,
        /// When it happened.
        timestamp: Timestamp,
    },
    /// Days that could have held an answer have expired, or parts of them.
    Expired(Expired),
    /// Events after a cursor that can no longer be found.
    Vanished {
        /// Their day.
        date: Date,
        /// Their number.
        events: u64,
        /// True if part of the day has expired, and so they may have.
        expired: bool,
    },
    /// Remote segments that may hold an answer could not be reached; or the entire archive is
    /// unreachable.
    Away(Unreached),
}

/// Days that could not be reached completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// The days; none if unknown because the archive itself is unreachable.
    pub days: BTreeSet<Date>,
    /// The reason for the first of them.
    pub reason: String,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days.is_empty() {
            return f.write_str(&self.reason);
        }
        let mut days = self.days.iter().copied().peekable();
        let mut comma = "";
        while let Some(first) = days.next() {
            let mut last = first;
            while days.peek().is_some_and(|next| next.days_since(last) == 1) {
                last = days.next().unwrap_or(last);
            }
            write!(f, "{comma}{first}")?;
            if last != first {
                write!(f, " to {last}")?;
            }
            comma = ", ";
        }
        write!(
            f,
            ": not all of it is on this machine, and the rest could not be reached: {}",
            self.reason
        )
    }
}

impl Notice {
    /// Reports whether the answer may lack events because of it.
    pub fn costs_events(&self) -> bool {
        matches!(
            self,
            Self::Unreadable { .. }
                | Self::Damaged { .. }
                | Self::Away(_)
                | Self::Vanished { expired: false, .. }
        )
    }
}

impl Notice {
    /// Returns the day that it concerns, if any.
    fn day(&self) -> Option<Date> {
        let name = match self {
            Self::Unreadable { path, .. } => return Some(path.date),
            // Paths in the live tree begin with the day, and so do names of segments.
            Self::Damaged { path, .. } if path.is_relative() => path.iter().next(),
            Self::Damaged { path, .. } => path.file_name(),
            _ => None,
        };
        name?.to_str()?.get(..10)?.parse().ok()
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { path, segment: None, reason } => {
                write!(f, "{path}: not an event, passed over: {reason}")
            }
            Self::Invalid { path, segment: Some(segment), reason } => {
                write!(f, "{path} in {segment}: not an event, passed over: {reason}")
            }
            Self::Unreadable { path, reason } => write!(f, "{path}: {reason}"),
            Self::UnexpectedEntry { path, reason } | Self::Damaged { path, reason } => {
                write!(f, "{}: {reason}", path.display())
            }
            Self::Conflict { path } => {
                write!(f, "{path}: two different events have this name; both are shown")
            }
            Self::Misnamed { path, timestamp } => write!(
                f,
                "{path}: its timestamp is {timestamp}, far from what its name and its day say; \
                 while it is live, a narrow time range around its timestamp does not find it"
            ),
            Self::Vanished { date, events, expired } => {
                let be = if *events == 1 {
                    "event of this day that came after the cursor is"
                } else {
                    "events of this day that came after the cursor are"
                };
                let why = if *expired { "expired" } else { "gone or cannot be read" };
                write!(f, "{date}: {events} {be} {why}")
            }
            Self::Expired(expired) => write!(f, "{expired}; they could have held an answer"),
            Self::Away(unreached) => write!(f, "{unreached}"),
        }
    }
}

/// The notices of one query, bounded in memory: the first are kept, the rest counted.
#[derive(Debug, Default)]
pub struct Notices {
    kept: Vec<Notice>,
    beyond: u64,
    costs_events: bool,
    away: Option<Unreached>,
    /// The part of it that was already reported.
    told: Option<Unreached>,
    damage: bool,
    invalid: u64,
    conflicts: u64,
    lacking: IncompleteDays,
    passed_over: u64,
}

/// The days of an answer that may lack events.
#[derive(Debug, Default)]
struct IncompleteDays {
    days: BTreeSet<Date>,
    /// True if the days are unknown.
    any: bool,
}

impl Notices {
    const MAX: usize = 1000;

    pub(super) fn add(&mut self, notice: Notice) {
        self.costs_events |= notice.costs_events();
        self.invalid += u64::from(matches!(notice, Notice::Invalid { .. }));
        self.conflicts += u64::from(matches!(notice, Notice::Conflict { .. }));
        if let Notice::Away(unreached) = notice {
            // However many segments are affected, one notice reports them.
            self.lacking.any |= unreached.days.is_empty();
            match &mut self.away {
                Some(away) => away.days.extend(unreached.days),
                None => self.away = Some(unreached),
            }
            return;
        }
        self.damage |= notice.costs_events();
        if notice.costs_events() {
            match notice.day() {
                Some(date) => drop(self.lacking.days.insert(date)),
                None => self.lacking.any = true,
            }
        }
        if self.kept.len() < Self::MAX {
            self.kept.push(notice);
        } else {
            self.beyond += 1;
        }
    }

    pub(super) fn add_all(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            self.add(notice);
        }
    }

    pub(super) fn unexpected(&mut self, entry: &UnexpectedEntry) {
        let (path, reason) = (entry.path.clone(), entry.reason.clone());
        self.add(if entry.hides_events {
            Notice::Damaged { path, reason }
        } else {
            Notice::UnexpectedEntry { path, reason }
        });
    }

    /// Returns the notices since the last call, and how many more there were.
    pub fn take(&mut self) -> (Vec<Notice>, u64) {
        let mut kept = std::mem::take(&mut self.kept);
        if self.told != self.away {
            self.told.clone_from(&self.away);
            kept.extend(self.away.clone().map(Notice::Away));
        }
        (kept, std::mem::take(&mut self.beyond))
    }

    /// Merges the notices of another query for the same answer; what both report counts once.
    pub fn absorb(&mut self, mut other: Self) {
        let (kept, beyond) = other.take();
        let known: HashSet<String> = self.kept.iter().map(ToString::to_string).collect();
        for notice in kept {
            let is_expired = |notice: &Notice| matches!(notice, Notice::Expired(_));
            let twice = is_expired(&notice) && self.kept.iter().any(is_expired);
            if !twice && !known.contains(&notice.to_string()) {
                self.add(notice);
            }
        }
        self.beyond = self.beyond.max(beyond);
        self.costs_events |= other.costs_events;
        self.damage |= other.damage;
        self.pass_over(other.passed_over);
    }

    /// Returns the days so far that could not be reached, if any.
    pub fn unreached(&self) -> Option<&Unreached> {
        self.away.as_ref()
    }

    /// Reports whether everything that the answer may lack is remote, and available once that is
    /// reachable again.
    pub fn only_away(&self) -> bool {
        self.away.is_some() && !self.damage
    }

    /// Returns what expired and could have held an answer, if the notices were not taken yet.
    pub fn expired(&self) -> Option<&Expired> {
        self.kept.iter().find_map(|notice| match notice {
            Notice::Expired(expired) => Some(expired),
            _ => None,
        })
    }

    /// Reports whether a day may lack events, as far as it was read.
    pub fn lacks(&self, date: Date) -> bool {
        self.lacking.any
            || self.lacking.days.contains(&date)
            || self.away.as_ref().is_some_and(|away| away.days.contains(&date))
    }

    /// Counts other programs' files that were passed over.
    pub(super) fn pass_over(&mut self, number: u64) {
        self.passed_over = self.passed_over.max(number);
    }

    /// Returns how many files and directories of other programs were passed over so far.
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Returns how many files so far are not events, shown or not.
    pub fn invalid(&self) -> u64 {
        self.invalid
    }

    /// Returns how many events so far share their name with another one.
    pub fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// Reports whether any notice so far may have cost the answer an event.
    pub fn any_cost(&self) -> bool {
        self.costs_events
    }
}
