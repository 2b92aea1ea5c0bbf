//! What the targets share: a file in memory, and segments made by hand.

use std::fs::File;
use std::os::unix::fs::FileExt;

use hlarchive::internals::segment::fuzzing::seek_table_of;

/// A file that exists in memory alone.
pub fn memory_file(bytes: &[u8]) -> File {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let file = File::from(rustix::fs::memfd_create("fuzz", flags).expect("memory"));
    file.write_all_at(bytes, 0).expect("memory");
    file
}

/// A skippable frame.
pub fn skippable(magic: u32, content: &[u8]) -> Vec<u8> {
    let mut out = magic.to_le_bytes().to_vec();
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out.extend_from_slice(content);
    out
}

/// A segment of frames that hold these pieces of tar, with this body of an index.
pub fn segment(frames: &[&[u8]], index: &[u8]) -> Vec<u8> {
    let mut compressor = zstd::bulk::Compressor::new(1).expect("zstd");
    compressor.include_checksum(true).expect("zstd");
    let mut out = Vec::new();
    let mut entries = Vec::new();
    for tar in frames.iter().chain([&[0; 1024].as_slice()]) {
        let frame = compressor.compress(tar).expect("zstd");
        entries.push((frame.len() as u32, tar.len() as u32));
        out.extend_from_slice(&frame);
    }
    let index = skippable(0x184D_2A57, &compressor.compress(index).expect("zstd"));
    entries.push((index.len() as u32, 0));
    out.extend_from_slice(&index);
    out.extend_from_slice(&seek_table_of(&entries));
    out
}
