//! Comma-separated values after RFC 4180: a header, quotes where a value needs them, and
//! lines that end in CR LF.

use std::borrow::Cow;

use super::fields::{COLUMNS, Fields};

/// The header.
pub(super) fn header(out: &mut Vec<u8>) {
    record(out, COLUMNS.map(str::as_bytes));
}

/// One event.
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

/// A value that a spreadsheet takes for text: an apostrophe stands before what begins like a
/// formula, as OWASP has it.
fn escaped(value: &[u8]) -> Cow<'_, [u8]> {
    if matches!(value.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n')) {
        Cow::Owned([b"'", value].concat())
    } else {
        Cow::Borrowed(value)
    }
}

fn record<'a>(out: &mut Vec<u8>, values: impl IntoIterator<Item = &'a [u8]>) {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .buffer_capacity(1 << 10)
        .from_writer(out);
    // Writing into memory cannot fail; each record has as many values as the header.
    let _ = writer.write_record(values).and_then(|()| Ok(writer.flush()?));
}

#[cfg(test)]
mod tests {
    use super::*;

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
