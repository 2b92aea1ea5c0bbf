//! The files that are being written: many at once, in bounded memory.
//!
//! Events come in the order of time, so the nodes of a day, and of its neighbours, are written side
//! by side. Each file holds its data in memory until there is enough to write; when all together
//! hold too much, the one that holds most writes it out.

use std::collections::BTreeMap;

use super::layout::Partition;
use super::outlet::{Outlet, PartFile};
use super::part::{Lines, Part};
use super::{ExportFormat, csv};
use crate::{Context, Error, Result};

/// Bytes that all files together hold in memory.
const MAX_HELD: usize = 48 << 20;

/// Files that stay open while more data is to come; any other is reopened when it writes.
const MAX_OPEN: usize = 64;

/// All files under construction.
pub(super) struct Parts<'a> {
    outlet: &'a Outlet<'a>,
    context: &'a Context,
    format: ExportFormat,
    open: BTreeMap<Partition, Open>,
    held: usize,
}

/// An open partition.
struct Open {
    /// The file; none if it is skipped or cannot be created.
    part: Option<Box<dyn Part>>,
    events: u64,
}

/// A finished partition.
pub(super) struct Done {
    pub(super) partition: Partition,
    pub(super) events: u64,
    /// The file; none if it was skipped.
    pub(super) file: Option<PartFile>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(outlet: &'a Outlet<'a>, context: &'a Context, format: ExportFormat) -> Self {
        Self { outlet, context, format, open: BTreeMap::new(), held: 0 }
    }

    pub(super) fn is_open(&self, partition: &Partition) -> bool {
        self.open.contains_key(partition)
    }

    /// Begins a partition, or notes that it is skipped.
    pub(super) fn begin(&mut self, partition: Partition, pass_over: bool) -> Result<()> {
        let part = if pass_over { None } else { Some(self.part(&partition)?) };
        self.held += part.as_ref().map_or(0, |part| part.held());
        self.open.insert(partition, Open { part, events: 0 });
        Ok(())
    }

    fn part(&self, partition: &Partition) -> Result<Box<dyn Part>> {
        let file = || self.outlet.begin(partition, self.context.next_token());
        Ok(match self.format {
            ExportFormat::Parquet => parquet(file(), file())?,
            ExportFormat::Ndjson | ExportFormat::CloudEvents => Box::new(Lines::new(file())),
            ExportFormat::Csv { .. } => {
                let mut lines = Lines::new(file());
                csv::header(&mut lines.lines);
                Box::new(lines)
            }
        })
    }

    /// Adds an event to an open partition.
    pub(super) fn add(&mut self, partition: &Partition, row: &[u8]) -> Result<()> {
        let many = self.open.len() > MAX_OPEN;
        let Some(open) = self.open.get_mut(partition) else { return Ok(()) };
        open.events += 1;
        let Some(part) = &mut open.part else { return Ok(()) };
        let before = part.held();
        part.add(row)?;
        if many && part.held() < before {
            part.rest()?;
        }
        self.held = self.held - before + part.held();
        while self.held > MAX_HELD {
            let parts = self.open.values_mut().filter_map(|open| open.part.as_mut());
            let Some(largest) = parts.max_by_key(|part| part.held()) else { break };
            let before = largest.held();
            largest.write_out()?;
            if many {
                largest.rest()?;
            }
            self.held = self.held - before + largest.held();
        }
        Ok(())
    }

    /// Returns the first open partition.
    pub(super) fn first(&self) -> Option<&Partition> {
        self.open.keys().next()
    }

    /// Removes the first partition and writes its remaining data.
    pub(super) fn finish_first(&mut self) -> Result<Option<Done>> {
        let Some((partition, open)) = self.open.pop_first() else { return Ok(None) };
        let file = match open.part {
            Some(part) => {
                self.held -= part.held();
                Some(part.finish()?)
            }
            None => None,
        };
        Ok(Some(Done { partition, events: open.events, file }))
    }

    /// Abandons the first partition.
    pub(super) fn give_up_first(&mut self) {
        if let Some((_, Open { part: Some(part), .. })) = self.open.pop_first() {
            self.held -= part.held();
        }
    }
}

#[cfg(feature = "parquet")]
#[allow(clippy::unnecessary_wraps, reason = "as where it was not built")]
fn parquet(file: PartFile, spill: PartFile) -> Result<Box<dyn Part>> {
    Ok(Box::new(super::parquet::ParquetPart::new(file, spill)))
}

#[cfg(not(feature = "parquet"))]
fn parquet(_file: PartFile, _spill: PartFile) -> Result<Box<dyn Part>> {
    Err(not_built())
}

/// Returns the error of a program that was built without Parquet.
pub(super) fn not_built() -> Error {
    Error::NotBuilt {
        what: "--format parquet".to_owned(),
        part: "Parquet",
        feature: "parquet",
        otherwise: ", or export another format",
    }
}
