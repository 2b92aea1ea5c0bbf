//! Comma-separated values according to RFC 4180: a header, quotes if a value needs them, and lines
//! that end in CR LF.

use std::borrow::Cow;

use super::fields::{COLUMNS, Fields};

/// Appends the header.
pub(super) fn header(out: &mut Vec<u8>) {
    record(out, COLUMNS.map(str::as_bytes));
}

/// Appends one event.
pub(super) fn row(fields: &Fields<'_>, escape_formulas: bool, out: &mut Vec<u8>) {
    let head = &fields.head;
    let time = head.timestamp.to_string();
    let row: [&[u8]; COLUMNS.len()] = [
        fields.path.as_bytes(),
        time.as_bytes(),
        head.event_type.as_bytes(),
        head.severity.as_str().as_bytes(),
        head.source.as_bytes(),
        head.service.as_bytes(),
        head.correlation_id.as_bytes(),
        &fields.payload,
        fields.extra.as_deref().unwrap_or_default(),
    ];
    if escape_formulas {
        let row = row.map(escaped);
        record(out, row.iter().map(|value| &**value));
    } else {
        record(out, row);
    }
}

/// Makes a spreadsheet read a value as text: a value that begins like a formula gets an apostrophe
/// before it, as OWASP recommends.
pub(crate) fn escaped(value: &[u8]) -> Cow<'_, [u8]> {
    if matches!(value.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n')) {
        Cow::Owned([b"'", value].concat())
    } else {
        Cow::Borrowed(value)
    }
}

/// Appends a record: values separated by commas, in quotes if they need them.
pub(crate) fn record<'a>(out: &mut Vec<u8>, values: impl IntoIterator<Item = &'a [u8]>) {
    for (number, value) in values.into_iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        push(value, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a value, in quotes if it needs them. Each byte is compared once for each kind of byte
/// that needs quotes, whatever the length: emitters decide about that.
fn push(value: &[u8], out: &mut Vec<u8>) {
    if memchr::memchr3(b',', b'\r', b'\n', value).is_none() && memchr::memchr(b'"', value).is_none()
    {
        out.extend_from_slice(value);
        return;
    }
    out.reserve(value.len() + 2);
    out.push(b'"');
    let mut from = 0;
    for quote in memchr::memchr_iter(b'"', value) {
        out.extend_from_slice(&value[from..=quote]);
        out.push(b'"');
        from = quote + 1;
    }
    out.extend_from_slice(&value[from..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(values: &[&str]) -> String {
        let mut out = Vec::new();
        record(&mut out, values.iter().map(|value| value.as_bytes()));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_value_has_quotes_where_it_needs_them_and_its_own_are_doubled() {
        assert_eq!(pushed(&["a", "", "b c", "'", "é;\t"]), "a,,b c,',é;\t\r\n");
        assert_eq!(pushed(&["a,b", "a\rb", "a\nb"]), "\"a,b\",\"a\rb\",\"a\nb\"\r\n");
        assert_eq!(pushed(&["\"", "x\"\"y\"", "a"]), "\"\"\"\",\"x\"\"\"\"y\"\"\",a\r\n");
    }

    #[test]
    fn what_begins_like_a_formula_gets_an_apostrophe_and_nothing_else_does() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(escaped(formula.as_bytes()), format!("'{formula}").as_bytes());
        }
        for text in ["", "a=1", "'x", "{\"a\":1}", "2026-05-16T10:00:00Z"] {
            assert_eq!(escaped(text.as_bytes()), text.as_bytes());
        }
    }
}
