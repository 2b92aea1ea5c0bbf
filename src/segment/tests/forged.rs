//! Segments that nobody wrote so: hostile members, forged indexes, and any bytes.

use proptest::prelude::*;

use super::*;

/// Returns a file with the outer form of a segment around any frames.
fn assemble(frames: &[(Vec<u8>, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut entries = Vec::new();
    for (compressed, decompressed) in frames {
        bytes.extend_from_slice(compressed);
        entries.push(seek::SeekEntry {
            compressed: compressed.len() as u32,
            decompressed: *decompressed,
        });
    }
    let trailer = compress(&[0; TRAILER_BYTES]);
    entries.push(seek::SeekEntry { compressed: trailer.len() as u32, decompressed: 1024 });
    bytes.extend_from_slice(&trailer);
    let index = seek::skippable_header(INDEX_MAGIC, 0);
    entries.push(seek::SeekEntry { compressed: 8, decompressed: 0 });
    bytes.extend_from_slice(&index);
    bytes.extend_from_slice(&seek::encode(&entries));
    bytes
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
    compressor.include_checksum(true).unwrap();
    compressor.compress(bytes).unwrap()
}

fn hostile(tar: &[u8]) -> Vec<u8> {
    assemble(&[(compress(tar), tar.len() as u32)])
}

fn header(path: &str, kind: ::tar::EntryType, size: u64) -> ::tar::Header {
    let mut header = ::tar::Header::new_ustar();
    let name = path.as_bytes();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o444);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(1_778_889_600);
    header.set_cksum();
    header
}

#[test]
fn hostile_members_are_refused_by_name() {
    use ::tar::EntryType;
    for (path, kind) in [
        ("2026-05-16/pi4/a.json", EntryType::Symlink),
        ("2026-05-16/pi4/a.json", EntryType::Link),
        ("2026-05-16/pi4/a.json", EntryType::Fifo),
        ("2026-05-16/pi4/a.json", EntryType::GNULongName),
        ("2026-05-16/pi4/a.json", EntryType::GNUSparse),
        ("2026-05-16/pi4/a.json", EntryType::XGlobalHeader),
        ("2026-05-16/pi4", EntryType::Directory),
        ("/2026-05-16/pi4/a.json", EntryType::Regular),
        ("../2026-05-16/pi4/a.json", EntryType::Regular),
        ("2026-05-16/../a.json", EntryType::Regular),
        ("2026-05-16/pi4/../../../etc/a.json", EntryType::Regular),
        ("2026-05-16/pi4/.a.json", EntryType::Regular),
        ("etc/passwd", EntryType::Regular),
        ("2026-05-16/pi4/a.json", EntryType::Regular),
    ] {
        let mut tar = header(path, kind, 0).as_bytes().to_vec();
        let segment = hostile(&tar);
        assert!(read(&segment).is_err(), "{path} {kind:?}");
        assert!(!checked(&segment).findings.is_empty());
        tar.extend_from_slice(&[0; 1024]);
        assert!(read(&hostile(&tar)).is_err());
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let (path, bytes) = event(1);
    let mut good = Vec::new();
    tar::append(&mut good, path.borrowed(), 1_778_925_601, &bytes);
    assert_eq!(read(&hostile(&good)).unwrap()[&path], bytes);

    // Every single byte of a header counts.
    for at in 0..512 {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(read(&hostile(&bad)).is_err(), "{at}");
        if let Some(header) = bad.first_chunk::<512>() {
            // Even with the checksum recomputed.
            let mut header = ::tar::Header::from_byte_slice(header).clone();
            header.set_cksum();
            bad[..512].copy_from_slice(header.as_bytes());
            if let Ok(read) = read(&hostile(&bad)) {
                assert!(!read.contains_key(&path) || at >= 124, "{at}");
            }
        }
    }
    // A PAX record that contradicts the name in the header after it.
    let record = b"42 path=2026-05-16/pi4/some-other-a.json\n\n";
    let mut bad =
        header("PaxHeader", ::tar::EntryType::XHeader, record.len() as u64).as_bytes().to_vec();
    bad.extend_from_slice(record);
    bad.resize(1024, 0);
    bad.extend_from_slice(&good);
    assert!(read(&hostile(&bad)).is_err());
    // Bytes in the padding.
    let mut bad = good.clone();
    let last = bad.len() - 1;
    bad[last] = 1;
    assert!(read(&hostile(&bad)).unwrap_err().to_string().contains("padding"));
    // A size beyond the frame, and one that is larger than any event.
    for size in ["00000100000\0", "77777777777\0"] {
        let mut bad = good.clone();
        bad[124..136].copy_from_slice(size.as_bytes());
        assert!(read(&hostile(&bad)).is_err());
    }
}

/// An index is derived from the events, never the other way round: a sound index of other events
/// would hide those that are there.
#[test]
fn an_index_of_other_events_is_found() {
    let split = |bytes: &[u8]| {
        let table = seek::frame_bytes(bytes).unwrap();
        let before = bytes.len() - table;
        let entries = seek::decode(&bytes[before..], before as u64).unwrap();
        let index = before - entries.last().unwrap().compressed as usize;
        (bytes[..index].to_vec(), bytes[index..before].to_vec(), entries)
    };
    let (one, _) = write(&events(4), small());
    let mut others = events(5);
    others.pop_first();
    let (other, _) = write(&others, small());
    let (mut forged, _, mut entries) = split(&one);
    let (_, index, _) = split(&other);
    entries.last_mut().unwrap().compressed = index.len() as u32;
    forged.extend(index);
    forged.extend(seek::encode(&entries));
    assert!(open(&forged).unwrap().index().is_some(), "it is sound by itself");
    assert_eq!(checked(&forged).findings, ["its index is not that of its events"]);
}

#[test]
fn a_frame_that_claims_to_be_huge_is_refused_before_anything_is_allocated() {
    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    compressor.include_checksum(true).unwrap();
    let bomb = compressor.compress(&vec![0; 80 << 20]).unwrap();
    let segment = assemble(&[(bomb.clone(), 80 << 20)]);
    assert!(read(&segment).unwrap_err().to_string().contains("more than any frame"));
    // And one that the seek table makes smaller than it is.
    let segment = assemble(&[(bomb, 4096)]);
    assert!(read(&segment).unwrap_err().to_string().contains("more than any frame"));
    let unchecked = zstd::bulk::compress(&[0; 512], 1).unwrap();
    assert!(read(&assemble(&[(unchecked, 512)])).unwrap_err().to_string().contains("checksum"));
}

#[test]
fn an_index_whose_blocks_overlap_or_run_backwards_is_refused() {
    let (bytes, summary) = write(&events(400), small());
    let end = bytes.len() - (8 + 8 * (summary.frames as usize + 2) + 9);
    let index = zstd::decode_all(&bytes[end - summary.index_bytes as usize..end]).unwrap();
    let section = u32::from_le_bytes(index[104..108].try_into().unwrap()) as usize;
    let offset = |number: usize| section + number * 4..section + number * 4 + 4;
    for (block, like) in [(2, 1), (1, 2), (0, 1)] {
        let mut forged = index.clone();
        let mut value = u32::from_le_bytes(index[offset(like)].try_into().unwrap());
        // One byte before the block ahead of it.
        value -= u32::from(like < block);
        forged[offset(block)].copy_from_slice(&value.to_le_bytes());
        let outcome = index::Index::parse(forged);
        if like < block {
            assert!(outcome.is_err(), "block {block} like {like}");
        } else if let Ok(index) = outcome {
            // Wrongly cut blocks are noticed when they are read.
            assert!(index.values(Field::CorrelationId).any(|value| value.is_err()));
        }
    }
    assert!(index::Index::parse(index).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_files_read_back_and_any_garbage_is_no_danger(
        files in prop::collection::btree_map(
            ("[a-z]{1,4}", "[a-zA-Z0-9é_:-]{1,120}"),
            prop::collection::vec(any::<u8>(), 0..2000),
            1..20,
        ),
        garbage in prop::collection::vec(any::<u8>(), 0..400),
        at in any::<prop::sample::Index>(),
    ) {
        let events: BTreeMap<EventPath, Vec<u8>> = files
            .into_iter()
            .filter_map(|((node, name), bytes)| {
                Some((format!("2026-05-16/{node}/{name}.json").parse().ok()?, bytes))
            })
            .collect();
        prop_assume!(!events.is_empty());
        let (mut bytes, summary) = write(&events, small());
        prop_assert_eq!(&read(&bytes).unwrap(), &events);
        prop_assert_eq!(checked(&bytes).summary, Some(summary));
        let at = at.index(bytes.len());
        let end = (at + garbage.len()).min(bytes.len());
        bytes.splice(at..end, garbage);
        let _ = checked(&bytes);
        let _ = read(&bytes);
    }

    #[test]
    fn an_index_of_any_bytes_is_no_danger(mut payload in prop::collection::vec(any::<u8>(), 0..600)) {
        let (bytes, summary) = write(&events(10), small());
        let table = 8 + 8 * (summary.frames as usize + 2) + 9;
        let end = bytes.len() - table;
        let packed = &bytes[end - summary.index_bytes as usize..end];
        let mut index = zstd::decode_all(packed).unwrap();
        let count = payload.len().min(index.len() - 4);
        index[4..4 + count].copy_from_slice(&payload[..count]);
        if let Ok(index) = index::Index::parse(index) {
            for field in Field::ALL {
                let _ = index.lookup(field, "run-1");
                let _ = index.values(field).take(100).count();
            }
        }
        payload.extend_from_slice(b"HLIX");
        let _ = index::Index::parse(payload);
    }
}
