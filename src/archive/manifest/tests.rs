use super::*;

fn stamp(size: i64) -> Stamp {
    Stamp { inode: 1, size, modified: (0, 0) }
}

/// A manifest as a reader may find it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Look {
    Sound,
    Torn,
    Damaged,
}

/// Returns the number of reads and of lookups until a manifest settled, and whether it is then
/// sound, for a manifest in these successive states, each with its size; the last one stays.
fn settled(states: &[(Look, i64)]) -> (usize, usize, bool) {
    let (mut reads, mut looks) = (0, 0);
    let state = |number: usize| states[number.min(states.len() - 1)];
    let mut read = || {
        let (look, size) = state(reads);
        reads += 1;
        let damages = if look == Look::Damaged { vec!["line 1".to_owned()] } else { Vec::new() };
        let torn = (look == Look::Torn).then_some(Torn { bytes: 1 });
        Ok((Manifest { stamp: Some(stamp(size)), torn, ..Manifest::default() }, damages))
    };
    // By then it is in the next state.
    let mut stamp_now = || {
        looks += 1;
        Ok(Some(stamp(state(looks).1)))
    };
    let (manifest, damages) = Manifest::settled(&mut read, &mut stamp_now).unwrap();
    (reads, looks, damages.is_empty() && manifest.torn.is_none())
}

#[test]
fn damage_counts_when_the_file_was_not_changed_under_the_reader() {
    assert_eq!(settled(&[(Look::Sound, 1)]), (1, 0, true));
    for bad in [Look::Damaged, Look::Torn] {
        assert_eq!(settled(&[(Look::Sound, 1), (bad, 2)]), (1, 0, true), "sound is sound");
        assert_eq!(settled(&[(bad, 1)]), (1, 1, false));
        assert_eq!(settled(&[(bad, 1), (Look::Sound, 2)]), (2, 1, true), "whole meanwhile");
        assert_eq!(settled(&[(bad, 1), (bad, 2)]), (2, 2, false));
        let restless: Vec<_> = (0..100).map(|size| (bad, size)).collect();
        assert_eq!(settled(&restless), (TRIES, TRIES - 1, false), "not for ever");
    }
}
