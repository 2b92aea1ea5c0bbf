//! The index by itself: what goes in comes out, and what no builder makes is refused.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::event::Date;
use crate::segment::Sha256Hash;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn totals() -> Totals {
    Totals {
        date: Date::new(2026, 5, 16).unwrap(),
        events: 70_003,
        invalid: 4,
        first: 1_000,
        last: 2_000_000,
        event_bytes: 12_345_678_901,
        content: Sha256Hash::of(b"what is inside"),
    }
}

/// Returns the values of one frame, each with its count.
fn values(counts: &[(Field, &str, u32)]) -> FrameValues {
    let mut values = FrameValues::default();
    for (field, value, events) in counts {
        for _ in 0..*events {
            count(&mut values, *field as usize, value);
        }
    }
    values
}

fn frame(events: u32) -> FrameStats {
    FrameStats { events, invalid: 0, first: Some(at(0)), last: Some(at(0)) }
}

#[test]
fn what_an_index_is_told_of_frames_and_segment_comes_back() {
    let frames = [
        FrameStats {
            events: 70_000,
            invalid: 1,
            first: Some(at(1_000)),
            last: Some(at(2_000_000)),
        },
        FrameStats { events: 3, invalid: 3, first: None, last: None },
        FrameStats { events: 0x0102_0304, invalid: 0x0506, first: Some(at(-1)), last: Some(at(1)) },
    ];
    let mut builder = IndexBuilder::default();
    for stats in frames {
        builder.add(stats, FrameValues::default());
    }
    let index = Index::parse(builder.encode(&totals())).unwrap();
    assert_eq!(index.frame_count(), 3);
    assert_eq!([0, 1, 2].map(|number| index.frame(number)), frames);
    let none = FrameStats { events: 0, invalid: 0, first: None, last: None };
    assert_eq!([3, usize::MAX].map(|number| index.frame(number)), [none; 2]);
    assert_eq!(index.date(), totals().date);
    assert_eq!((index.events(), index.invalid()), (70_003, 4));
    assert_eq!((index.first(), index.last()), (Some(at(1_000)), Some(at(2_000_000))));
    assert_eq!((index.event_bytes(), index.content()), (12_345_678_901, totals().content));
    assert!(index.encodes_to(&builder.encode(&totals())));
    assert!(!index.encodes_to(&builder.encode(&Totals { events: 70_004, ..totals() })));
}

#[test]
fn an_index_of_nothing_is_its_header_alone() {
    let nothing = Totals { first: i64::MAX, last: i64::MIN, ..totals() };
    let payload = IndexBuilder::default().encode(&nothing);
    assert_eq!(payload.len(), HEADER_BYTES);
    let index = Index::parse(payload).unwrap();
    assert_eq!((index.first(), index.last(), index.frame_count()), (None, None, 0));
    for field in Field::ALL {
        assert_eq!((index.value_count(field), index.values(field).count()), (0, 0));
        assert_eq!(index.lookup(field, "").unwrap(), []);
    }
}

/// Enough values for three blocks, the last of them not full; long and short, with much and with
/// nothing in common.
#[test]
fn each_value_is_found_in_its_frames_and_its_neighbours_are_not() {
    let ids: Vec<String> = (0..2 * BLOCK_VALUES + 5)
        .map(|number| format!("{}{number:02}", ["run-", "", "é"][number % 3].repeat(number % 40)))
        .collect();
    let mut builder = IndexBuilder::default();
    for number in 0..300_u32 {
        let here: Vec<(Field, &str, u32)> = (1_u32..)
            .zip(&ids)
            .filter(|(step, _)| number % step == 0)
            .map(|(step, id)| (Field::CorrelationId, id.as_str(), step))
            .chain([(Field::Source, "cron", 200)])
            .collect();
        builder.add(frame(number), values(&here));
    }
    let index = Index::parse(builder.encode(&totals())).unwrap();
    assert_eq!(index.value_count(Field::CorrelationId) as usize, ids.len());
    let mut wanted = Vec::new();
    for (step, id) in (1_u32..).zip(&ids) {
        let postings: Vec<Posting> =
            (0..300).step_by(step as usize).map(|frame| Posting { frame, events: step }).collect();
        assert_eq!(index.lookup(Field::CorrelationId, id).unwrap(), postings, "{id}");
        for other in [format!("{id}!"), id[..id.len() - 1].to_owned()] {
            if !ids.contains(&other) {
                assert_eq!(index.lookup(Field::CorrelationId, &other).unwrap(), [], "{other}");
            }
        }
        wanted.push((id.clone(), postings));
    }
    wanted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let all: Vec<_> = index.values(Field::CorrelationId).map(Result::unwrap).collect();
    assert_eq!(all, wanted);
    assert_eq!(index.lookup(Field::Source, "cron").unwrap().len(), 300);
    assert_eq!(index.lookup(Field::Source, "run").unwrap(), []);
    assert_eq!(index.lookup(Field::Node, "cron").unwrap(), []);
}

#[test]
fn long_values_are_cut_at_a_character_and_counted_together() {
    let long = "ab".repeat(MAX_VALUE_BYTES);
    let wide = format!("{}é", "w".repeat(MAX_VALUE_BYTES - 1));
    let mut builder = IndexBuilder::default();
    let counts = [(Field::Service, &long[..], 2), (Field::Service, &long[2..], 1)];
    builder.add(frame(4), values(&[counts[0], counts[1], (Field::Service, &wide, 1)]));
    let index = Index::parse(builder.encode(&totals())).unwrap();
    assert_eq!(index.value_count(Field::Service), 2);
    let found = |value: &str| index.lookup(Field::Service, value).unwrap();
    assert_eq!(found(&long), [Posting { frame: 0, events: 3 }]);
    assert_eq!(found(&long[..MAX_VALUE_BYTES]), found(&long));
    assert_eq!(found(&long[..MAX_VALUE_BYTES - 1]), []);
    assert_eq!(found(&wide), [Posting { frame: 0, events: 1 }]);
    assert_eq!(Index::known_part(&wide).len(), MAX_VALUE_BYTES - 1);
    assert_eq!(Index::known_part("short"), "short");
}

/// Returns an index of one frame with these bytes at this offset.
fn changed(place: usize, bytes: &[u8]) -> Result<Index, String> {
    let mut builder = IndexBuilder::default();
    builder.add(frame(1), FrameValues::default());
    let mut payload = builder.encode(&totals());
    payload[place..place + bytes.len()].copy_from_slice(bytes);
    Index::parse(payload)
}

#[test]
fn what_contradicts_itself_or_is_no_index_is_refused() {
    let whole = IndexBuilder::default().encode(&totals());
    for length in [0, 3, 4, 5, 97, HEADER_BYTES - 1] {
        let reason = Index::parse(whole[..length].to_vec()).unwrap_err();
        assert_eq!(reason, "its index frame does not hold an index", "{length}");
    }
    assert_eq!(changed(3, b"Y").unwrap_err(), "its index frame does not hold an index");
    let newer = changed(4, &2_u16.to_le_bytes()).unwrap_err();
    assert_eq!(newer, "its index has version 2; this program reads version 1");
    assert!(changed(5, &[1]).unwrap_err().contains("version 257"));

    let end = (HEADER_BYTES + FRAME_BYTES) as u32;
    changed(104, &end.to_le_bytes()).unwrap();
    for (place, bytes, what) in [
        (6, &[7, 0][..], "more fields"),
        (7, &[1], "256 fields more"),
        (8, &2_u32.to_le_bytes(), "more frames than there is room for"),
        (8, &u32::MAX.to_le_bytes(), "any number of frames"),
        (88, b"2026-02-30", "a day that does not exist"),
        (88, b"\xff", "no text"),
        (104, &(end - 1).to_le_bytes(), "values that begin inside the frame table"),
        (104, &(end + 1).to_le_bytes(), "values that begin past the end"),
        (104 + 5 * 12, &(end - 1).to_le_bytes(), "the same of the last field"),
        (108, &1_u32.to_le_bytes(), "values that end past the end"),
        (108, &u32::MAX.to_le_bytes(), "values of any size"),
        (112, &1_u32.to_le_bytes(), "values without room for a block"),
        (112 + 5 * 12, &u32::MAX.to_le_bytes(), "any number of them"),
    ] {
        assert_eq!(changed(place, bytes).unwrap_err(), "its index contradicts itself", "{what}");
    }
}

/// Returns an index of `frames` frames whose first field claims `values` values, and whose last
/// bytes are that field's section.
fn with_section(frames: u32, values: u32, section: &[u8]) -> Result<Index, String> {
    let mut builder = IndexBuilder::default();
    for _ in 0..frames {
        builder.add(frame(1), FrameValues::default());
    }
    let mut payload = builder.encode(&totals());
    let entry = [payload.len() as u32, section.len() as u32, values].map(u32::to_le_bytes);
    payload[104..116].copy_from_slice(&entry.concat());
    payload.extend_from_slice(section);
    Index::parse(payload)
}

/// Returns the same for blocks, preceded by the section's offsets.
fn with_blocks(frames: u32, values: u32, blocks: &[&[u8]]) -> Result<Index, String> {
    let mut section = Vec::new();
    let mut offset = 4 * blocks.len();
    for block in blocks {
        section.extend_from_slice(&(offset as u32).to_le_bytes());
        offset += block.len();
    }
    section.extend(blocks.concat());
    with_section(frames, values, &section)
}

/// The format, byte by byte: each value by what it shares with the one before it.
#[test]
fn values_are_written_as_the_format_says() {
    let mut builder = IndexBuilder::default();
    builder.add(frame(9), values(&[(Field::Source, "run-10", 3)]));
    builder.add(frame(9), values(&[(Field::Source, "cron", 1)]));
    let both = [(Field::Source, "run-10", 200), (Field::Source, "run-12", 2)];
    builder.add(frame(9), values(&both));
    let payload = builder.encode(&totals());
    let coded = b"\x04\0\0\0\x00\x04cron\x01\x01\x01\
        \x00\x06run-10\x02\x00\x03\x02\xc8\x01\x05\x012\x01\x02\x02";
    assert!(
        payload.ends_with(coded),
        "{:?}",
        payload[HEADER_BYTES + 3 * FRAME_BYTES..].utf8_chunks()
    );
}

/// Returns the values of an index with one block; fails if anything is wrong with it.
fn listed(frames: u32, values: u32, block: &[u8]) -> crate::Result<Vec<(String, Vec<Posting>)>> {
    with_blocks(frames, values, &[block]).unwrap().values(Field::CorrelationId).collect()
}

#[test]
fn a_value_is_what_it_shares_with_the_one_before_and_its_own_rest() {
    let two = b"\x00\x03run\x00\x03\x01!\x00";
    let names: Vec<String> = listed(1, 2, two).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["run", "run!"]);
    listed(1, 2, b"\x00\x03run\x00\x04\x01!\x00").unwrap_err();
    listed(1, 1, b"\x01\x01!\x00").unwrap_err();
    // More bytes than there are, and bytes that are not text.
    listed(1, 1, b"\x00\x05run\x00").unwrap_err();
    listed(1, 1, b"\x00\x01\xff\x00").unwrap_err();
    // Fewer values than claimed.
    listed(1, 3, two).unwrap_err();
}

#[test]
fn no_value_is_longer_than_those_that_are_written() {
    let block = |shared: usize, rest: usize| {
        let mut block = vec![0];
        varint::put(&mut block, MAX_VALUE_BYTES as u64);
        block.extend(vec![b'a'; MAX_VALUE_BYTES]);
        block.push(0);
        varint::put(&mut block, shared as u64);
        varint::put(&mut block, rest as u64);
        block.extend(vec![b'b'; rest]);
        block.push(0);
        listed(1, 2, &block)
    };
    assert_eq!(block(1000, 24).unwrap()[1].0.len(), MAX_VALUE_BYTES);
    block(1000, 25).unwrap_err();
    block(0, MAX_VALUE_BYTES + 1).unwrap_err();
    block(usize::MAX, 1).unwrap_err();
}

#[test]
fn frames_that_do_not_exist_and_numbers_that_no_count_has_are_refused() {
    let postings = |frames: u32, coded: &[u8]| {
        let block = [b"\x00\x01a", coded].concat();
        listed(frames, 1, &block).map(|values| values[0].1.clone())
    };
    let three = [Posting { frame: 1, events: 5 }, Posting { frame: 2, events: 6 }];
    assert_eq!(postings(3, b"\x02\x01\x05\x01\x06").unwrap(), three);
    postings(2, b"\x02\x01\x05\x01\x06").unwrap_err();
    // More frames than the segment has, and more than there are bytes for.
    postings(1, b"\x02\x00\x05\x00\x06").unwrap_err();
    postings(9, b"\x03\x01\x05\x01\x06").unwrap_err();
    postings(9, b"\x01").unwrap_err();
    // 2^32 - 1 events, and one more.
    let limit = [Posting { frame: 0, events: u32::MAX }];
    assert_eq!(postings(1, b"\x01\x00\xff\xff\xff\xff\x0f").unwrap(), limit);
    postings(1, b"\x01\x00\x80\x80\x80\x80\x10").unwrap_err();
    // The frame's number wraps around to one that exists.
    postings(3, b"\x02\x01\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x05").unwrap_err();
}

/// On the way to the one block that can hold a value, only the blocks' first values are read.
#[test]
fn a_value_is_looked_for_in_the_one_block_that_can_hold_it() {
    let block = |value: &[u8]| [&[0, value.len() as u8], value, &[0]].concat();
    let (a, m, z) = (block(b"a"), block(b"m"), block(b"z"));
    let values = 2 * BLOCK_VALUES as u32 + 1;
    let index = with_blocks(1, values, &[&a, &m, &z]).unwrap();
    for (value, found) in [("z", true), ("~", true), ("A", true), ("b", false), ("n", false)] {
        let outcome = index.lookup(Field::CorrelationId, value);
        // Blocks that should have sixteen values end after their first.
        assert_eq!(outcome.is_ok(), found, "{value}");
    }
    assert_eq!(index.values(Field::CorrelationId).filter(Result::is_err).count(), 2);
}

#[test]
fn blocks_begin_after_their_offsets_and_before_the_end() {
    let one = |offset: u8| with_section(1, 1, &[offset, 0, 0, 0, 0, 1, b'a', 0]);
    for (offset, sound) in [(0, false), (1, false), (3, false), (4, true), (8, true), (9, false)] {
        assert_eq!(one(offset).is_ok(), sound, "{offset}");
    }
    let many = BLOCK_VALUES as u32 + 1;
    let two = |first: u8, second: u8| {
        with_section(1, many, &[first, 0, 0, 0, second, 0, 0, 0, 0, 1, b'a', 0]).is_ok()
    };
    assert!(two(8, 8) && two(8, 12) && two(12, 12));
    assert!(!two(7, 12) && !two(4, 8) && !two(9, 8) && !two(8, 13));
    // There is room for one offset only.
    with_section(1, many, &[4, 0, 0, 0]).unwrap_err();
    with_section(1, many - 1, &[4, 0, 0, 0]).unwrap();
}

#[test]
fn fields_are_called_as_events_call_them() {
    let names = ["correlation_id", "type", "node", "service", "severity", "source"];
    assert_eq!(Field::ALL.map(Field::as_str), names);
    assert_eq!(Field::ALL.map(|field| field as usize), [0, 1, 2, 3, 4, 5]);
}
