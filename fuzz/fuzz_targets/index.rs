//! Indexes: answers stay inside the frames there are, are found again by their value, and
//! cost no more than the index is long.

#![no_main]

use hlarchive::internals::segment::{Field, fuzzing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let length = bytes.len();
    let Ok(index) = fuzzing::index(bytes.to_vec()) else { return };
    assert!(index.frame_count() <= length / 24);
    let _ = (index.events(), index.invalid(), index.event_bytes(), index.content(), index.date());
    let _ = (index.first(), index.last(), index.frame(0), index.frame(usize::MAX));
    for field in Field::ALL {
        let _ = index.lookup(field, "run-1");
        let mut work = 0;
        let mut sound = true;
        let mut values = Vec::new();
        for value in index.values(field) {
            let Ok((value, postings)) = value else {
                sound = false;
                continue;
            };
            work += value.len() / 128 + postings.len() + 1;
            assert!(value.len() <= 1024);
            assert!(postings.iter().all(|p| (p.frame as usize) < index.frame_count()));
            assert!(postings.is_sorted_by_key(|p| p.frame));
            values.push((value, postings));
        }
        assert!(work <= 16 * length, "{work} steps over {length} bytes");
        assert!(values.len() <= index.value_count(field) as usize);
        // In a sound section that is in order, each value is found with its postings.
        if sound && values.is_sorted_by(|a, b| a.0 < b.0) {
            for (value, postings) in values.iter().take(64) {
                assert_eq!(&index.lookup(field, value).expect("a value that is there"), postings);
            }
        }
    }
});
