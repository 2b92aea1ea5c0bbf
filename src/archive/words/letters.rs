//! Words in texts, and the parts of words that a piece of text has.

/// The shortest word that is noted, in bytes.
const MIN_WORD: usize = 3;

/// The longest word that can be noted, in bytes.
pub(super) const MAX_WORD: usize = 255;

/// Returns the letter of a word that a text goes on with, in lower case, and its length in bytes.
///
/// Besides ASCII, the two letters count that equal one of ASCII when case is ignored: the long s
/// and the Kelvin sign.
fn letter(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [byte, ..] if byte.is_ascii_alphabetic() => Some((byte.to_ascii_lowercase(), 1)),
        [0xc5, 0xbf, ..] => Some((b's', 2)),
        [0xe2, 0x84, 0xaa, ..] => Some((b'k', 3)),
        _ => None,
    }
}

/// Reports whether a word is noted. Short ones say little, and hexadecimal digits are noise.
fn is_noted(word: &[u8]) -> bool {
    word.len() >= MIN_WORD && word.iter().any(|letter| *letter > b'f')
}

/// Calls `see` with each run of letters in a text, in lower case, with the places where it begins
/// and ends.
fn each_run<'w>(text: &[u8], word: &'w mut Vec<u8>, see: &mut dyn FnMut(&[u8], usize, usize)) {
    let mut at = 0;
    while at < text.len() {
        word.clear();
        let start = at;
        while let Some((letter, bytes)) = letter(&text[at..]) {
            word.push(letter);
            at += bytes;
        }
        if word.is_empty() {
            at += 1;
        } else {
            see(word, start, at);
        }
    }
}

/// Calls `see` with each word of a text that is noted, in lower case.
pub(super) fn each_word(text: &str, word: &mut Vec<u8>, see: &mut dyn FnMut(&[u8])) {
    each_run(text.as_bytes(), word, &mut |run, _, _| {
        if is_noted(run) {
            see(run);
        }
    });
}

/// Returns what to look for among noted words, each between two newlines, to find those of which a
/// text that holds `piece` must have one; for each run of letters in the piece. A word goes on
/// beyond a piece's ends.
pub(super) fn needles(piece: &str) -> Vec<Vec<u8>> {
    let mut needles = Vec::new();
    each_run(piece.as_bytes(), &mut Vec::new(), &mut |run, start, end| {
        if !is_noted(run) {
            return;
        }
        let mut needle = Vec::with_capacity(run.len() + 2);
        if start > 0 {
            needle.push(b'\n');
        }
        needle.extend_from_slice(run);
        if end < piece.len() {
            needle.push(b'\n');
        }
        needles.push(needle);
    });
    needles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        each_word(text, &mut Vec::new(), &mut |word| {
            words.push(String::from_utf8_lossy(word).into_owned());
        });
        words
    }

    #[test]
    fn words_are_runs_of_letters_without_short_ones_and_hexadecimal_noise() {
        assert_eq!(words("Disk-full: /dev/sda1 at 9Beef3 c0ffee"), ["disk", "full", "dev", "sda"]);
        assert_eq!(words("größe gro\u{df}e"), ["gro"]);
        assert_eq!(words("\u{212a}elvin di\u{17f}k"), ["kelvin", "disk"]);
        assert!(words("").is_empty());
    }

    #[test]
    fn only_the_runs_within_a_piece_are_whole_words() {
        let found = |piece: &str| -> Vec<String> {
            needles(piece)
                .iter()
                .map(|needle| String::from_utf8_lossy(needle).into_owned())
                .collect()
        };
        assert_eq!(found("OOM"), ["oom"]);
        assert_eq!(found("disk is too full"), ["disk\n", "\ntoo\n", "\nfull"]);
        assert_eq!(found("-beef-no-"), Vec::<String>::new());
    }
}
