//! Comma-separated values after RFC 4180: a header, quotes where a value needs them, and
//! lines that end in CR LF.

use super::fields::{COLUMNS, Fields};

/// The header.
pub(super) fn header(out: &mut Vec<u8>) {
    record(out, COLUMNS.map(str::as_bytes));
}

/// One event.
pub(super) fn row(fields: &Fields<'_>, out: &mut Vec<u8>) {
    let head = &fields.head;
    record(
        out,
        [
            fields.path.as_bytes(),
            head.timestamp.to_string().as_bytes(),
            head.event_type.as_bytes(),
            head.severity.as_str().as_bytes(),
            head.source.as_bytes(),
            head.service.as_bytes(),
            head.correlation_id.as_bytes(),
            &fields.payload,
            fields.extra.as_deref().unwrap_or_default(),
        ],
    );
}

fn record<'a>(out: &mut Vec<u8>, values: impl IntoIterator<Item = &'a [u8]>) {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .buffer_capacity(1 << 10)
        .from_writer(out);
    // Writing into memory cannot fail; each record has as many values as the header.
    let _ = writer.write_record(values).and_then(|()| Ok(writer.flush()?));
}
