//! Sending to another machine.
//!
//! Everything that is here is compared with what is there: live files by the listing that
//! rsync gives, archived ones by the manifest there and, where that does not settle it, by
//! the segments themselves. What is lacking there is sent as live files.

use super::merge::{Offered, known_contents, offer_live, stop_if_asked};
use super::outlet::Outlet;
use super::pull::{NO_LITTER, fetch_manifest};
use super::remote::RemoteRoot;
use super::rsync::Rsync;
use super::{SyncOptions, SyncReport, nothing_there};
use crate::archive::Manifest;
use crate::ops::Context;
use crate::progress::Progress;
use crate::store::Store;
use crate::{Error, Result};

pub(super) fn push(
    source: &Store,
    destination: &RemoteRoot,
    context: &Context,
    options: &SyncOptions,
    progress: &dyn Progress,
    report: &mut SyncReport,
) -> Result<()> {
    let (live, archive) = (source.live()?, source.archive()?);
    if live.is_none() && archive.is_none() {
        let archive = source.archive_path().display().to_string();
        return Err(nothing_there(&source.root().display().to_string(), &archive));
    }
    let rsync = Rsync { remote: destination, transport: &options.transport, progress };
    // Listed live first, and then the manifest, as all readers do.
    let listed = rsync.list(&destination.root, &NO_LITTER)?.unwrap_or_default();
    let scratch = tempfile::Builder::new()
        .prefix("hlarchive-sync-")
        .tempdir_in(&options.scratch)
        .map_err(|error| Error::io(&options.scratch, "write to", error))?;
    let there = fetch_manifest(&rsync, destination, scratch.path(), true)?;
    let known = there.as_ref().map(|(_, manifest)| known_contents(manifest)).unwrap_or_default();
    let name = report.source.clone();
    let mut outlet = Outlet::new(&rsync, listed, there, scratch.path(), context, options, &name);
    if let Some(archive) = &archive {
        // What both archives hold need not be fetched to be known.
        outlet.lend(archive, &Manifest::load(archive)?);
    }
    let outcome = (|| {
        if let Some(live) = &live {
            offer_live(live, &name, progress, report, &mut |arrival| outlet.add(arrival))?;
        }
        let Some(archive) = &archive else { return Ok(()) };
        let manifest = Manifest::load(archive)?;
        let label = archive.root().display().to_string();
        for (name, record) in super::merge::wanted(&manifest, &known, report) {
            stop_if_asked(progress)?;
            let segment = Offered { from: archive, name, record, label: &label };
            segment.offer(report, &mut true, &mut |arrival| outlet.add(arrival))?;
        }
        Ok(())
    })();
    let finished = outcome.and_then(|()| outlet.finish());
    report.take_outlet(outlet);
    finished
}
