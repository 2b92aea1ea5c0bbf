//! Tree and archive remember each other.
//!
//! The archive's side is a member of a record, the tree's side is its note. The record comes first,
//! then the note, and only then the first live file is removed: so a tree whose events are in an
//! archive knows which one. A note that cannot be written stops nothing.

use std::path::Path;

use super::Finding;
use crate::Context;
use crate::archive::{ArchiveDir, Manifest, TreeRecord, origin_text};
use crate::live::{FoundNote, LiveTree, NOTE, TreeIdentity, TreeNote};
use crate::store::{Store, resolved};
use crate::{Error, Result};

/// A tree and an archive that a run is about to work on.
pub(in crate::ops) struct Pair<'a> {
    pub(in crate::ops) store: &'a Store,
    pub(in crate::ops) live: &'a LiveTree,
    pub(in crate::ops) archive: &'a ArchiveDir,
    /// True if the caller confirmed that the two belong together from now on.
    pub(in crate::ops) is_meant: bool,
}

impl<'a> Pair<'a> {
    /// Checks both sides. An archive that takes the days of another tree is refused, unless the
    /// caller confirmed that it is to take those of this one.
    pub(in crate::ops) fn bond(&self, manifest: &Manifest, context: &Context) -> Result<Bond<'a>> {
        let Self { store, live, archive, is_meant } = *self;
        let here = live.identity()?;
        let found = store.note(live, Some(archive));
        let origin = manifest.identity().map(origin_text);
        let mut is_recorded = false;
        if let Some(bound) = manifest.tree() {
            let there = bound.tree;
            let is_same_host = bound.host.is_none_or(|host| host == context.by().host);
            let is_noted = matches!(&found, FoundNote::Believed(note)
                if note.origin == origin && note.since == bound.since);
            let is_ours = is_noted
                || (there.root == here.root && (is_same_host || there.inode == here.inode))
                || (there.inode == here.inode && there.device == here.device);
            if !is_ours && !is_meant {
                return Err(belongs_to_another(archive.root(), store.root(), there, bound.host));
            }
            let is_left = matches!(&found, FoundNote::Believed(note) if note.origin != origin);
            is_recorded = is_ours && there.root == here.root && !(is_meant && is_left);
        }
        Ok(Bond {
            live,
            archive: resolved(archive.root()).to_string_lossy().into_owned(),
            here,
            found,
            is_recorded,
            was_recorded: is_recorded,
            is_meant,
            failure: None,
            recovered: Vec::new(),
        })
    }
}

/// The bond between a tree and its archive, while a run works on both.
pub(in crate::ops) struct Bond<'a> {
    live: &'a LiveTree,
    archive: String,
    here: TreeIdentity,
    found: FoundNote,
    /// True if the archive's records mention this tree.
    is_recorded: bool,
    /// True if they did at the beginning.
    was_recorded: bool,
    /// True if the caller confirmed that the two belong together from now on.
    is_meant: bool,
    /// The error, if the note could not be written.
    failure: Option<Finding>,
    /// Repairs that were made.
    pub(in crate::ops) recovered: Vec<Finding>,
}

impl Bond<'_> {
    /// Returns what the next record must say of the tree, if no record says it yet.
    pub(in crate::ops) fn to_record(&self) -> Option<TreeRecord> {
        (!self.is_recorded).then(|| TreeRecord {
            root: self.here.root.clone(),
            device: self.here.device,
            inode: self.here.inode,
            since: None,
            host: None,
        })
    }

    /// Notes that a record with [`to_record`](Self::to_record) was written.
    pub(in crate::ops) fn recorded(&mut self) {
        self.is_recorded = true;
    }

    /// Writes the tree's note, unless it is up to date or there is nothing to write yet.
    pub(in crate::ops) fn tie(&mut self, manifest: &Manifest, context: &Context) {
        let origin = manifest.identity().map(origin_text);
        if self.failure.is_some() || (origin.is_none() && !self.is_meant) {
            return;
        }
        let bound = manifest.tree().filter(|_| self.is_recorded);
        let was = match &self.found {
            FoundNote::Believed(note) => Some(note.clone()),
            _ => None,
        };
        let kept = was.as_ref().filter(|note| note.origin == origin).map(|note| note.since);
        let since = bound.as_ref().map(|bound| bound.since).or(kept).unwrap_or(context.now());
        let mut note = TreeNote::new(origin, self.archive.clone(), since, self.here.clone());
        if let Some(was) = &was
            && was.tree.root == note.tree.root
        {
            // File systems get other numbers after a reboot.
            note.tree.clone_from(&was.tree);
        }
        if was.as_ref() == Some(&note) {
            return;
        }
        match self.live.write_note(&note, &self.found, context.next_token()) {
            Ok(()) => {
                let how = match &self.found {
                    FoundNote::Doubtful(reason) => Some(format!("{reason}; it was rewritten")),
                    FoundNote::Missing if self.was_recorded => {
                        Some("the tree's note of its archive was missing; it was rewritten".into())
                    }
                    _ => None,
                };
                self.recovered.extend(how.map(|how| Finding::new(NOTE, how)));
                self.found = FoundNote::Believed(note);
            }
            Err(error) => {
                let found = match &self.found {
                    FoundNote::Doubtful(reason) => format!("{reason}, and "),
                    _ => String::new(),
                };
                let reason = error.reason_at(self.live.root().join(NOTE));
                self.failure = Some(Finding::new(
                    NOTE,
                    format!(
                        "{found}the tree's note of its archive cannot take its place: {reason}; \
                         remove what is there"
                    ),
                ));
            }
        }
    }

    /// Tries again to write the note if it failed before: by now there may be room. Returns the
    /// error, if any.
    pub(in crate::ops) fn finish(
        &mut self,
        manifest: &Manifest,
        context: &Context,
    ) -> Option<Finding> {
        self.failure = None;
        self.tie(manifest, context);
        self.failure.take()
    }

    /// Writes the note for an archive that was rebuilt from its copies: what its records say of a
    /// tree holds for this one, whatever machine it is on.
    pub(in crate::ops) fn tie_as_recorded(
        &mut self,
        manifest: &Manifest,
        context: &Context,
    ) -> Option<Finding> {
        self.is_recorded = manifest.tree().is_some();
        self.is_meant = false;
        self.finish(manifest, context)
    }
}

fn belongs_to_another(
    archive: &Path,
    root: &Path,
    there: &TreeRecord,
    host: Option<&str>,
) -> Error {
    let on = host.map(|host| format!(" on {host}")).unwrap_or_default();
    Error::Refused(format!(
        "{}: this archive takes the days of the event tree {}{on}, and two trees must not share \
         one; give {} an archive of its own with --archive, or, if the other tree is this one or \
         is gone, say so with \"hlarchive rotate --new-archive\"",
        archive.display(),
        crate::event::shown(&there.root),
        root.display()
    ))
}
