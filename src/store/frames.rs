//! Frames of segments as sources: which can hold an answer, and reading them side by side.

use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::arena::{Row, Rows};
use super::filter::Judged;
use super::notice::{Notice, Notices};
use super::row::bounds;
use super::source::{Opened, Source};
use super::{Filter, Query, step};
use crate::archive::SegmentName;
use crate::event::{Date, Timestamp};
use crate::segment::{Frame, PackedFrame, SegmentReader};
use crate::{Error, Result};

/// Bytes of tar that are unpacked together at most.
const MOST_TOGETHER: u64 = 8 << 20;

/// A segment while frames of it are to be read.
pub(super) struct OpenSegment {
    pub(super) name: Arc<SegmentName>,
    pub(super) path: PathBuf,
    pub(super) date: Date,
    pub(super) reader: SegmentReader,
}

/// What one frame brought.
pub(super) struct FrameRows {
    pub(super) rows: Vec<Row>,
    pub(super) notices: Vec<Notice>,
}

impl OpenSegment {
    fn damaged(&self, error: &Error) -> Notice {
        Notice::Damaged { path: self.path.clone(), reason: error.reason_at(&self.path) }
    }

    /// What reading a frame costs: the bytes that are read, and those they claim to be.
    pub(super) fn cost(&self, frame: usize) -> u64 {
        self.reader.frames().get(frame).map_or(0, |info| {
            u64::from(info.compressed).saturating_add(u64::from(info.decompressed))
        })
    }

    /// Queues the frames that can hold a match, each with the times it spans.
    pub(super) fn queue(self, query: &Query, opened: &mut Opened, notices: &mut Notices) {
        let whole_day = bounds(self.date);
        if let Some(damage) = self.reader.damage() {
            let reason = format!("{damage}; reading goes on without it");
            notices.add(Notice::Damaged { path: self.path.clone(), reason });
        }
        let count = self.reader.frames().len();
        let all = || (0..count).collect::<Vec<_>>();
        let chosen = match self.reader.index() {
            None => all(),
            Some(_) if query.filter.is_empty() => all(),
            Some(index) => query.filter.frames(index).unwrap_or_else(|error| {
                notices.add(Notice::Damaged {
                    path: self.path.clone(),
                    reason: format!("{error}; reading goes on without the index"),
                });
                all()
            }),
        };
        if query.limit.is_none() && chosen.len() * 2 > count {
            // They are read in the order of time, which is not that of the file.
            self.reader.read_ahead();
        }
        let segment = Arc::new(self);
        for frame in chosen {
            let stats = segment.reader.index().map(|index| index.frame(frame));
            let (least, greatest) = match stats.map(|stats| (stats.first, stats.last)) {
                Some((Some(first), Some(last))) => {
                    let at = |time: Timestamp| time.micros().clamp(whole_day.0, whole_day.1);
                    (at(first), at(last))
                }
                _ => whole_day,
            };
            opened.sources.push((least, greatest, Source::Frame(Arc::clone(&segment), frame)));
        }
    }
}

/// Reads frames one after the other, and unpacks them side by side unless they are huge.
pub(super) fn read(frames: &[(Arc<OpenSegment>, usize)], filter: &Filter) -> Vec<FrameRows> {
    let fetch = |(segment, number): &(Arc<OpenSegment>, usize)| {
        step();
        segment.reader.fetch_frame(*number)
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
    if frames.len() > 1 && bytes <= MOST_TOGETHER {
        frames.par_iter().zip(packed).map(|(frame, packed)| unpack(frame, packed)).collect()
    } else {
        frames.iter().zip(packed).map(|(frame, packed)| unpack(frame, packed)).collect()
    }
}

fn matches(segment: &OpenSegment, frame: &Frame, filter: &Filter) -> FrameRows {
    let mut rows = Rows::new(segment.date, Some(Arc::clone(&segment.name)));
    let mut notices = Vec::new();
    let (mut all, mut some);
    let members: &mut dyn Iterator<Item = _> = if let Some(texts) = filter.texts() {
        some = frame.members_with(texts);
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
        match filter.judge(member.bytes) {
            Judged::Match(timestamp) => rows.add(member.path, member.bytes, timestamp),
            Judged::Other => {}
            Judged::Invalid(reason) => notices.push(Notice::Invalid {
                path: member.path.to_path(),
                segment: Some((*segment.name).clone()),
                reason,
            }),
        }
    }
    FrameRows { rows: rows.finish(), notices }
}
