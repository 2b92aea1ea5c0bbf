//! What a reader must be told beside the events themselves.

use std::fmt;
use std::path::PathBuf;

use crate::archive::{Expired, SegmentName};
use crate::event::{Date, EventPath};
use crate::live::Oddity;

/// Something that was passed over, or that the reader should know.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A file that is kept but is not an event.
    Invalid {
        /// Its identity.
        path: EventPath,
        /// The segment it lies in; none while live.
        segment: Option<SegmentName>,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry of the live tree that is no event file.
    Oddity {
        /// Its path.
        path: PathBuf,
        /// What it is.
        reason: String,
    },
    /// A live file that could not be read.
    Unreadable {
        /// Its identity.
        path: EventPath,
        /// Why not.
        reason: String,
    },
    /// A segment, or a part of one, that could not be read.
    Damaged {
        /// The segment's file.
        path: PathBuf,
        /// What is wrong and what it costs.
        reason: String,
    },
    /// Two files with one identity and different bytes; both were given.
    Conflict {
        /// Their identity.
        path: EventPath,
    },
    /// Days that could have held an answer have expired, or parts of them.
    Expired(Expired),
    /// Events that came after a cursor are nowhere any more.
    Vanished {
        /// Their day.
        date: Date,
        /// How many they are.
        events: u64,
        /// Whether something of the day expired, and so may they.
        expired: bool,
    },
}

impl Notice {
    /// Whether the answer may lack events because of it.
    pub fn costs_events(&self) -> bool {
        matches!(
            self,
            Self::Unreadable { .. } | Self::Damaged { .. } | Self::Vanished { expired: false, .. }
        )
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
            Self::Oddity { path, reason } | Self::Damaged { path, reason } => {
                write!(f, "{}: {reason}", path.display())
            }
            Self::Conflict { path } => {
                write!(f, "{path}: two different events have this name; both are shown")
            }
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
        }
    }
}

/// The notices of one query, bounded in memory: the first are kept, the rest counted.
#[derive(Debug, Default)]
pub struct Notices {
    kept: Vec<Notice>,
    beyond: u64,
    costs_events: bool,
}

impl Notices {
    const MOST: usize = 1000;

    pub(super) fn add(&mut self, notice: Notice) {
        self.costs_events |= notice.costs_events();
        if self.kept.len() < Self::MOST {
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

    pub(super) fn odd(&mut self, oddity: &Oddity) {
        let (path, reason) = (oddity.path.clone(), oddity.reason.clone());
        self.add(if oddity.hides_events {
            Notice::Damaged { path, reason }
        } else {
            Notice::Oddity { path, reason }
        });
    }

    /// The notices since the last call, and how many more there were.
    pub fn take(&mut self) -> (Vec<Notice>, u64) {
        (std::mem::take(&mut self.kept), std::mem::take(&mut self.beyond))
    }

    /// What expired and could have held an answer, if the notices were not taken yet.
    pub fn expired(&self) -> Option<&Expired> {
        self.kept.iter().find_map(|notice| match notice {
            Notice::Expired(expired) => Some(expired),
            _ => None,
        })
    }

    /// Whether any notice so far may have cost the answer an event.
    pub fn any_cost(&self) -> bool {
        self.costs_events
    }
}
