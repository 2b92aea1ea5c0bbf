//! The parts of the history that an answer is read from, and what reading one brings.

use std::path::PathBuf;
use std::sync::Arc;

use super::row_buffer::Row;
use crate::archive::SegmentPlace;
use crate::event::Date;
use crate::live::Listing;
use crate::segment::SegmentReader;

/// A segment while its frames are to be read.
pub(super) struct OpenSegment {
    pub(super) place: Arc<SegmentPlace>,
    pub(super) path: PathBuf,
    pub(super) date: Date,
    pub(super) reader: SegmentReader,
    /// The time span of its events, as its record says.
    pub(super) span: (i64, i64),
    /// True if days come one after the other.
    pub(super) day_by_day: bool,
    /// The frames that can hold the text that is asked for, if known.
    pub(super) with_text: Option<Vec<usize>>,
}

/// A part of the history that was not read yet.
pub(super) enum EventSource {
    /// A day, not yet opened.
    Day(Date),
    /// One frame of a segment.
    Frame(Arc<OpenSegment>, usize),
    /// The files of a live day, from this one on, in listing order.
    Live(LiveFiles),
    /// Live files whose times are known, sorted by them.
    MatchedFiles(MatchedFiles),
}

impl EventSource {
    /// Returns the frame, if it is one.
    pub(super) fn frame(&self) -> Option<(Arc<OpenSegment>, usize)> {
        match self {
            Self::Frame(segment, frame) => Some((Arc::clone(segment), *frame)),
            _ => None,
        }
    }
}

pub(super) struct LiveFiles {
    pub(super) listing: Arc<Listing>,
    /// Files that may hold an answer; `next` of them were read.
    pub(super) numbers: Vec<u32>,
    pub(super) next: usize,
    /// Larger files of the last block, still to be read.
    pub(super) large: Vec<SizedFile>,
    /// The matching files so far.
    pub(super) times: Vec<MatchedFile>,
}

/// A file by its number in the listing, and its size.
#[derive(Debug, Clone, Copy)]
pub(super) struct SizedFile {
    pub(super) number: u32,
    pub(super) bytes: u32,
}

/// A matching file: its time, and its size when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatchedFile {
    pub(super) time: i64,
    pub(super) number: u32,
    pub(super) bytes: u32,
}

#[derive(Clone)]
pub(super) struct MatchedFiles {
    pub(super) listing: Arc<Listing>,
    pub(super) times: Arc<Vec<MatchedFile>>,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// The result of reading a source.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) rows: Vec<Row>,
    /// Further sources with their earliest and latest time.
    pub(super) sources: Vec<(i64, i64, EventSource)>,
    /// The source that reads the same rows once more.
    pub(super) again: Option<EventSource>,
}
