//! Typos: which known word was likely meant.

/// Finds the known word that `word` likely misspells: the nearest by edit distance among the near
/// misses, and the first alphabetically where several are equally near.
///
/// A near miss differs by at most a third of the longer word's bytes, and by three at most; the
/// case of letters does not count.
pub(crate) fn near_miss<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.filter_map(|known| Some((miss(word, known)?, known))).min().map(|(_, known)| known)
}

/// Returns the edit distance of two words, if one is a near miss of the other.
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

/// The longest text that can be a typed word, in bytes.
const MAX_BYTES: usize = 255;

/// Returns the Levenshtein distance over bytes; both words must be short.
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
            // A known word gets no suggestion.
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
