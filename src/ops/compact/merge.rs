//! Several segments of a day merged into one sequence of members, in bounded memory.

use std::collections::VecDeque;

use crate::Result;
use crate::archive::{ArchiveDir, SegmentName};
use crate::event::EventPath;
use crate::segment::SegmentReader;

/// A segment with the members of the frame that was read last.
struct Cursor {
    reader: SegmentReader,
    next_frame: usize,
    members: VecDeque<(EventPath, Vec<u8>)>,
}

impl Cursor {
    fn fill(&mut self) -> Result<()> {
        while self.members.is_empty() && self.next_frame < self.reader.frames().len() {
            for member in self.reader.read_frame(self.next_frame)?.members() {
                let member = member?;
                self.members.push_back((member.path.to_path(), member.bytes.to_vec()));
            }
            self.next_frame += 1;
        }
        Ok(())
    }
}

/// The next item of a merge.
pub(super) enum Merged {
    /// A member. If several segments hold it, it is returned once.
    Member(EventPath, Vec<u8>),
    /// Two different members of one name. A segment can hold only one of them.
    Conflict(EventPath),
    End,
}

/// The members of several segments, in order.
pub(super) struct Merge {
    cursors: Vec<Cursor>,
}

impl Merge {
    pub(super) fn open(archive: &ArchiveDir, segments: &[SegmentName]) -> Result<Self> {
        let cursors = segments.iter().map(|name| {
            let path = archive.segment_path(name);
            let reader = SegmentReader::open_day(archive.open_segment(name)?, &path, name.date)?;
            Ok(Cursor { reader, next_frame: 0, members: VecDeque::new() })
        });
        Ok(Self { cursors: cursors.collect::<Result<_>>()? })
    }

    pub(super) fn next(&mut self) -> Result<Merged> {
        for cursor in &mut self.cursors {
            cursor.fill()?;
        }
        let heads = self.cursors.iter().filter_map(|cursor| cursor.members.front());
        let Some(path) = heads.map(|(path, _)| path).min().cloned() else {
            return Ok(Merged::End);
        };
        let mut first: Option<Vec<u8>> = None;
        for cursor in &mut self.cursors {
            if cursor.members.front().is_none_or(|(other, _)| *other != path) {
                continue;
            }
            let Some((_, bytes)) = cursor.members.pop_front() else { continue };
            match &first {
                None => first = Some(bytes),
                Some(first) if *first == bytes => {}
                Some(_) => return Ok(Merged::Conflict(path)),
            }
        }
        Ok(first.map_or(Merged::End, |bytes| Merged::Member(path, bytes)))
    }
}
