//! The values of an event, each with its path.

use std::borrow::Cow;

/// A value that has no parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaf<'a> {
    /// A string, without its escapes.
    Text(Cow<'a, str>),
    /// A number, `true`, `false` or `null`, as written.
    Word(&'a str),
    /// An object or an array without content.
    Empty,
}

impl Leaf<'_> {
    /// Returns the value as a person reads it; an empty container has no text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Word(word) => Some(word),
            Self::Empty => None,
        }
    }
}

/// Calls `see` with the path and the value of each leaf of valid JSON, in their order. A path is the
/// names of the objects' members, joined by dots; elements of an array have the array's path. The
/// event itself has no name. Anything but valid JSON ends the walk.
pub(crate) fn each_leaf(json: &str, see: &mut dyn FnMut(&str, Leaf<'_>)) {
    Walk { json, at: 0, path: String::with_capacity(64), opened: Vec::with_capacity(8) }.run(see);
}

/// An object or an array that the walk is in.
struct Opened {
    is_object: bool,
    /// The length of its own path.
    path: usize,
    is_empty: bool,
}

struct Walk<'a> {
    json: &'a str,
    at: usize,
    path: String,
    opened: Vec<Opened>,
}

impl<'a> Walk<'a> {
    fn run(&mut self, see: &mut dyn FnMut(&str, Leaf<'_>)) {
        while let Some(byte) = self.next_token() {
            match byte {
                b'{' | b'[' => {
                    self.fill();
                    let is_object = byte == b'{';
                    self.opened.push(Opened { is_object, path: self.path.len(), is_empty: true });
                    self.at += 1;
                }
                b'}' | b']' => {
                    let Some(opened) = self.opened.pop() else { return };
                    self.path.truncate(opened.path);
                    if opened.is_empty {
                        see(&self.path, Leaf::Empty);
                    }
                    self.at += 1;
                    self.leave();
                }
                b',' => self.at += 1,
                b'"' => {
                    let Some(text) = self.string() else { return };
                    if self.is_name() {
                        if !self.path.is_empty() {
                            self.path.push('.');
                        }
                        self.path.push_str(&text);
                        self.at += 1;
                    } else {
                        self.fill();
                        see(&self.path, Leaf::Text(text));
                        self.leave();
                    }
                }
                _ => {
                    let rest = &self.json.as_bytes()[self.at..];
                    let is_end = |byte: &u8| {
                        matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace()
                    };
                    let length = rest.iter().position(is_end).unwrap_or(rest.len());
                    let Some(word) = self.json.get(self.at..self.at + length.max(1)) else {
                        return;
                    };
                    self.fill();
                    see(&self.path, Leaf::Word(word));
                    self.at += word.len();
                    self.leave();
                }
            }
        }
    }

    /// Goes to the next byte that is not white space.
    fn next_token(&mut self) -> Option<u8> {
        let rest = self.json.as_bytes().get(self.at..)?;
        self.at += rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
        self.json.as_bytes().get(self.at).copied()
    }

    /// Reports whether a colon follows, and goes to it.
    fn is_name(&mut self) -> bool {
        self.next_token() == Some(b':')
    }

    /// Notes that the innermost container has content.
    fn fill(&mut self) {
        if let Some(opened) = self.opened.last_mut() {
            opened.is_empty = false;
        }
    }

    /// Drops the name of a member whose value has ended.
    fn leave(&mut self) {
        if let Some(opened) = self.opened.last()
            && opened.is_object
        {
            self.path.truncate(opened.path);
        }
    }

    /// Reads the string that begins here, and goes behind it.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at + 1;
        let bytes = self.json.as_bytes();
        let end = start + memchr::memchr2(b'"', b'\\', bytes.get(start..)?)?;
        if bytes[end] == b'"' {
            self.at = end + 1;
            return self.json.get(start..end).map(Cow::Borrowed);
        }
        let mut text = String::new();
        let mut from = start;
        let mut at = end;
        loop {
            text.push_str(self.json.get(from..at)?);
            if bytes[at] == b'"' {
                self.at = at + 1;
                return Some(Cow::Owned(text));
            }
            let (letter, after) = escaped(bytes, at)?;
            text.push(letter);
            from = after;
            at = after + memchr::memchr2(b'"', b'\\', bytes.get(after..)?)?;
        }
    }
}

/// Reads the escape at `at`; returns its character and the place behind it. Half of a surrogate
/// pair is a replacement character.
fn escaped(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let letter = match bytes.get(at + 1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(bytes, at),
        other => char::from(*other),
    };
    Some((letter, at + 2))
}

fn unicode(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = std::str::from_utf8(bytes.get(at..at + 4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(at + 2)?;
    let after = at + 6;
    if (0xd800..0xdc00).contains(&first)
        && bytes.get(after..after + 2) == Some(b"\\u")
        && let Some(second) = unit(after + 2)
        && (0xdc00..0xe000).contains(&second)
    {
        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Some((char::from_u32(code)?, after + 6));
    }
    Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), after))
}
