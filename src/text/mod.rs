//! Text as it may be shown: what is safe to show, and what stands in its place where it is not.
//!
//! Events, names of files and the answers of other programs may hold anything. This is the one
//! place that says which characters drive a terminal, turn the text around them, or cannot be
//! seen at all; combining marks and apostrophes are text like any other.

mod amount;

use std::borrow::Cow;

pub(crate) use amount::{bytes, count, exact_bytes, offset, span, verb};

/// Returns whether a character could drive a terminal or turn the text around it, or has no
/// shape at all: control characters, line separators, marks of direction, tags, fillers.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfeff | 0xffa0
            | 0xfff0..=0xfffb | 0x1_bca0..=0x1_bca3 | 0x1_d173..=0x1_d17a
            | 0xe_0000..=0xe_0fff)
}

/// Returns a text as one line in which such characters stand as what they are: `\n`, `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push(c, &mut out));
    out
}

/// Returns the same, cut to a length that fits a message.
pub(crate) fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    let mut out = String::new();
    let mut chars = text.chars();
    chars.by_ref().take(MAX_CHARS).for_each(|c| push(c, &mut out));
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

/// Adds a character as it may be shown.
pub(crate) fn push(c: char, out: &mut String) {
    if is_unseen(c) { out.extend(c.escape_default()) } else { out.push(c) }
}

/// Returns lines of which none begins with `<` and a digit: the journal and `logger` would take
/// that for the line's priority (`sd-daemon(3)`). The sign stands there as `\u{3c}`.
pub(crate) fn without_priority(text: &str) -> Cow<'_, str> {
    let begins = |line: &str| {
        let mut chars = line.trim_start().chars();
        chars.next() == Some('<') && chars.next().is_some_and(|c| c.is_ascii_digit())
    };
    if !text.lines().any(begins) {
        return Cow::Borrowed(text);
    }
    let line = |line: &str| {
        if begins(line) { line.replacen('<', "\\u{3c}", 1) } else { line.to_owned() }
    };
    Cow::Owned(text.split('\n').map(line).collect::<Vec<_>>().join("\n"))
}

/// Returns a text in which no URL has a user, a password or a query any more. Of a file's URL
/// nothing is taken: it has none of them.
pub(crate) fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'));
        let (url, beyond) = after.split_at(end.unwrap_or(after.len()));
        rest = beyond;
        if before.ends_with("file://") {
            out.push_str(url);
            continue;
        }
        let (url, has_query) = match url.split_once('?') {
            Some((url, _)) => (url, true),
            None => (url, false),
        };
        // A password may have a slash in it that should not be there.
        let host = url.split('/').next().unwrap_or_default();
        let is_user = |user: &str| host.contains('@') || user.contains(':');
        match url.rsplit_once('@').filter(|(user, _)| is_user(user)) {
            Some((_, host)) => out.extend(["…@", host]),
            None => out.push_str(url),
        }
        if has_query {
            out.push_str("?…");
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What bytes are on their way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Finished JSON. Outside of ASCII it has nothing but strings, so that `\u202e` for what
    /// cannot be seen leaves its meaning as it is.
    Json,
    /// Lines for people, perhaps in colours: line ends and escape sequences pass, as they are
    /// no text of others any more.
    Text,
}

/// Finished bytes on their way out, however they are cut into pieces. What is not UTF-8 passes.
#[derive(Debug)]
pub(crate) struct Screen {
    form: Form,
    /// The beginning of a character whose end is still to come.
    held: Vec<u8>,
}

impl Screen {
    /// Makes one that has seen nothing yet.
    pub(crate) fn new(form: Form) -> Self {
        Self { form, held: Vec::new() }
    }

    /// Returns the next bytes as they may go out.
    pub(crate) fn pass<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.held.is_empty() && bytes.iter().all(|byte| self.is_plain(*byte)) {
            return Cow::Borrowed(bytes);
        }
        let mut whole = std::mem::take(&mut self.held);
        whole.extend_from_slice(bytes);
        let mut out = Vec::with_capacity(whole.len() + 16);
        let mut rest = whole.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.screen(text, &mut out);
                    break;
                }
                Err(error) => {
                    let (valid, odd) = rest.split_at(error.valid_up_to());
                    self.screen(&String::from_utf8_lossy(valid), &mut out);
                    let Some(length) = error.error_len() else {
                        self.held = odd.to_vec();
                        break;
                    };
                    let (odd, beyond) = odd.split_at(length);
                    out.extend_from_slice(odd);
                    rest = beyond;
                }
            }
        }
        Cow::Owned(out)
    }

    /// Returns what is still held when nothing more comes.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn is_plain(&self, byte: u8) -> bool {
        matches!(byte, b' '..=b'~' | b'\n' | b'\t' | b'\r')
            || (byte == 0x1b && self.form == Form::Text)
    }

    fn screen(&self, text: &str, out: &mut Vec<u8>) {
        let mut from = 0;
        for (at, c) in text.char_indices() {
            let is_plain = u8::try_from(c).is_ok_and(|byte| self.is_plain(byte));
            if is_plain || !is_unseen(c) {
                continue;
            }
            out.extend_from_slice(&text.as_bytes()[from..at]);
            from = at + c.len_utf8();
            match self.form {
                Form::Text => out.extend_from_slice(c.escape_default().to_string().as_bytes()),
                Form::Json => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                    }
                }
            }
        }
        out.extend_from_slice(&text.as_bytes()[from..]);
    }
}

/// Returns finished JSON as it may go out.
pub(crate) fn json(text: &str) -> String {
    let mut screen = Screen::new(Form::Json);
    String::from_utf8_lossy(&screen.pass(text.as_bytes())).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Of each kind the first and the last.
    const UNSEEN: &str = "\0\u{7}\t\n\r\u{1b}\u{7f}\u{80}\u{9b}\u{9f}\u{ad}\u{61c}\u{180e}\u{200b}\
        \u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2064}\u{2066}\u{2069}\
        \u{3164}\u{feff}\u{fff9}\u{fffb}\u{e0000}\u{e0041}\u{e007f}\u{e01ef}";

    #[test]
    fn nothing_that_drives_or_hides_survives_and_nothing_else_is_touched() {
        assert!(UNSEEN.chars().all(is_unseen));
        for text in [visible(UNSEEN), shown(UNSEEN)] {
            assert!(!text.chars().any(is_unseen), "{text}");
        }
        assert_eq!(visible("a\nb\u{1b}\u{202e}"), "a\\nb\\u{1b}\\u{202e}");
        assert_eq!(shown("a\u{2028}b"), "a\\u{2028}b");
        assert_eq!(visible("e\u{301}").chars().count(), 2);
        for text in ["O'Brien \"x\" C:\\y", "e\u{301}é", "日本語", "⚠\u{fe0f}🙂", "पी\u{94d}"]
        {
            assert_eq!(visible(text), text);
            assert_eq!(shown(text), text);
            assert_eq!(Screen::new(Form::Text).pass(text.as_bytes()), text.as_bytes());
        }
        assert_eq!(shown(&"ü".repeat(81)), format!("{}…", "ü".repeat(80)));
    }

    #[test]
    fn json_means_the_same_and_has_nothing_unseen_wherever_it_is_cut() {
        let value = serde_json::json!({ UNSEEN: [format!("é{UNSEEN}🙂"), 1.5] });
        let plain = serde_json::to_string(&value).unwrap();
        let whole = json(&plain);
        assert!(!whole.chars().any(is_unseen), "{whole}");
        assert!(whole.contains("\\u202e") && whole.contains("\\udb40\\udc41"), "{whole}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&whole).unwrap(), value);
        for size in 1..9 {
            let mut screen = Screen::new(Form::Json);
            let mut out = Vec::new();
            for piece in plain.as_bytes().chunks(size) {
                out.extend_from_slice(&screen.pass(piece));
            }
            out.extend(screen.end());
            assert_eq!(String::from_utf8(out).unwrap(), whole, "in pieces of {size}");
        }
    }

    #[test]
    fn lines_for_people_keep_their_colours_and_bytes_that_are_no_text_pass() {
        let mut screen = Screen::new(Form::Text);
        assert_eq!(
            screen.pass("\u{1b}[31mé\u{9b}2J\u{7f}\u{1b}[0m\n".as_bytes()),
            "\u{1b}[31mé\\u{9b}2J\\u{7f}\u{1b}[0m\n".as_bytes()
        );
        assert_eq!(screen.pass(b"a\xffb\xe2\x80"), b"a\xffb".as_slice());
        assert_eq!(screen.end(), b"\xe2\x80");
    }

    #[test]
    fn no_line_begins_with_a_priority() {
        assert_eq!(without_priority("a\n<0>b\n  <3>c"), "a\n\\u{3c}0>b\n  \\u{3c}3>c");
        for text in ["<html>", "a <0> b", "", "<", "x\n"] {
            assert_eq!(without_priority(text), text);
        }
    }

    #[test]
    fn no_address_keeps_its_user_its_password_or_its_query() {
        for (text, left) in [
            ("s3://key:geheim@nas/events", "s3://…@nas/events"),
            ("s3://key:ge/heim@nas/events", "s3://…@nas/events"),
            ("--to=https://geheim@nas:9000/a", "--to=https://…@nas:9000/a"),
            ("at https://nas/a?X-Amz-Signature=geheim: no", "at https://nas/a?… no"),
            ("s3://a/b \"s3://u:geheim@c\"!", "s3://a/b \"s3://…@c\"!"),
            ("s3://bucket/a@b", "s3://bucket/a@b"),
            ("file:///mnt/a?b:c@d", "file:///mnt/a?b:c@d"),
            ("pi@nas:/srv/events", "pi@nas:/srv/events"),
        ] {
            assert_eq!(without_secrets(text), left);
        }
    }
}
