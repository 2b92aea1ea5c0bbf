//! Segments and records as someone would forge them who knows the format.

use std::fs;
use std::path::Path;

use hlarchive::internals::archive::{ArchiveDir, By, ManifestWriter, NewRecord, Op, SegmentName};
use hlarchive::internals::event::EventPath;
use hlarchive::internals::segment::{SegmentOptions, SegmentWriter, Sha256Hash};
use hlarchive::{Date, Timestamp};

use crate::common::{Lab, event};

/// A valid event of any day: its path and its bytes.
pub(crate) fn event_of(day: Date, number: u32) -> (EventPath, Vec<u8>) {
    let (path, bytes) = event(10, 1, "pi4", number);
    let text = String::from_utf8(bytes).unwrap().replace("2026-05-10", &day.to_string());
    let compact = day.to_string().replace('-', "");
    let path = path.replace("2026-05-10", &day.to_string()).replace("20260510", &compact);
    (path.parse().unwrap(), text.into_bytes())
}

/// An honest segment of one day.
pub(crate) fn honest(day: Date, events: u32) -> Vec<u8> {
    let mut members: Vec<_> = (0..events).map(|number| event_of(day, number)).collect();
    members.sort();
    let options = SegmentOptions { level: 3, frame_size: 4096 };
    let mut writer = SegmentWriter::new(Vec::new(), Path::new("forged"), day, options);
    for (path, bytes) in &members {
        writer.add(path, bytes).unwrap();
    }
    writer.finish().unwrap().0
}

/// A tar header of a name in two parts, a type and a size, and nothing that follows it.
pub(crate) fn header(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    let bytes = header.as_ustar_mut().unwrap();
    let (prefix, name) = match name.rsplit_once('/') {
        Some((prefix, name)) if name.len() <= 100 && prefix.len() <= 155 => (prefix, name),
        _ => ("", &name[..name.len().min(100)]),
    };
    bytes.name[..name.len()].copy_from_slice(name.as_bytes());
    bytes.prefix[..prefix.len()].copy_from_slice(prefix.as_bytes());
    bytes.set_device_major(0);
    bytes.set_device_minor(0);
    header.set_mode(0o444);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(1_778_400_000);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A member: its header, its bytes, its padding.
pub(crate) fn member(name: &str, kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = header(name, kind, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// A link, whose target stands in its header.
pub(crate) fn link(name: &str, kind: u8, target: &str) -> Vec<u8> {
    let mut header = tar::Header::from_byte_slice(&header(name, kind, 0)).clone();
    header.set_link_name_literal(target).unwrap();
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A frame with its size and checksum in it.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    compressor.include_checksum(true).unwrap();
    compressor.compress(bytes).unwrap()
}

fn skippable(magic: u32, content: &[u8]) -> Vec<u8> {
    let mut out = magic.to_le_bytes().to_vec();
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out.extend_from_slice(content);
    out
}

/// A seek table that lists these frames: compressed and decompressed size.
pub(crate) fn seek_table(frames: &[(u32, u32)]) -> Vec<u8> {
    let mut content = Vec::new();
    for (compressed, decompressed) in frames {
        content.extend_from_slice(&compressed.to_le_bytes());
        content.extend_from_slice(&decompressed.to_le_bytes());
    }
    content.extend_from_slice(&(frames.len() as u32).to_le_bytes());
    content.push(0);
    content.extend_from_slice(&0x8F92_EAB1_u32.to_le_bytes());
    skippable(0x184D_2A5E, &content)
}

/// A segment of frames that are listed with these decompressed sizes, and an index.
pub(crate) fn assemble(frames: &[(Vec<u8>, u32)], index: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut entries = Vec::new();
    let end = (compress(&[0; 1024]), 1024);
    for (frame, decompressed) in frames.iter().chain([&end]) {
        entries.push((frame.len() as u32, *decompressed));
        out.extend_from_slice(frame);
    }
    let index = skippable(0x184D_2A57, index);
    entries.push((index.len() as u32, 0));
    out.extend_from_slice(&index);
    out.extend_from_slice(&seek_table(&entries));
    out
}

/// A segment of one frame with this tar in it, and an index that says little.
pub(crate) fn with_tar(day: Date, tar: &[u8]) -> Vec<u8> {
    assemble(&[(compress(tar), tar.len() as u32)], &index(day, 1, |_| {}))
}

/// An index of `frames` frames without values, changed and then packed.
pub(crate) fn index(day: Date, frames: u32, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![0; 176 + 24 * frames as usize];
    out[..8].copy_from_slice(b"HLIX\x01\x00\x06\x00");
    out[8..12].copy_from_slice(&frames.to_le_bytes());
    out[88..98].copy_from_slice(day.to_string().as_bytes());
    let end = out.len() as u32;
    for field in 0..6 {
        let at = 104 + field * 12;
        out[at..at + 4].copy_from_slice(&end.to_le_bytes());
    }
    // Each frame may hold events of any time, so that no query passes over it.
    for frame in 0..frames as usize {
        let at = 176 + 24 * frame;
        out[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
        out[at + 16..at + 24].copy_from_slice(&4_000_000_000_000_000_i64.to_le_bytes());
    }
    change(&mut out);
    compress(&out)
}

/// Puts a file under a segment's name, with the checksum file and the record that belong
/// to it, as if rotation had made it.
pub(crate) fn plant(lab: &Lab, planted: &[(Date, Vec<u8>)]) {
    let archive = ArchiveDir::create(&lab.archive()).unwrap();
    let lock = archive.lock().unwrap();
    let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let by = By { user: "mallory".into(), host: "h".into(), command: "c".into(), sudo_user: None };
    let (mut writer, _) = ManifestWriter::open(&archive, &lock, now, &by).unwrap();
    for (day, bytes) in planted {
        let name = SegmentName { date: *day, number: 0, class: None };
        let path = archive.segment_path(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let sha256 = Sha256Hash::of(bytes);
        let checksum = path.with_file_name(name.checksum_name());
        fs::write(checksum, ArchiveDir::checksum_text(&name, &sha256)).unwrap();
        writer.append(record(name, bytes.len() as u64, sha256)).unwrap();
    }
}

/// A record whose numbers are as large as numbers can be.
pub(crate) fn record(name: SegmentName, bytes: u64, sha256: Sha256Hash) -> NewRecord {
    let mut record = NewRecord::new("2026-06-01T00:00:00Z".parse().unwrap(), Op::Rotate);
    record.date = Some(name.date);
    record.segment = Some(name);
    record.bytes = Some(bytes);
    record.sha256 = Some(sha256);
    record.events = Some(u64::MAX);
    record.invalid = Some(u64::MAX);
    record
}
