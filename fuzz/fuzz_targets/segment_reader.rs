//! Whole segments. The first byte chooses: the rest is a file as it stands, or it is tar
//! and an index that are wrapped so that the checksums fit.
//!
//! Whatever is read is in order, reads back after being written again, and a file in which
//! `check` finds nothing is byte for byte what the writer makes of its events.

#![no_main]

use std::path::Path;

use hlarchive::Error;
use hlarchive::internals::event::EventPath;
use hlarchive::internals::segment::{Field, SegmentOptions, SegmentReader, SegmentWriter, check};
use hlarchive_fuzz::{memory_file, segment};
use libfuzzer_sys::fuzz_target;

type Members = Vec<(EventPath, Vec<u8>)>;

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    match mode % 3 {
        0 => exercise(rest),
        1 => exercise(&wrapped(rest)),
        _ => {
            // The index that belongs to the members, if they can be read at all.
            if let Ok((members, _)) = read(&wrapped(rest)) {
                exercise(&rewritten(&members));
            }
        }
    }
});

/// Two bytes say where the tar is cut into frames, two where the index begins.
fn wrapped(bytes: &[u8]) -> Vec<u8> {
    let Some((head, rest)) = bytes.split_at_checked(4) else { return segment(&[], &[]) };
    let at = |low, high| usize::from(u16::from_le_bytes([low, high]));
    let (tar, index) = rest.split_at(at(head[2], head[3]).min(rest.len()));
    let cut = (at(head[0], head[1]) / 512 * 512).min(tar.len());
    let frames: Vec<&[u8]> =
        [&tar[..cut], &tar[cut..]].into_iter().filter(|f| !f.is_empty()).collect();
    segment(&frames, index)
}

fn read(file: &[u8]) -> Result<(Members, SegmentReader), Error> {
    let reader = SegmentReader::open(memory_file(file), Path::new("s"))?;
    let mut members = Members::new();
    reader.for_each_member(&mut |member| {
        members.push((member.path.to_path(), member.bytes.to_vec()));
        Ok(())
    })?;
    Ok((members, reader))
}

fn rewritten(members: &Members) -> Vec<u8> {
    let Some((first, _)) = members.first() else { return Vec::new() };
    let options = SegmentOptions { level: 1, frame_size: 4096 };
    let mut writer = SegmentWriter::new(Vec::new(), Path::new("w"), first.date, options);
    for (path, bytes) in members {
        if path.date == first.date {
            writer.add(path, bytes).expect("what was read can be written");
        }
    }
    writer.finish().expect("memory").0
}

fn exercise(file: &[u8]) {
    let report = check(&memory_file(file), Path::new("s"), &|_| {}).expect("memory reads");
    let outcome = read(file);
    if let Ok((members, reader)) = &outcome {
        assert!(members.is_sorted_by(|a, b| a.0 < b.0), "in order, none twice");
        for (path, _) in members {
            assert_eq!(path.to_string().parse::<EventPath>().as_ref(), Ok(path));
        }
        // Each frame alone gives the same members as all in a row.
        let mut alone = Members::new();
        for number in 0..reader.frames().len() {
            for member in reader.read_frame(number).expect("it was read").members() {
                let member = member.expect("it was read");
                alone.push((member.path.to_path(), member.bytes.to_vec()));
            }
        }
        assert!(&alone == members);
        assert!(reader.read_frame(reader.frames().len()).is_err());
        if let Some((first, _)) = members.first()
            && members.iter().all(|(path, _)| path.date == first.date)
        {
            let again = read(&rewritten(members)).expect("a written segment reads");
            assert!(&again.0 == members && again.1.damage().is_none());
        }
    }
    if !report.findings.is_empty() {
        return;
    }
    let (members, reader) = outcome.expect("what has no fault can be read");
    let summary = report.summary.expect("what has no fault was read whole");
    assert_eq!(reader.damage(), None);
    assert_eq!(summary.events, members.len() as u64);
    assert_eq!(summary.bytes, file.len() as u64);
    let index = reader.index().expect("an index");
    assert_eq!((index.events(), index.content()), (summary.events, summary.content));
    for field in Field::ALL {
        let mut counted = 0;
        for value in index.values(field) {
            let (value, postings) = value.expect("a sound index");
            assert_eq!(index.lookup(field, &value).expect("a sound index"), postings);
            counted += postings.iter().map(|posting| u64::from(posting.events)).sum::<u64>();
        }
        assert_eq!(counted, summary.events - summary.invalid, "{field:?}");
    }
}
