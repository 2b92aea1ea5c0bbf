//! Text for a terminal: how wide it is, how it is cut, and how it is kept from driving it.

/// Columns that a text takes. Wide characters of East Asia count two, combining marks
/// none; a terminal may see a rare character differently.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The text, cut with an ellipsis where it is wider than `most` columns.
pub(super) fn fit(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += char_width(c);
        if used > most {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// A message as one line that cannot drive the terminal: names of files may hold anything,
/// and what turns the direction of writing round makes them look like other ones.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control()
            || matches!(u32::from(c), 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069)
        {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_drive_the_terminal_or_begin_a_line() {
        assert_eq!(harmless("a\u{1b}[2J\nb\u{202e}c\u{9b}é"), "a\\u{1b}[2J\\nb\\u{202e}c\\u{9b}é");
    }

    #[test]
    fn a_text_that_fits_stays_and_a_longer_one_is_cut_to_the_width() {
        assert_eq!(fit("mosquitto", 9), "mosquitto");
        assert_eq!(fit("mosquitto", 8), "mosquit…");
        assert_eq!(width(&fit("日本語のノード", 7)), 7);
        assert_eq!(fit("", 0), "");
    }
}
