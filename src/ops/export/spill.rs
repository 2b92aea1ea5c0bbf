//! Rows that wait on the disk until there are enough of them to be written as one group.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::outlet::PartFile;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// A temporary file of rows.
pub(super) struct Spill {
    file: PartFile,
    hasher: Sha256,
}

impl Spill {
    pub(super) fn new(file: PartFile) -> Self {
        Self { file, hasher: Sha256::new() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.file.bytes
    }

    /// Returns its path, beside the file that it becomes.
    pub(super) fn path(&self) -> PathBuf {
        self.file.path()
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.file.append(bytes)
    }

    /// Closes it without a sync: it is temporary, and what is read back is compared.
    pub(super) fn rest(&mut self) {
        self.file.file = None;
    }

    /// Drains the file.
    pub(super) fn take(&mut self) -> Result<Vec<u8>> {
        if !self.file.is_made {
            return Ok(Vec::new());
        }
        let path = self.file.path();
        self.file.file = None;
        let mut file = File::from(self.file.reopen()?);
        let mut bytes = Vec::with_capacity(self.file.bytes as usize);
        let read = (&mut file).take(self.file.bytes).read_to_end(&mut bytes);
        read.map_err(|error| Error::io(&path, "read", error))?;
        let hasher = std::mem::take(&mut self.hasher);
        if Sha256Hash::of(&bytes) != Sha256Hash::finish(hasher) {
            return Err(Error::corrupt(path, "read-back verification failed"));
        }
        file.set_len(0).map_err(|error| Error::io(&path, "write", error))?;
        self.file.bytes = 0;
        Ok(bytes)
    }
}
