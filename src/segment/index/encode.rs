//! Builds an index.

use std::collections::HashMap;

use super::{
    BLOCK_VALUES, FRAME_BYTES, Field, FrameStats, HEADER_BYTES, MAGIC, VERSION, cut, varint,
};
use crate::event::{Date, Timestamp};
use crate::segment::Sha256Hash;

/// Collects the contents of an index, frame by frame.
#[derive(Debug, Default)]
pub(in crate::segment) struct IndexBuilder {
    frames: Vec<FrameStats>,
    fields: [FieldBuilder; 6],
}

/// The values of one field. Postings come frame by frame, so those of each value are in order.
#[derive(Debug, Default)]
struct FieldBuilder {
    numbers: HashMap<Box<str>, u32>,
    postings: Vec<(u32, u32, u32)>,
}

/// The totals of a segment, as its index has them.
pub(in crate::segment) struct Totals {
    pub(in crate::segment) date: Date,
    pub(in crate::segment) events: u64,
    pub(in crate::segment) invalid: u64,
    pub(in crate::segment) first: i64,
    pub(in crate::segment) last: i64,
    pub(in crate::segment) event_bytes: u64,
    pub(in crate::segment) content: Sha256Hash,
}

/// The number of occurrences of each value of each field in one frame.
pub(in crate::segment) type FrameValues = [HashMap<Box<str>, u32>; 6];

/// Counts an occurrence of a value.
pub(in crate::segment) fn count(values: &mut FrameValues, field: usize, value: &str) {
    let value = cut(value);
    match values[field].get_mut(value) {
        Some(events) => *events += 1,
        None => {
            values[field].insert(value.into(), 1);
        }
    }
}

impl IndexBuilder {
    /// Adds the next frame.
    pub(in crate::segment) fn add(&mut self, stats: FrameStats, values: FrameValues) {
        let frame = self.frames.len() as u32;
        self.frames.push(stats);
        for (field, values) in self.fields.iter_mut().zip(values) {
            for (value, events) in values {
                let next = field.numbers.len() as u32;
                let number = *field.numbers.entry(value).or_insert(next);
                field.postings.push((number, frame, events));
            }
        }
    }

    /// Returns the uncompressed bytes of the index.
    pub(in crate::segment) fn encode(&self, totals: &Totals) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + FRAME_BYTES * self.frames.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(Field::ALL.len() as u16).to_le_bytes());
        out.extend_from_slice(&(self.frames.len() as u32).to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&totals.events.to_le_bytes());
        out.extend_from_slice(&totals.invalid.to_le_bytes());
        out.extend_from_slice(&totals.first.to_le_bytes());
        out.extend_from_slice(&totals.last.to_le_bytes());
        out.extend_from_slice(&totals.event_bytes.to_le_bytes());
        out.extend_from_slice(&totals.content.0);
        out.extend_from_slice(totals.date.to_string().as_bytes());
        out.extend_from_slice(&[0; 6]);
        let directory = out.len();
        out.resize(HEADER_BYTES, 0);
        for frame in &self.frames {
            out.extend_from_slice(&frame.events.to_le_bytes());
            out.extend_from_slice(&frame.invalid.to_le_bytes());
            let first = frame.first.map_or(i64::MAX, Timestamp::micros);
            let last = frame.last.map_or(i64::MIN, Timestamp::micros);
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&last.to_le_bytes());
        }
        for (number, field) in self.fields.iter().enumerate() {
            let start = out.len();
            field.encode(&mut out);
            let entry = [start as u32, (out.len() - start) as u32, field.numbers.len() as u32];
            for (place, value) in entry.iter().enumerate() {
                let at = directory + number * 12 + place * 4;
                out[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
        }
        out
    }
}

impl FieldBuilder {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut values: Vec<(&str, u32)> =
            self.numbers.iter().map(|(value, number)| (value.as_ref(), *number)).collect();
        values.sort_unstable();
        // Postings by value, ordered by a counting sort.
        let mut starts = vec![0_usize; values.len() + 1];
        for (number, _, _) in &self.postings {
            starts[*number as usize + 1] += 1;
        }
        for number in 0..values.len() {
            starts[number + 1] += starts[number];
        }
        let mut next = starts.clone();
        let mut sorted = vec![(0_u32, 0_u32); self.postings.len()];
        for (number, frame, events) in &self.postings {
            sorted[next[*number as usize]] = (*frame, *events);
            next[*number as usize] += 1;
        }

        let section = out.len();
        let blocks = values.len().div_ceil(BLOCK_VALUES);
        out.resize(section + blocks * 4, 0);
        for (block, values) in values.chunks(BLOCK_VALUES).enumerate() {
            let offset = (out.len() - section) as u32;
            let at = section + block * 4;
            out[at..at + 4].copy_from_slice(&offset.to_le_bytes());
            let mut before = "";
            for (value, number) in values {
                let shared = shared_prefix(before.as_bytes(), value.as_bytes());
                varint::put(out, shared as u64);
                varint::put(out, (value.len() - shared) as u64);
                out.extend_from_slice(&value.as_bytes()[shared..]);
                let number = *number as usize;
                let postings = &sorted[starts[number]..starts[number + 1]];
                varint::put(out, postings.len() as u64);
                let mut last = 0;
                for (frame, events) in postings {
                    varint::put(out, u64::from(frame - last));
                    varint::put(out, u64::from(*events));
                    last = *frame;
                }
                before = value;
            }
        }
    }
}

fn shared_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
