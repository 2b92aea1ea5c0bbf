//! A place in an answer, so that another query goes on exactly there.
//!
//! It names the last event that was given, and not a number of events: what arrives, is
//! archived or expires between two pages moves no boundary.

use std::fmt;
use std::str::FromStr;

use super::row::{Place, clamp};
use super::{FoundEvent, Order};
use crate::event::{EventPath, Malformed, Timestamp, shown};

/// The place of an event in answers of either order, as text `MICROSECONDS:DATE/NODE/FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    time: i64,
    path: EventPath,
}

impl Cursor {
    /// The place of this event; none when it is no event.
    pub fn of(event: &FoundEvent) -> Option<Self> {
        let timestamp = event.head().ok()?.timestamp;
        Some(Self { time: clamp(event.path.date, timestamp), path: event.path.clone() })
    }

    /// Whether an event stands after this place in an answer of this order.
    pub fn is_before(&self, event: &FoundEvent, order: Order) -> bool {
        Self::of(event).is_some_and(|other| other.place().compare(&self.place(), order).is_gt())
    }

    /// The identity of the event whose place it is.
    pub fn path(&self) -> &EventPath {
        &self.path
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place {
            time: self.time,
            date: self.path.date,
            node: self.path.node.as_str().as_bytes(),
            name: self.path.name.as_str().as_bytes(),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.time, self.path)
    }
}

impl FromStr for Cursor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new(format!("\"{}\" is no place in an answer", shown(text)));
        let (time, path) = text.split_once(':').ok_or_else(malformed)?;
        let path: EventPath = path.parse()?;
        let time: i64 = time.parse().map_err(|_| malformed())?;
        // A time that the event's day cannot have was not written here.
        if clamp(path.date, Timestamp::from_micros(time)) != time {
            return Err(malformed());
        }
        Ok(Self { time, path })
    }
}
