//! Text for a terminal: its width, and how it is cut.

use unicode_width::UnicodeWidthChar;

/// Returns the columns that a text takes. Wide East Asian characters and pictures count two,
/// combining marks none; a terminal may measure a rare character differently.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Control characters, which have no width, do not come here: they are escaped as `\n`, `\u{1b}`.
fn char_width(c: char) -> usize {
    c.width().unwrap_or(1)
}

/// Cuts the text with an ellipsis if it is wider than `most` columns.
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

/// Returns the width of columns of these widths, each with two spaces after it; a column of
/// width zero is left out.
pub(super) fn total(widths: &[usize]) -> usize {
    widths.iter().filter(|width| **width > 0).map(|width| width + 2).sum()
}

/// Formats a line of cells, each cut to its column and with two spaces after it; a column of
/// width zero is left out. A line has at most `most` columns.
pub(super) fn line(row: &[String], widths: &[usize], most: Option<usize>) -> String {
    let mut line = String::new();
    for (cell, room) in row.iter().zip(widths).filter(|(_, room)| **room > 0) {
        let cell = fit(cell, *room);
        line.push_str(&cell);
        line.extend(std::iter::repeat_n(' ', room.saturating_sub(width(&cell)) + 2));
    }
    let line = line.trim_end();
    most.map_or_else(|| line.to_owned(), |most| fit(line, most))
}

/// Makes columns narrower, the widest first and each down to its minimum width, until all
/// fit.
pub(super) fn shrink(widths: &mut [usize], columns: &[(usize, usize)], most: usize) {
    for _ in most..total(widths) {
        let widest = columns
            .iter()
            .filter(|(column, least)| widths[*column] > *least)
            .max_by_key(|(column, _)| widths[*column]);
        let Some((column, _)) = widest else { return };
        widths[*column] -= 1;
    }
}

/// Wraps the text in lines of at most so many columns, broken at spaces if there are any.
pub(super) fn wrap(text: &str, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > most {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if !line.is_empty() && width(&line) + char_width(c) > most {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_give_way_first_and_none_below_its_least() {
        let mut widths = [10, 20, 8, 0];
        shrink(&mut widths, &[(1, 9), (2, 4)], 35);
        assert_eq!((widths, total(&widths)), ([10, 11, 8, 0], 35));
        shrink(&mut widths, &[(1, 9), (2, 4)], 1);
        assert_eq!(widths, [10, 9, 4, 0]);
    }

    #[test]
    fn long_texts_are_broken_at_spaces_and_longer_words_anywhere() {
        assert_eq!(wrap("port 1883 is not bound", 10), ["port 1883", "is not", "bound"]);
        assert_eq!(wrap("x aaaaaaaaaaaa b", 5), ["x", "aaaaa", "aaaaa", "aa b"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn a_width_is_that_of_what_is_seen() {
        for (text, columns) in [
            ("O'Brien", 7),
            ("\u{e9}", 1),
            ("e\u{301}", 1),
            ("日本語", 6),
            ("한국", 4),
            ("🙂", 2),
            ("⚠\u{fe0f}", 1),
            ("a\u{200d}b", 2),
            ("…█•→", 4),
            ("\u{7}", 1),
        ] {
            assert_eq!(width(text), columns, "{text}");
        }
        let shown = crate::text::visible("a\u{2028}b\n");
        assert_eq!((shown.as_str(), width(&shown)), ("a\\u{2028}b\\n", 12));
    }

    #[test]
    fn a_text_that_fits_stays_and_a_longer_one_is_cut_to_the_width() {
        assert_eq!(fit("mosquitto", 9), "mosquitto");
        assert_eq!(fit("mosquitto", 8), "mosquit…");
        assert_eq!(width(&fit("日本語のノード", 7)), 7);
        assert_eq!(fit("", 0), "");
    }
}
