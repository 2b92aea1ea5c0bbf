//! The progress of a run: what it has written so far.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::outlet::Outlet;
use super::{EvidenceDay, EvidenceOptions, EvidenceReport};
use crate::Result;
use crate::archive::SegmentName;
use crate::event::Date;
use crate::progress::Progress;
use crate::segment::Sha256Hash;
use crate::store::Store;

/// An event that was written.
pub(super) struct Written {
    pub(super) path: String,
    pub(super) hash: Sha256Hash,
    /// The segment that holds it; none while live.
    pub(super) segment: Option<SegmentName>,
}

/// One of several events of one name.
pub(super) struct Conflict {
    /// Its path in the directory, and below its segment.
    pub(super) file: String,
    pub(super) path: String,
    pub(super) segment: Option<SegmentName>,
}

pub(super) struct Run<'a> {
    pub(super) store: &'a Store,
    pub(super) options: &'a EvidenceOptions,
    pub(super) progress: &'a dyn Progress,
    pub(super) report: EvidenceReport,
    /// The directory, created with the first file.
    pub(super) outlet: Option<Outlet>,
    pub(super) days: BTreeMap<Date, EvidenceDay>,
    pub(super) written: Vec<Written>,
    pub(super) conflicts: Vec<Conflict>,
    /// The files of segments that could not be read in full.
    pub(super) damaged: BTreeSet<PathBuf>,
    /// The correlation ids that were found.
    pub(super) ids: BTreeSet<String>,
}

impl Run<'_> {
    pub(super) fn stops(&mut self) -> bool {
        self.report.stopped |= self.progress.stop_requested();
        self.report.stopped
    }

    pub(super) fn outlet(&mut self) -> Result<&mut Outlet> {
        let outlet = match self.outlet.take() {
            Some(outlet) => outlet,
            None => Outlet::create(&self.options.target)?,
        };
        Ok(self.outlet.insert(outlet))
    }
}
