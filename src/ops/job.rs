//! The frame of a verb that writes to the archive, under its lock.
//!
//! It opens the manifest, in which a torn last line is repaired first; afterwards it brings what is
//! derived up to date, and then reports the records that were written. It must never remove a
//! segment that the manifest does not call gone.

use crate::archive::{ArchiveDir, ArchiveLock, Manifest, ManifestWriter, Unfinished};
use crate::ops::audit::{AuditEvent, emit_audit};
use crate::ops::unfinished::{self, Repair};
use crate::ops::{Finding, derived};
use crate::store::Store;
use crate::{Context, Result};

/// A verb at work on an archive.
pub(in crate::ops) struct Job<'a> {
    store: &'a Store,
    context: &'a Context,
    archive: &'a ArchiveDir,
    /// The manifest, open for writing.
    pub(in crate::ops) writer: ManifestWriter<'a>,
    /// Leftovers of an earlier, interrupted run, and what was done about them.
    pub(in crate::ops) recovered: Vec<Finding>,
    /// The number of records before the verb's own.
    before: usize,
}

impl<'a> Job<'a> {
    /// Opens the manifest for writing and repairs a torn last line, unless `accept` refuses the
    /// manifest as it was read.
    pub(in crate::ops) fn begin(
        store: &'a Store,
        context: &'a Context,
        archive: &'a ArchiveDir,
        lock: &'a ArchiveLock,
        accept: &dyn Fn(&Manifest) -> Result<()>,
    ) -> Result<Self> {
        let mut recovered = Vec::new();
        let (writer, torn) =
            ManifestWriter::open_if(archive, lock, context.now(), context.by(), accept)?;
        if let Some(torn) = torn {
            recovered.push(Finding::new(
                archive.manifest_path().display().to_string(),
                format!("the last line was torn by a crash; its {} bytes were dropped", torn.bytes),
            ));
        }
        let before = writer.manifest().records().len();
        Ok(Self { store, context, archive, writer, recovered, before })
    }

    /// Begins the work of a verb that accepts every manifest and itself leaves nothing in the
    /// archive but derived files: leftovers are removed first, best effort and without a word.
    pub(in crate::ops) fn begin_lightly(
        store: &'a Store,
        context: &'a Context,
        archive: &'a ArchiveDir,
        lock: &'a ArchiveLock,
    ) -> Result<Self> {
        unfinished::clear(archive, lock);
        Self::begin(store, context, archive, lock, &|_| Ok(()))
    }

    /// Opens the manifest again, after a failed sync.
    pub(in crate::ops) fn reopen(&mut self) -> Result<()> {
        let Self { archive, context, writer, .. } = self;
        let lock = writer.lock();
        *writer = ManifestWriter::open(archive, lock, context.now(), context.by())?.0;
        Ok(())
    }

    /// Removes what a run that was stopped was still writing.
    pub(in crate::ops) fn remove_leftovers(&mut self) -> Result<()> {
        unfinished::remove_leftovers(self.archive, self.writer.lock(), &mut self.recovered)
    }

    /// Removes the files of segments that the manifest says are gone, and then writes the checksum
    /// files that are missing.
    pub(in crate::ops) fn finish_earlier(&mut self, findings: &mut Vec<Finding>) -> Result<()> {
        let left = self.remove_gone(findings)?;
        self.write_checksums(&left, findings);
        Ok(())
    }

    /// Removes the files of segments that the manifest says are gone; returns what was unfinished.
    pub(in crate::ops) fn remove_gone(
        &mut self,
        findings: &mut Vec<Finding>,
    ) -> Result<Unfinished> {
        let left = self.archive.unfinished(self.manifest())?;
        self.repair(findings).remove_gone(&left);
        Ok(left)
    }

    /// Writes the checksum files that are missing.
    pub(in crate::ops) fn write_checksums(
        &mut self,
        left: &Unfinished,
        findings: &mut Vec<Finding>,
    ) {
        let context = self.context;
        self.repair(findings).write_checksums(left, context);
    }

    fn repair<'b>(&'b mut self, findings: &'b mut Vec<Finding>) -> Repair<'b> {
        let Self { archive, writer, recovered, .. } = self;
        Repair { archive, writer, recovered, findings }
    }

    /// Reports whether there were records before the verb's own.
    pub(in crate::ops) fn had_records(&self) -> bool {
        self.before > 0
    }

    /// Returns the archive.
    pub(in crate::ops) fn archive(&self) -> &'a ArchiveDir {
        self.archive
    }

    /// Returns the manifest as it is now.
    pub(in crate::ops) fn manifest(&self) -> &Manifest {
        self.writer.manifest()
    }

    /// Adds to what is derived what is new, and repairs what differs.
    pub(in crate::ops) fn complete_derived(&self) {
        let (token, lock) = (self.context.next_token(), self.writer.lock());
        derived::complete(self.store, self.archive, self.manifest(), token, lock);
    }

    /// Completes what is derived, and then emits an event as [`emit_audit`](Self::emit_audit) does.
    pub(in crate::ops) fn finish(&self, event: AuditEvent) -> Option<Finding> {
        self.complete_derived();
        self.emit_audit(event)
    }

    /// Finishes as [`finish`](Self::finish) does; if segments are gone, they also leave what is
    /// derived.
    pub(in crate::ops) fn finish_removal(
        &self,
        any_gone: bool,
        event: AuditEvent,
    ) -> Option<Finding> {
        if !any_gone {
            return self.finish(event);
        }
        let tokens = [self.context.next_token(), self.context.next_token()];
        let (manifest, lock) = (self.manifest(), self.writer.lock());
        derived::drop_gone(self.store, self.archive, manifest, tokens, lock);
        self.emit_audit(event)
    }

    /// Emits an event about the verb's records, if there are any and the policy asks for it;
    /// returns what kept it from that.
    pub(in crate::ops) fn emit_audit(&self, event: AuditEvent) -> Option<Finding> {
        emit_audit(self.store, self.context, self.manifest(), self.before, event)
    }
}
