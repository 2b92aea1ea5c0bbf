//! Sending to another machine.
//!
//! Everything here is compared with what is there: live files by the listing from rsync, archived
//! ones by the manifest there and, if that does not settle it, by the segments themselves. What is
//! lacking there is sent as live files.

use super::merge::{Offered, known_contents, offer_live};
use super::nothing_there;
use super::pull::{NO_LITTER, fetch_manifest};
use super::remote::RemoteRoot;
use super::rsync::Rsync;
use super::run::SyncRun;
use super::sender::Sender;
use super::staging::Staging;
use crate::Result;
use crate::archive::Manifest;
use crate::ops::Finding;
use crate::store::Store;

pub(super) fn push(source: &Store, destination: &RemoteRoot, run: &mut SyncRun<'_>) -> Result<()> {
    let options = run.options;
    let (live, archive) = (source.live()?, source.archive()?);
    if live.is_none() && archive.is_none() {
        let archive = source.archive_path().display().to_string();
        return Err(nothing_there(&source.root().display().to_string(), &archive));
    }
    let rsync =
        Rsync { remote: destination, transport: &options.transport, progress: run.progress };
    rsync.check_here()?;
    // The live listing first, and then the manifest, as in all readers.
    let listed = rsync.list(&destination.root, &NO_LITTER)?.unwrap_or_default();
    if !rsync.check_there()? {
        run.report.remarks.push(Finding::new(
            &destination.host,
            "it does not say which rsync is installed there; one before 3.5.0 writes through \
             links that whoever may emit there can plant",
        ));
    }
    let staging = Staging::fresh(&options.scratch, run.context.next_token())?;
    let there = fetch_manifest(&rsync, destination, &staging, true)?;
    let known = there.as_ref().map(|(_, manifest)| known_contents(manifest, options.expired));
    let known = known.unwrap_or_default();
    let name = run.report.source.clone();
    let mut sender = Sender::new(&rsync, listed, there, &staging, run);
    if let Some(archive) = &archive {
        // What both archives hold need not be fetched to be known.
        sender.register_reusable(archive, &Manifest::load(archive)?);
    }
    let outcome = (|| {
        if let Some(live) = &live {
            offer_live(live, &name, run, &mut |arrival| sender.add(arrival))?;
        }
        let Some(archive) = &archive else { return Ok(()) };
        let manifest = Manifest::load(archive)?;
        let label = archive.root().display().to_string();
        for (name, record) in super::merge::wanted(&manifest, &known, &mut run.report) {
            run.stop_if_asked()?;
            let segment = Offered { from: archive, name, record, label: &label };
            segment.offer(&mut run.report, &mut |arrival| sender.add(arrival))?;
        }
        Ok(())
    })();
    let finished = outcome.and_then(|()| sender.finish());
    run.report.take_counts(sender);
    finished
}
