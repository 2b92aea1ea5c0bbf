//! A line of a shell up to the cursor: its words, and how a value is inserted into the last one.

/// The words up to the cursor, the last of which is being typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// The words, without quotes.
    pub(super) words: Vec<String>,
    /// The quote that is open at the cursor.
    quote: Option<char>,
    /// The number of characters of the last word that bash leaves as they are.
    kept: usize,
}

impl Typed {
    /// Returns the words of a shell that has split them and taken their quotes away.
    pub(super) fn in_zsh(words: &[String]) -> Self {
        Self { words: words.to_vec(), ..Self::default() }
    }

    /// Returns the words of a shell that has done so with all but the last.
    pub(super) fn in_fish(words: &[String]) -> Option<Self> {
        let (last, before) = words.split_last()?;
        let last = Self::in_bash(last, "").words.pop().unwrap_or_default();
        Some(Self { words: [before, &[last]].concat(), ..Self::default() })
    }

    /// Splits a line as bash does. `breaks` are the characters at which bash begins to complete
    /// anew within a word.
    pub(super) fn in_bash(line: &str, breaks: &str) -> Self {
        let mut typed = Self::default();
        let (mut word, mut length) = (Some(String::new()), 0);
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            if typed.quote.is_none() && matches!(c, ' ' | '\t' | '\n') {
                // A blank ends a word, if there is one.
                if length > 0 {
                    typed.words.extend(word.replace(String::new()));
                }
                (length, typed.kept) = (0, 0);
                continue;
            }
            length += 1;
            let text = word.get_or_insert_default();
            match (typed.quote, c) {
                (None, '\'' | '"') => {
                    typed.quote = Some(c);
                    // What follows a quote is completed by itself.
                    typed.kept = text.chars().count();
                }
                (Some(quote), _) if c == quote => typed.quote = None,
                (None, '\\') => text.extend(chars.next()),
                (Some('"'), '\\') => match chars.next() {
                    Some(next @ ('$' | '`' | '"' | '\\')) => text.push(next),
                    next => text.extend([Some('\\'), next].into_iter().flatten()),
                },
                _ => {
                    text.push(c);
                    if typed.quote.is_none() && breaks.contains(c) {
                        typed.kept = text.chars().count();
                    }
                }
            }
        }
        typed.words.extend(word);
        typed
    }

    /// Returns what bash is to insert for a value that begins `start` characters into the last
    /// word; none if that cannot be written inside of the quotes that are open.
    pub(super) fn insertion(&self, value: &str, start: usize) -> Option<String> {
        let rest: String = value.chars().skip(self.kept.saturating_sub(start)).collect();
        // A break right after the flag: bash completes the value alone. Without one, or within the
        // flag, its beginning must be given again.
        let before: String = match self.words.last() {
            Some(word) if self.kept < start => word.chars().take(start).skip(self.kept).collect(),
            _ => String::new(),
        };
        match self.quote {
            Some(_) if rest.contains(['\'', '"', '\\', '$', '`', '!']) => None,
            Some(_) => Some(before + &rest),
            None => Some(before + &quoted(&rest)),
        }
    }
}

/// Returns a text of which bash takes each character as it is.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_plain = c.is_alphanumeric() || !c.is_ascii() || "_-+.,:/@%=".contains(c);
        if !is_plain {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const BREAKS: &str = " \t\n\"'><=;|&(:";

    #[test]
    fn a_line_has_the_words_that_bash_sees() {
        for (line, words) in [
            ("a b", &["a", "b"][..]),
            ("a b ", &["a", "b", ""]),
            ("a  'b c' \"d $e\\\"\" f\\ g", &["a", "b c", "d $e\"", "f g"]),
            ("a \"b c", &["a", "b c"]),
            ("a '' b", &["a", "", "b"]),
            ("a b\\", &["a", "b"]),
            ("a \"b\\x", &["a", "b\\x"]),
            ("", &[""]),
        ] {
            assert_eq!(Typed::in_bash(line, BREAKS).words, words, "{line}");
        }
    }

    #[test]
    fn what_is_inserted_continues_what_bash_replaces_and_nothing_of_it_runs() {
        for (line, start, value, wanted) in [
            ("a gra", 0, "grafana", Some("grafana")),
            ("a --service=gra", 10, "grafana", Some("grafana")),
            ("a deploy:8", 0, "deploy:882", Some("882")),
            ("a --id=deploy:8", 5, "deploy:882", Some("882")),
            ("a ", 0, "$(reboot)", Some("\\$\\(reboot\\)")),
            ("a ", 0, "~r;`x`&|<>*", Some("\\~r\\;\\`x\\`\\&\\|\\<\\>\\*")),
            (
                "a ",
                0,
                "?[a]{b}#!^ 'q' \"\\",
                Some("\\?\\[a\\]\\{b\\}\\#\\!\\^\\ \\'q\\'\\ \\\"\\\\"),
            ),
            ("a \"my s", 0, "my service", Some("my service")),
            ("a \"my", 0, "my$(x)", None),
            ("a 'my", 0, "my'x'", None),
            ("a my\\ s", 0, "my service", Some("my\\ service")),
            ("a gr\u{fc}", 0, "gr\u{fc}n", Some("gr\u{fc}n")),
        ] {
            let inserted = Typed::in_bash(line, BREAKS).insertion(value, start);
            assert_eq!(inserted.as_deref(), wanted, "{line}");
            if wanted.is_some() && line == "a " {
                let inserted = inserted.unwrap();
                assert_eq!(Typed::in_bash(&inserted, "").words, [value]);
            }
        }
        // A user's bash may not break words at an equals sign.
        let typed = Typed::in_bash("a --service=gra", " ");
        assert_eq!(typed.insertion("grafana", 10).as_deref(), Some("--service=grafana"));
    }
}
