//! Slips of the pen: which known word was likely meant.

/// Finds the known word for which `word` is likely a slip: the nearest by edit distance, if it is
/// a near miss; of several as near, the first in the order of the alphabet.
///
/// Near is a third of the longer word's bytes and at most three, whatever the case of letters.
pub fn near_miss<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.filter_map(|known| Some((miss(word, known)?, known))).min().map(|(_, known)| known)
}

/// Returns how far two words are from each other, if one is a near miss of the other.
pub(crate) fn miss(word: &str, known: &str) -> Option<usize> {
    let longer = word.len().max(known.len());
    let limit = (longer / 3).min(3);
    // Most words differ too much in length to be compared at all.
    if word == known || word.len().abs_diff(known.len()) > limit || longer > MAX_BYTES {
        return None;
    }
    let distance = edit_distance(&word.to_ascii_lowercase(), &known.to_ascii_lowercase());
    (distance <= limit).then_some(distance)
}

/// Longer texts are no words that somebody types.
const MAX_BYTES: usize = 255;

/// Levenshtein distance over bytes; both words are short.
pub(super) fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("ab", "ba", 2),
            ("intention", "execution", 5),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
            assert_eq!(edit_distance(b, a), distance, "{b} {a}");
        }
    }

    #[test]
    fn only_a_near_miss_is_taken_for_a_slip() {
        let known = ["mosquitto", "grafana", "nas", "pi4", "deploy-882", "all"];
        for (word, wanted) in [
            ("mosquito", Some("mosquitto")),
            ("MOSQUITTO", Some("mosquitto")),
            ("graphana", Some("grafana")),
            ("deploy-8882", Some("deploy-882")),
            ("pi5", Some("pi4")),
            ("postgres", None),
            ("nextcloud", None),
            ("x", None),
            ("", None),
            // What is known needs no other word.
            ("grafana", None),
        ] {
            assert_eq!(near_miss(word, known.into_iter()), wanted, "{word}");
        }
    }

    #[test]
    fn of_several_as_near_the_first_of_the_alphabet_is_taken() {
        for known in [["pi4", "pi2"], ["pi2", "pi4"]] {
            assert_eq!(near_miss("pi3", known.into_iter()), Some("pi2"));
        }
        assert_eq!(
            near_miss("mosquito", ["mosquitto", "mosquitos"].into_iter()),
            Some("mosquitos")
        );
    }
}
