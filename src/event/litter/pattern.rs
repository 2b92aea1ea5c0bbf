//! Patterns for names to be passed over.

use std::fmt;

/// A pattern for names: `*` matches any text, `?` any one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub(super) text: String,
    parts: Vec<PatternPart>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatternPart {
    Any,
    One,
    This(char),
}

/// The reason a text is not a valid pattern for names to be passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPattern {
    /// It is empty, or names a path.
    NoName,
    /// It would match names of events as `emit` writes them.
    Events,
    /// It would match names of days.
    Days,
}

impl fmt::Display for NoPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoName => {
                "is not a pattern for names; write for example \"*.bak\", without a slash"
            }
            Self::Events => "fits names of events as emit writes them, and no event is passed over",
            Self::Days => "fits names of days, and no day is passed over",
        })
    }
}

impl Pattern {
    /// Parses a pattern; refuses one that could hide what `emit` writes.
    pub fn parse(text: &str) -> Result<Self, NoPattern> {
        if text.is_empty() || text.len() > 255 || text.contains(['/', '\0']) {
            return Err(NoPattern::NoName);
        }
        let part = |c| match c {
            '*' => PatternPart::Any,
            '?' => PatternPart::One,
            other => PatternPart::This(other),
        };
        let pattern = Self { text: text.to_owned(), parts: text.chars().map(part).collect() };
        if pattern.meets(&event_names()) {
            return Err(NoPattern::Events);
        }
        if pattern.meets(&days()) {
            return Err(NoPattern::Days);
        }
        Ok(pattern)
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let name: Vec<FormStep> = name.chars().map(|c| FormStep::Once(Chars::This(c))).collect();
        self.meets(&name)
    }

    /// Reports whether the pattern matches any text of this form.
    fn meets(&self, form: &[FormStep]) -> bool {
        // The steps of the form that may come next, after each prefix of the pattern.
        let mut at = vec![false; form.len() + 1];
        at[0] = true;
        skip(form, &mut at);
        for part in &self.parts {
            let mut next = vec![false; form.len() + 1];
            match part {
                PatternPart::Any => {
                    let first = at.iter().position(|is_there| *is_there);
                    if let Some(first) = first {
                        next[first..].fill(true);
                    }
                }
                PatternPart::One | PatternPart::This(_) => {
                    for (number, step) in form.iter().enumerate().filter(|(number, _)| at[*number])
                    {
                        let (chars, stays) = match step {
                            FormStep::Once(chars) => (chars, false),
                            FormStep::AnyNumber(chars) => (chars, true),
                        };
                        let fits = match part {
                            PatternPart::This(c) => chars.has(*c),
                            _ => true,
                        };
                        if fits {
                            next[if stays { number } else { number + 1 }] = true;
                        }
                    }
                    skip(form, &mut next);
                }
            }
            at = next;
        }
        at[form.len()]
    }
}

/// A step of a form of names.
#[derive(Debug, Clone, Copy)]
enum FormStep {
    Once(Chars),
    AnyNumber(Chars),
}

/// The characters a step accepts.
#[derive(Debug, Clone, Copy)]
enum Chars {
    This(char),
    Digit,
    Hex,
    Word,
}

impl Chars {
    fn has(self, c: char) -> bool {
        match self {
            Self::This(this) => this == c,
            Self::Digit => c.is_ascii_digit(),
            Self::Hex => matches!(c, '0'..='9' | 'a'..='f'),
            Self::Word => matches!(c, '0'..='9' | 'a'..='z' | '_'),
        }
    }
}

/// Marks the steps that follow an optional one as reachable, too.
fn skip(form: &[FormStep], at: &mut [bool]) {
    for (number, step) in form.iter().enumerate() {
        if at[number] && matches!(step, FormStep::AnyNumber(_)) {
            at[number + 1] = true;
        }
    }
}

/// Builds a form: `9` stands for a digit, `x` for a hexadecimal one, `w` for the characters of a
/// word.
fn form(text: &str) -> Vec<FormStep> {
    let step = |c| match c {
        '9' => FormStep::Once(Chars::Digit),
        'x' => FormStep::Once(Chars::Hex),
        'w' => FormStep::AnyNumber(Chars::Word),
        other => FormStep::Once(Chars::This(other)),
    };
    text.chars().map(step).collect()
}

fn event_names() -> Vec<FormStep> {
    let mut names = form("99999999T999999.999999Z_w_xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    names.extend(".json".chars().map(|c| FormStep::Once(Chars::This(c))));
    names
}

fn days() -> Vec<FormStep> {
    form("9999-99-99")
}
