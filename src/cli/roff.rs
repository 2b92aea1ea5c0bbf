//! The subset of roff that the manual pages need: text that can never be taken for a
//! request, in lines short enough to compare.

/// The columns of words on a line of source.
const WIDTH: usize = 78;

/// A page under construction.
#[derive(Default)]
pub(super) struct Roff {
    source: String,
}

impl Roff {
    /// Starts a page with its title. The date is the one text that must not be escaped.
    pub(super) fn title(&mut self, name: &str, date: &str, source: &str, manual: &str) {
        let name = escape(&name.to_uppercase());
        self.request(&format!("TH {name} 1 {date} \"{source}\" \"{manual}\""));
    }

    /// Begins a section.
    pub(super) fn section(&mut self, name: &str) {
        self.request(&format!("SH {name}"));
    }

    /// Begins a paragraph.
    pub(super) fn paragraph(&mut self) {
        self.request("PP");
    }

    fn request(&mut self, request: &str) {
        self.source.push('.');
        self.source.push_str(request);
        self.source.push('\n');
    }

    /// Writes running text, filled.
    pub(super) fn text(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && escape(&line).len() + 1 + escape(word).len() > WIDTH {
                self.line(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }

    /// Writes an item of a list and its text.
    pub(super) fn item(&mut self, term: &[Part<'_>], text: &str) {
        self.request("TP");
        let mut line = String::new();
        for part in term {
            match part {
                Part::Plain(text) => line.push_str(&escape(text)),
                Part::Bold(text) => line.push_str(&format!("\\fB{}\\fR", escape(text))),
                Part::Italic(text) => line.push_str(&format!("\\fI{}\\fR", escape(text))),
            }
        }
        self.source.push_str(&line);
        self.source.push('\n');
        self.text(text);
    }

    /// Writes lines that stay as they are.
    pub(super) fn verbatim<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        self.request("RS 4");
        self.request("nf");
        for line in lines {
            self.line(line);
        }
        self.request("fi");
        self.request("RE");
    }

    fn line(&mut self, text: &str) {
        if text.starts_with(['.', '\'']) {
            self.source.push_str("\\&");
        }
        self.source.push_str(&escape(text));
        self.source.push('\n');
    }

    /// Returns the page's source.
    pub(super) fn finish(self) -> String {
        self.source
    }
}

/// A part of an item's term.
pub(super) enum Part<'a> {
    Plain(&'a str),
    Bold(&'a str),
    Italic(&'a str),
}

/// Escapes every character that has a meaning in roff or would be typeset as another one.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '\'' => escaped.push_str("\\(aq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_taken_for_a_request_or_an_escape() {
        let mut roff = Roff::default();
        roff.text(".SH 'x' \\fB a-b");
        roff.verbatim(["'tis", "  --x \\"].into_iter());
        assert_eq!(
            roff.finish(),
            "\\&.SH \\(aqx\\(aq \\efB a\\-b\n.RS 4\n.nf\n\\&\\(aqtis\n  \\-\\-x \\e\n.fi\n.RE\n"
        );
    }

    #[test]
    fn long_text_is_broken_between_words() {
        let mut roff = Roff::default();
        roff.text(&"word ".repeat(40));
        let source = roff.finish();
        assert!(source.lines().all(|line| line.len() <= WIDTH), "{source}");
        assert_eq!(source.split_whitespace().count(), 40);
    }
}
