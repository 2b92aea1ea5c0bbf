//! One file under construction: its data is held in memory until there is enough to write.

use super::outlet::PartFile;
use crate::Result;

/// Bytes that a file of lines holds before it writes them.
const MAX_LINES: usize = 4 << 20;

/// One file under construction.
pub(super) trait Part: Send {
    /// Adds an event in the file's format. Writes once there is enough.
    fn add(&mut self, row: &[u8]) -> Result<()>;
    /// Returns the number of bytes that it holds in memory.
    fn held(&self) -> usize;
    /// Writes out everything it holds.
    fn write_out(&mut self) -> Result<()>;
    /// Closes any open file.
    fn rest(&mut self) -> Result<()>;
    /// Writes the remaining data.
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
