use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::file::Words;
use super::letters::{each_word, needles};
use super::table::{FrameWords, Table};
use super::*;

fn hash(number: usize) -> Sha256Hash {
    Sha256Hash::of(&number.to_le_bytes())
}

/// Segments, of each its frames, of each its words.
fn segments() -> impl Strategy<Value = Vec<Vec<Vec<String>>>> {
    let word = prop_oneof!["g[a-c]{2}", "[a-z]{3,9}z"];
    let frame = prop::collection::vec(word, 0..6);
    prop::collection::vec(prop::collection::vec(frame, 1..5), 0..7)
}

fn words_of(segment: &[Vec<String>]) -> Vec<FrameWords> {
    let frame = |words: &Vec<String>| words.iter().map(|word| word.as_bytes().into()).collect();
    segment.iter().map(frame).collect()
}

fn table(segments: &[Vec<Vec<String>>]) -> Table {
    let mut table = Table::default();
    for (number, segment) in segments.iter().enumerate() {
        let before = table.bytes();
        let grown = table.add(hash(number), words_of(segment));
        assert_eq!(table.bytes(), before + grown);
    }
    table
}

/// Each word, and the frames that have it, by their segment and number.
fn model<'a>(
    segments: impl Iterator<Item = (usize, &'a Vec<Vec<String>>)>,
) -> BTreeMap<Vec<u8>, BTreeSet<(Sha256Hash, usize)>> {
    let mut model = BTreeMap::<Vec<u8>, BTreeSet<(Sha256Hash, usize)>>::new();
    for (segment, frames) in segments {
        for (number, words) in frames.iter().enumerate() {
            for word in words {
                model.entry(word.clone().into()).or_default().insert((hash(segment), number));
            }
        }
    }
    model
}

fn told(table: &Table) -> BTreeMap<Vec<u8>, BTreeSet<(Sha256Hash, usize)>> {
    let places: Vec<(Sha256Hash, usize)> = table
        .segments
        .iter()
        .flat_map(|(segment, frames)| (0..*frames as usize).map(|frame| (*segment, frame)))
        .collect();
    let place = |range: &std::ops::Range<u32>| range.clone().map(|frame| places[frame as usize]);
    table
        .words
        .iter()
        .map(|(word, ranges)| (word.to_vec(), ranges.iter().flat_map(place).collect()))
        .collect()
}

proptest! {
    #[test]
    fn a_table_reads_back_as_it_was_written(segments in segments()) {
        let table = table(&segments);
        prop_assert_eq!(told(&table), model(segments.iter().enumerate()));
        let words = Words::parse(table.encode().unwrap()).unwrap();
        let read = words.table().unwrap();
        prop_assert_eq!(&read.segments, &table.segments);
        prop_assert_eq!(&read.words, &table.words);
    }

    #[test]
    fn what_stays_keeps_its_words(segments in segments(), gone in any::<u8>(), drops in any::<bool>()) {
        let mut table = table(&segments);
        let is_kept = |number: usize| gone & (1 << number) == 0;
        let kept = (0..segments.len()).filter(|number| is_kept(*number));
        table.retain(&kept.map(|number| (hash(number), 0)).collect());
        let mut stays: Vec<_> =
            segments.iter().enumerate().filter(|(number, _)| is_kept(*number)).collect();
        if drops {
            table.drop_last();
            stays.pop();
        }
        let nowhere = |ranges: &BTreeSet<_>| !ranges.is_empty();
        prop_assert!(told(&table).values().all(nowhere));
        prop_assert_eq!(told(&table), model(stays.into_iter()));
    }

    #[test]
    fn a_text_is_only_denied_to_frames_without_it(
        texts in prop::collection::vec("([a-z]{1,5}|[A-Z0-9é ſK=.\\-]){0,12}", 1..6),
        from in 0_usize..12,
        length in 1_usize..8,
    ) {
        // A piece of the first text.
        let piece: String = texts[0].chars().skip(from).take(length).collect();
        prop_assume!(!needles(&piece).is_empty());
        let frames = texts.iter().map(|text| {
            let mut words = FrameWords::new();
            each_word(text, &mut Vec::new(), &mut |word| {
                words.insert(word.into());
            });
            words
        });
        let mut table = Table::default();
        table.add(hash(0), frames.collect());
        let words = Words::parse(table.encode().unwrap()).unwrap();
        let holds = words.frames_with(&piece, texts.len() as u32).unwrap();
        for (text, holds) in texts.iter().zip(holds) {
            prop_assert!(holds || !text.to_lowercase().contains(&piece.to_lowercase()), "{}", text);
        }
    }
}

#[test]
fn a_file_with_any_bit_flipped_or_cut_off_is_not_used() {
    let segments = [vec![vec!["disk".to_owned(), "full".to_owned()], vec!["disk".to_owned()]]];
    let bytes = table(&segments).encode().unwrap();
    assert!(Words::parse(bytes.clone()).is_some());
    for at in 0..bytes.len() {
        assert!(Words::parse(bytes[..at].to_vec()).is_none());
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(Words::parse(flipped).is_none(), "{at}");
    }
}

#[test]
fn a_sealed_file_of_nonsense_is_not_used_or_excludes_nothing() {
    let segments = [vec![vec!["disk".to_owned()], vec!["full".to_owned()]]];
    let sound = table(&segments).encode().unwrap();
    let body = sound.len() - 32;
    for at in 8..body {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = sound[..body].to_vec();
            bytes[at] = value;
            let own = Sha256Hash::of(&bytes);
            bytes.extend_from_slice(&own.0);
            // It may be anything but a panic.
            let Some(words) = Words::parse(bytes) else { continue };
            let _ = words.table();
            let frames = words.segments().last().map_or(0, |(_, frames)| frames.end);
            if frames < 1 << 20 {
                let _ = words.frames_with("disk", frames);
            }
        }
    }
}
