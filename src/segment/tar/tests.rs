//! Tests of headers and members, also against another implementation of tar.

#![allow(clippy::unwrap_used)]

use std::io::Read;

use super::*;

/// Returns a path whose two parts have these lengths.
fn path(prefix: usize, name: usize) -> EventPath {
    let node = "n".repeat(prefix - "2026-05-16/".len());
    let name = format!("{}.json", "f".repeat(name - ".json".len()));
    format!("2026-05-16/{node}/{name}").parse().unwrap()
}

/// Reads a member with another implementation of tar.
fn seen(tar: &[u8]) -> (String, u32, u64, u64, u64, Vec<u8>) {
    let mut archive = tar::Archive::new(tar);
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).unwrap();
    let header = entry.header();
    (
        entry.path().unwrap().display().to_string(),
        header.mode().unwrap(),
        header.uid().unwrap(),
        header.gid().unwrap(),
        header.mtime().unwrap(),
        bytes,
    )
}

#[test]
fn members_of_every_size_are_whole_blocks_and_read_back_by_others() {
    for size in [0, 1, 511, 512, 513, 1024] {
        let (path, bytes) = (path(20, 30), vec![b'x'; size]);
        let mut tar = Vec::new();
        append(&mut tar, path.borrowed(), 1_778_925_601, &bytes);
        assert_eq!(tar.len(), member_bytes(&path, size));
        assert_eq!(tar.len(), BLOCK + size.div_ceil(BLOCK) * BLOCK);
        let wanted = (path.to_string(), 0o444, 0, 0, 1_778_925_601, bytes);
        assert_eq!(seen(&tar), wanted);
        let parsed = parse(&tar, 0).unwrap();
        assert_eq!((parsed.path.to_path(), parsed.mtime), (path, 1_778_925_601));
        assert_eq!((parsed.start, parsed.size, parsed.end), (BLOCK, size, tar.len()));
    }
}

#[test]
fn a_pax_header_comes_where_ustar_has_no_room_and_only_there() {
    for (prefix, name, blocks) in [
        (20, NAME.len(), 1),
        (20, NAME.len() + 1, 3),
        (PREFIX.len(), 30, 1),
        (PREFIX.len() + 1, 30, 3),
        (266, 255, 4),
    ] {
        let path = path(prefix, name);
        let mut tar = Vec::new();
        append(&mut tar, path.borrowed(), 0, b"");
        assert_eq!((tar.len(), member_bytes(&path, 0)), (blocks * BLOCK, blocks * BLOCK));
        assert_eq!(seen(&tar).0, path.to_string());
        let parsed = parse(&tar, 0).unwrap();
        assert_eq!(parsed.path, path);
        assert_eq!((parsed.start, parsed.end), (tar.len(), tar.len()));
    }
}

/// The `tar` crate sets every field by its own rules; here they are written directly.
#[test]
fn headers_are_those_that_the_tar_crate_makes() {
    for (size, mtime) in [(0, 0), (7, 8), (511, 1_778_925_601), (64 << 20, MAX_MTIME)] {
        for (kind, template) in
            [(tar::EntryType::Regular, &REGULAR), (tar::EntryType::XHeader, &PAX)]
        {
            let mut header = tar::Header::new_ustar();
            let ustar = header.as_ustar_mut().unwrap();
            ustar.name[..3].copy_from_slice(b"a.b");
            ustar.prefix[..5].copy_from_slice("d/kü".as_bytes());
            ustar.set_device_major(0);
            ustar.set_device_minor(0);
            header.set_mode(0o444);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(size);
            header.set_mtime(mtime as u64);
            header.set_entry_type(kind);
            header.set_cksum();
            let made = template.header("d/kü", "a.b", mtime, size as usize);
            assert_eq!(&made, header.as_bytes(), "{size} {mtime}");
        }
    }
}

/// The number at the start of a PAX record counts its own digits.
#[test]
fn a_pax_record_says_its_own_length() {
    for length in [80, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 200] {
        let path = path(20, length);
        let record = parts(path.borrowed()).pax_record();
        let (said, rest) = record.split_once(' ').unwrap();
        assert_eq!(said.parse(), Ok(record.len()));
        assert_eq!(rest, format!("path={path}\n"));
        assert_eq!(pax_path(record.as_bytes()), Ok(path.to_string().as_str()));
    }
    pax_path(b"20 mtime=1778925601\n").unwrap_err();
    pax_path(b"12 path=a\xff\n").unwrap_err();
}

#[test]
fn the_time_of_a_member_is_its_events_or_its_days_within_what_a_header_holds() {
    let path = path(20, 30);
    let time = |text: &str| mtime(path.borrowed(), Some(text.parse().unwrap()));
    assert_eq!(time("2026-05-16T10:11:12.999999Z"), 1_778_926_272);
    assert_eq!(mtime(path.borrowed(), None), path.date.start().seconds());
    assert_eq!(time("1969-12-31T23:59:59Z"), 0);
    assert_eq!(time("9999-12-31T23:59:59Z"), 0o77_777_777_777);
}

#[test]
fn the_extent_of_a_member_is_where_its_bytes_are() {
    let mut tar = Vec::new();
    let mut places = Vec::new();
    for (name, size) in [(30, 700), (NAME.len() + 1, 512), (200, 0), (30, 1)] {
        places.push(tar.len());
        append(&mut tar, path(20, name).borrowed(), 7, &vec![b'x'; size]);
    }
    for at in places.iter().copied() {
        let parsed = parse(&tar, at).unwrap();
        let bytes = parsed.start..parsed.start + parsed.size;
        assert_eq!(extent(&tar, at), Some((bytes, parsed.end)));
        assert_eq!(extent(&tar[..parsed.end - 1], at), None, "cut off");
        assert_eq!(extent(&tar[..at + BLOCK - 1], at), None, "cut off in its header");
    }
    assert_eq!(extent(&tar, tar.len()), None);
    assert_eq!(extent(&tar, usize::MAX), None);
    for (place, byte) in [(KIND, b'5'), (SIZE.start, b'8'), (SIZE.end - 2, b' ')] {
        let mut odd = tar.clone();
        odd[place] = byte;
        assert_eq!(extent(&odd, 0), None, "{place}");
    }
}

#[test]
fn a_member_as_large_as_a_frame_is_thinkable_and_a_larger_one_is_not() {
    let reason = |size: u64| {
        let mut tar = Vec::new();
        append_header(&mut tar, path(20, 30).borrowed(), 0, size as usize);
        parse(&tar, 0).err().unwrap()
    };
    let largest = crate::segment::MAX_FRAME_BYTES;
    assert!(reason(largest).starts_with("the frame ends inside"), "{}", reason(largest));
    for size in [largest + 1, 0o77_777_777_777] {
        assert_eq!(reason(size), format!("a member in it claims to have {size} bytes"));
    }
}

#[test]
fn a_member_that_is_refused_is_called_by_its_whole_name() {
    let refused =
        |prefix: &str, name: &str| parse(&REGULAR.header(prefix, name, 0, 0), 0).err().unwrap();
    for (prefix, name) in [("", "2026-05-16/pi4/a.json"), ("2026-05-16", "pi4/a.json")] {
        let reason = "the tar header of 2026-05-16/pi4/a.json is not one that this format has";
        assert_eq!(refused(prefix, name), reason);
    }
    for (prefix, name, told) in [
        ("", "a.json", "\"a.json\" is not an event's path"),
        ("2026-05-16", "a.json", "\"2026-05-16/a.json\" is not an event's path"),
        ("2026-05-16/pi4", "a.txt", "\"a.txt\" cannot be the name of an event file"),
    ] {
        let reason = refused(prefix, name);
        assert!(reason.starts_with(&format!("a member's name is wrong: {told}")), "{reason}");
    }
}
