//! Seek tables: what is accepted fills the file exactly and is what the writer makes.

#![no_main]

use hlarchive::internals::segment::fuzzing::{seek_table, seek_table_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frames) = seek_table(bytes) {
        let table = seek_table_of(&frames);
        assert!(frames.iter().all(|(compressed, _)| *compressed >= 8));
        assert!(bytes.ends_with(&table), "there is one way to write it");
        let total: u64 = frames.iter().map(|(compressed, _)| u64::from(*compressed)).sum();
        assert_eq!(total + table.len() as u64, bytes.len() as u64, "it fills the file");
    }
    // Any frames read back, if the bytes before are as many as they say.
    let frames: Vec<(u32, u32)> = bytes
        .chunks_exact(6)
        .take(1000)
        .map(|six| {
            let compressed = (u32::from(u16::from_le_bytes([six[0], six[1]])) >> 4) + 8;
            (compressed, u32::from_le_bytes([six[2], six[3], six[4], six[5]]))
        })
        .collect();
    let total: usize = frames.iter().map(|(compressed, _)| *compressed as usize).sum();
    let mut file = vec![0; total];
    file.extend_from_slice(&seek_table_of(&frames));
    assert_eq!(seek_table(&file).as_ref(), Ok(&frames));
});
