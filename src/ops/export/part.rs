//! One file in the making: what it is to write is held in memory until it is enough.

use super::outlet::PartFile;
use crate::Result;

/// Bytes that a file of lines holds before it writes them.
const MAX_LINES: usize = 4 << 20;

/// One file in the making.
pub(super) trait Part: Send {
    /// Takes what an event became. Writes when that is enough.
    fn add(&mut self, row: &[u8]) -> Result<()>;
    /// Bytes that it holds in memory.
    fn held(&self) -> usize;
    /// Holds nothing any more.
    fn write_out(&mut self) -> Result<()>;
    /// Has no file open any more.
    fn rest(&mut self) -> Result<()>;
    /// Writes what is left.
    fn finish(self: Box<Self>) -> Result<PartFile>;
}

/// A file of lines.
pub(super) struct Lines {
    pub(super) lines: Vec<u8>,
    file: PartFile,
}

impl Lines {
    pub(super) fn new(file: PartFile) -> Self {
        Self { lines: Vec::new(), file }
    }
}

impl Part for Lines {
    fn add(&mut self, row: &[u8]) -> Result<()> {
        self.lines.extend_from_slice(row);
        if self.lines.len() >= MAX_LINES {
            self.write_out()?;
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.lines.capacity()
    }

    fn write_out(&mut self) -> Result<()> {
        self.file.append(&std::mem::take(&mut self.lines))
    }

    fn rest(&mut self) -> Result<()> {
        self.file.rest()
    }

    fn finish(mut self: Box<Self>) -> Result<PartFile> {
        self.write_out()?;
        Ok(self.file)
    }
}
