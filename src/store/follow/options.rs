//! The options of a follower, and what it gives.

use std::path::PathBuf;
use std::str::FromStr;

use super::cursor::Cursor;
use crate::event::{Date, Malformed};
use crate::store::{FoundEvent, Query};

/// The place where a follower begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum After {
    /// At the beginning of its cursor file.
    Start,
    /// After this event.
    Cursor(Cursor),
}

impl FromStr for After {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "start" { Ok(Self::Start) } else { text.parse().map(Self::Cursor) }
    }
}

/// The events to follow, and the place to begin.
#[derive(Debug, Clone, Default)]
pub(crate) struct FollowOptions {
    /// The events to give. Its order does not matter.
    pub query: Query,
    /// The days whose events count as news at the very beginning, without a cursor; empty for
    /// all. Anything else that exists by then is never given.
    pub first_dates: Vec<Date>,
    /// The file that keeps the place, created when missing. It advances with what is given.
    pub cursor_file: Option<PathBuf>,
    /// The place to begin, unless where the file's last run ended.
    pub after: Option<After>,
    /// Random bytes, for a new cursor file.
    pub seed: [u8; 32],
}

/// An event that is given, and the cursor to continue after it; none without a cursor file.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    /// The event.
    pub event: FoundEvent,
    /// Its place.
    pub cursor: Option<Cursor>,
}

impl Followed {
    /// Appends the event as one line of JSON with `_path`, `_segment` and `_cursor`, without
    /// newline.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        self.event.write_json(out);
        if let Some(cursor) = &self.cursor {
            out.pop();
            // A cursor contains nothing that needs escaping.
            out.extend_from_slice(format!(",\"_cursor\":\"{cursor}\"}}").as_bytes());
        }
    }
}

/// The result of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Look {
    /// True if something changed meanwhile, so that the next look should follow at once.
    pub again: bool,
    /// True if something may arrive without a change to a directory, so that the next look should
    /// follow soon.
    pub restless: bool,
    /// True if the wanted number of events was given, or the caller had enough.
    pub ended: bool,
}
