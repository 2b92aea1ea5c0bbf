//! Events as Apache Parquet: zstd, statistics and a page index for the columns that queries use,
//! and a Bloom filter over correlation ids, so that an engine reads little to find one.
//!
//! Rows wait until there are enough for a row group, in memory, or on the disk if many nodes
//! together would take too much of it. A row waits as bytes: the instant, the end of each text, and
//! the texts.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::fields::{COLUMNS, Fields};
use super::outlet::PartFile;
use super::part::Part;
use super::spill::Spill;
use crate::{Error, Result};

/// The columns, in the order of [`COLUMNS`].
const SCHEMA: &str = "
message event {
    required binary path (STRING);
    required int64 timestamp (TIMESTAMP(MICROS, true));
    required binary type (STRING);
    required binary severity (STRING);
    required binary source (STRING);
    required binary service (STRING);
    required binary correlation_id (STRING);
    required binary payload (JSON);
    optional binary extra (JSON);
}";

/// Bytes of rows that become a row group: about 80,000 events.
const GROUP_BYTES: usize = 24 << 20;

/// Number of rows that are handed over together.
const BATCH: usize = 1024;

/// Position of the timestamp in [`COLUMNS`]; all others are texts.
const TIMESTAMP: usize = 1;

/// Number of texts of a row; the last one is optional.
const TEXTS: usize = COLUMNS.len() - 1;

/// Size of a row's head in bytes: the instant, the end of each text, and whether there is a last
/// one.
const HEAD: usize = 8 + 4 * TEXTS + 1;

/// Appends an event as a waiting row.
pub(super) fn row(fields: &Fields<'_>, out: &mut Vec<u8>) {
    let head = &fields.head;
    let texts: [&[u8]; TEXTS] = [
        fields.path.as_bytes(),
        head.event_type.as_bytes(),
        head.severity.as_str().as_bytes(),
        head.source.as_bytes(),
        head.service.as_bytes(),
        head.correlation_id.as_bytes(),
        &fields.payload,
        fields.extra.as_deref().unwrap_or_default(),
    ];
    out.extend_from_slice(&head.timestamp.micros().to_le_bytes());
    let mut end = 0;
    for text in texts {
        end += text.len() as u32;
        out.extend_from_slice(&end.to_le_bytes());
    }
    out.push(u8::from(fields.extra.is_some()));
    for text in texts {
        out.extend_from_slice(text);
    }
}

/// A waiting row.
struct Row<'a>(&'a [u8]);

impl<'a> Row<'a> {
    /// Removes and returns the first row.
    fn next(rows: &mut &'a [u8]) -> Option<Self> {
        let end = Row(rows.get(..HEAD)?).end(TEXTS);
        let (row, rest) = rows.split_at_checked(HEAD + end)?;
        *rows = rest;
        Some(Self(row))
    }

    fn micros(&self) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        i64::from_le_bytes(bytes)
    }

    /// Returns the end of the first `count` texts.
    fn end(&self, count: usize) -> usize {
        let mut bytes = [0; 4];
        if count > 0 {
            bytes.copy_from_slice(&self.0[8 + 4 * (count - 1)..][..4]);
        }
        u32::from_le_bytes(bytes) as usize
    }

    fn text(&self, number: usize) -> &'a [u8] {
        &self.0[HEAD + self.end(number)..HEAD + self.end(number + 1)]
    }

    fn has_extra(&self) -> bool {
        self.0[HEAD - 1] == 1
    }
}

/// A Parquet file under construction.
pub(super) struct ParquetPart {
    rows: Vec<u8>,
    spill: Spill,
    writer: Writer,
}

/// The file while Parquet's writer owns it; the writer returns it only together with its buffers.
struct Slot(Option<PartFile>);

impl Write for Slot {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(file) => file.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The state of the file.
enum Writer {
    /// Nothing is written yet.
    Fresh(PartFile),
    Begun(Box<SerializedFileWriter<Slot>>),
    /// A write failed; the file is abandoned.
    Failed,
}

impl ParquetPart {
    pub(super) fn new(file: PartFile, spill: PartFile) -> Self {
        Self { rows: Vec::new(), spill: Spill::new(spill), writer: Writer::Fresh(file) }
    }

    /// Writes all waiting rows as one row group.
    fn group(&mut self) -> Result<()> {
        let mut rows = self.spill.take()?;
        if rows.is_empty() {
            rows = std::mem::take(&mut self.rows);
        } else {
            rows.append(&mut self.rows);
            self.rows = Vec::new();
        }
        let path = self.spill.path();
        let mut writer = match std::mem::replace(&mut self.writer, Writer::Failed) {
            Writer::Begun(writer) => writer,
            Writer::Fresh(file) => {
                let schema = parse_message_type(SCHEMA).map_err(|e| failed(&path, e))?;
                let slot = Slot(Some(file));
                let writer = SerializedFileWriter::new(slot, Arc::new(schema), properties());
                Box::new(writer.map_err(|error| failed(&path, error))?)
            }
            Writer::Failed => return Err(failed(&path, earlier())),
        };
        if !rows.is_empty() {
            write_group(&mut writer, &rows).map_err(|error| failed(&path, error))?;
        }
        self.writer = Writer::Begun(writer);
        Ok(())
    }
}

impl Part for ParquetPart {
    fn add(&mut self, row: &[u8]) -> Result<()> {
        self.rows.extend_from_slice(row);
        if self.rows.len() + self.spill.bytes() as usize >= GROUP_BYTES {
            self.group()?;
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.rows.capacity()
    }

    fn write_out(&mut self) -> Result<()> {
        self.spill.append(&std::mem::take(&mut self.rows))
    }

    fn rest(&mut self) -> Result<()> {
        self.spill.rest();
        match &mut self.writer {
            Writer::Begun(writer) => {
                let flushed = writer.flush();
                flushed.map_err(|error| Error::io(self.spill.path(), "write", error))?;
                writer.inner_mut().0.as_mut().map_or(Ok(()), PartFile::rest)
            }
            Writer::Fresh(file) => file.rest(),
            Writer::Failed => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<PartFile> {
        self.group()?;
        let path = self.spill.path();
        if let Writer::Begun(mut writer) = self.writer {
            writer.finish().map_err(|error| failed(&path, error))?;
            if let Some(file) = writer.inner_mut().0.take() {
                return Ok(file);
            }
        }
        Err(failed(&path, earlier()))
    }
}

/// Returns the writing options of each column.
fn properties() -> WriterPropertiesPtr {
    let column = |name: &str| ColumnPath::from(name);
    let level = ZstdLevel::try_new(LEVEL).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_dictionary_enabled(column("timestamp"), false)
        .set_column_encoding(column("timestamp"), Encoding::DELTA_BINARY_PACKED)
        .set_column_bloom_filter_fpp(column("correlation_id"), 0.01)
        .set_column_bloom_filter_max_ndv(column("correlation_id"), 1 << 16);
    // Values rarely repeat here, and nobody asks for ranges of them.
    for name in ["path", "payload"] {
        properties = properties.set_column_dictionary_enabled(column(name), false);
    }
    for name in ["payload", "extra"] {
        let statistics = EnabledStatistics::None;
        properties = properties.set_column_statistics_enabled(column(name), statistics);
    }
    Arc::new(properties.build())
}

/// The level of zstd: higher ones take longer and gain little on columns.
const LEVEL: i32 = 3;

fn write_group(writer: &mut SerializedFileWriter<Slot>, rows: &[u8]) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let mut number = 0;
    while let Some(mut column) = group.next_column()? {
        let mut rest = rows;
        loop {
            let batch: Vec<Row<'_>> =
                std::iter::from_fn(|| Row::next(&mut rest)).take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            if number == TIMESTAMP {
                let values: Vec<i64> = batch.iter().map(Row::micros).collect();
                column.typed::<Int64Type>().write_batch(&values, None, None)?;
                continue;
            }
            let text = if number > TIMESTAMP { number - 1 } else { number };
            let may_lack = text + 1 == TEXTS;
            let present = |row: &&Row<'_>| !may_lack || row.has_extra();
            let values: Vec<ByteArray> = batch
                .iter()
                .filter(present)
                .map(|row| ByteArray::from(row.text(text).to_vec()))
                .collect();
            let levels: Option<Vec<i16>> =
                may_lack.then(|| batch.iter().map(|row| i16::from(row.has_extra())).collect());
            let column = column.typed::<ByteArrayType>();
            column.write_batch(&values, levels.as_deref(), None)?;
        }
        column.close()?;
        number += 1;
    }
    group.close()?;
    Ok(())
}

fn earlier() -> ParquetError {
    ParquetError::General("an earlier write failed".to_owned())
}

fn failed(path: &Path, error: ParquetError) -> Error {
    let error = match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other.to_string()),
        },
        other => io::Error::other(other.to_string()),
    };
    Error::io(path, "write", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_the_columns_of_all_formats() {
        let schema = parse_message_type(SCHEMA).ok();
        let names = schema.map(|schema| {
            schema.get_fields().iter().map(|field| field.name().to_owned()).collect::<Vec<_>>()
        });
        assert_eq!(names.as_deref(), Some(&COLUMNS.map(str::to_owned)[..]));
    }
}
