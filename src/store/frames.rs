//! Frames of segments as sources: choosing those that can hold an answer, and reading them in
//! parallel.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use rayon::prelude::*;

use super::filter::Verdict;
use super::notice::{Notice, Notices, Unreached};
use super::row::{archived_bounds, bounds};
use super::row_buffer::{Row, RowBuilder};
use super::sources::{EventSource, OpenSegment, Opened};
use super::{Filter, Query, step};
use crate::error::plain;
use crate::event::Timestamp;
use crate::segment::{Fetch, Frame, PackedFrame, Piece, SegmentReader};
use crate::{Error, Result};

/// Maximum bytes of tar that are unpacked together.
const MAX_TOGETHER: u64 = 8 << 20;

/// The largest frame that is fetched, in bytes of the file.
const MAX_FETCHED: u64 = 80 << 20;

/// The result of reading one frame.
pub(super) struct FrameRows {
    pub(super) rows: Vec<Row>,
    pub(super) notices: Vec<Notice>,
}

impl OpenSegment {
    pub(super) fn damaged(&self, error: &Error) -> Notice {
        if self.reader.away().is_some()
            && let Error::Io { source, .. } = error
            && !matches!(source.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound)
        {
            let (days, reason) = (BTreeSet::from([self.date]), plain(source));
            return Notice::Away(Unreached { days, reason });
        }
        Notice::Damaged { path: self.path.clone(), reason: error.reason_at(&self.path) }
    }

    /// Returns where to fetch a frame from, if it is remote.
    fn piece(&self, number: usize) -> Option<(Arc<dyn Fetch>, Piece)> {
        piece(&self.reader, number)
    }

    /// Returns the cost of reading a frame: the bytes that are read, and those they claim to be.
    pub(super) fn cost(&self, frame: usize) -> u64 {
        self.reader.frames().get(frame).map_or(0, |info| {
            u64::from(info.compressed).saturating_add(u64::from(info.decompressed))
        })
    }

    /// Queues the frames that can hold a match, each with its time span.
    pub(super) fn queue(self, query: &Query, opened: &mut Opened, notices: &mut Notices) {
        let (date, span, day_by_day) = (self.date, self.span, self.day_by_day);
        let whole_day = bounds(date);
        if let Some(damage) = self.reader.damage() {
            let reason = format!("{damage}; reading goes on without it");
            notices.add(Notice::Damaged { path: self.path.clone(), reason });
        }
        let count = self.reader.frames().len();
        let with_text = self.with_text.as_deref();
        let chosen = chosen(&self.reader, &query.filter, with_text).unwrap_or_else(|error| {
            notices.add(Notice::Damaged {
                path: self.path.clone(),
                reason: format!("{error}; reading goes on without the index"),
            });
            (0..count).collect()
        });
        if query.limit.is_none() && chosen.len() * 2 > count {
            // They are read in the order of time, not that of the file.
            self.reader.read_ahead();
        }
        let segment = Arc::new(self);
        for frame in chosen {
            let stats = segment.reader.index().map(|index| index.frame(frame));
            let (earliest, latest) = match stats.map(|stats| (stats.first, stats.last)) {
                Some((Some(first), Some(last))) if day_by_day => {
                    let at = |time: Timestamp| time.micros().clamp(whole_day.0, whole_day.1);
                    (at(first), at(last))
                }
                _ if day_by_day => whole_day,
                Some((Some(first), Some(last))) => archived_bounds(date, first, last),
                _ => span,
            };
            opened.sources.push((
                earliest,
                latest,
                EventSource::Frame(Arc::clone(&segment), frame),
            ));
        }
    }
}

/// Returns the frames of a segment that can hold a match; `with_text` are those that can hold the
/// text of one, if known.
pub(super) fn chosen(
    reader: &SegmentReader,
    filter: &Filter,
    with_text: Option<&[usize]>,
) -> Result<Vec<usize>> {
    let mut chosen = match reader.index() {
        Some(index) if !filter.is_empty() => filter.frames(index)?,
        _ => (0..reader.frames().len()).collect(),
    };
    if let Some(with_text) = with_text {
        chosen.retain(|number| with_text.binary_search(number).is_ok());
    }
    Ok(chosen)
}

/// Reads frames one after another, and unpacks them in parallel unless they are huge. Remote ones
/// are fetched together.
pub(super) fn read(
    frames: &[(Arc<OpenSegment>, usize)],
    filter: &Filter,
    ahead: &mut PrefetchedFrames,
) -> Vec<FrameRows> {
    let away = frames.iter().filter_map(|(segment, number)| segment.piece(*number));
    ahead.fetch(away.collect());
    let mut fetch = |(segment, number): &(Arc<OpenSegment>, usize)| {
        step();
        match segment.piece(*number) {
            Some((_, piece)) => segment.reader.pack(*number, |_| ahead.take(&piece)),
            None => segment.reader.fetch_frame(*number),
        }
    };
    let unpack =
        |(segment, _): &(Arc<OpenSegment>, usize), packed: Result<PackedFrame>| match packed
            .and_then(PackedFrame::unpack)
        {
            Ok(frame) => matches(segment, &frame, filter),
            Err(error) => FrameRows { rows: Vec::new(), notices: vec![segment.damaged(&error)] },
        };
    let mut packed = Vec::with_capacity(frames.len());
    let mut bytes = 0_u64;
    for frame in frames {
        let fetched = fetch(frame);
        bytes = bytes.saturating_add(fetched.as_ref().map_or(0, PackedFrame::tar_bytes));
        packed.push(fetched);
    }
    if frames.len() > 1 && bytes <= MAX_TOGETHER {
        frames.par_iter().zip(packed).map(|(frame, packed)| unpack(frame, packed)).collect()
    } else {
        frames.iter().zip(packed).map(|(frame, packed)| unpack(frame, packed)).collect()
    }
}

/// Returns where to fetch a frame from, if it is remote and can be a frame.
pub(super) fn piece(reader: &SegmentReader, number: usize) -> Option<(Arc<dyn Fetch>, Piece)> {
    let (away, info) = (reader.away()?, reader.frames().get(number)?);
    let range = info.offset..info.offset + u64::from(info.compressed);
    let fits = range.end - range.start <= MAX_FETCHED;
    fits.then(|| (Arc::clone(away.source()), away.piece(range)))
}

/// Remote frames, fetched before they are read.
#[derive(Debug, Default)]
pub(super) struct PrefetchedFrames {
    fetched: HashMap<Piece, io::Result<Vec<u8>>>,
}

impl PrefetchedFrames {
    /// Fetches what is missing, in parallel.
    pub(super) fn fetch(&mut self, wanted: Vec<(Arc<dyn Fetch>, Piece)>) {
        let mut source = None;
        let mut pieces = Vec::new();
        for (from, piece) in wanted {
            if !self.fetched.contains_key(&piece) {
                pieces.push(piece);
                source = Some(from);
            }
        }
        // All archives of a store have one source.
        if let Some(source) = source {
            let fetched = source.fetch(&pieces);
            self.fetched.extend(pieces.into_iter().zip(fetched));
        }
    }

    /// Takes a piece that was fetched.
    fn take(&mut self, piece: &Piece) -> io::Result<Vec<u8>> {
        let fetched = self.fetched.remove(piece);
        let bytes = fetched.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
        if bytes.len() as u64 != piece.range.end - piece.range.start {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

fn matches(segment: &OpenSegment, frame: &Frame, filter: &Filter) -> FrameRows {
    let place = Some(Arc::clone(&segment.place));
    let mut rows = RowBuilder::new(segment.date, place).day_by_day(segment.day_by_day);
    let mut notices = Vec::new();
    let scan = filter.scan();
    let (mut all, mut some);
    let members: &mut dyn Iterator<Item = _> = if let Some(scan) = &scan {
        let finders = scan.finders();
        some = frame.members_with(finders.map(|finder| |tar: &[u8], from| finder.find(tar, from)));
        &mut some
    } else {
        all = frame.members();
        &mut all
    };
    for member in members {
        let member = match member {
            Ok(member) => member,
            Err(error) => {
                notices.push(segment.damaged(&error));
                break;
            }
        };
        match filter.judge(member.bytes, None) {
            Verdict::Match(timestamp) => rows.add(member.path, member.bytes, timestamp),
            Verdict::Other => {}
            Verdict::Invalid(reason) => notices.push(Notice::Invalid {
                path: member.path.to_path(),
                segment: Some((*segment.place).clone()),
                reason,
            }),
        }
    }
    FrameRows { rows: rows.finish(), notices }
}
