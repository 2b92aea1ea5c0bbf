//! Fetching from another machine.
//!
//! Events that the destination lacks are fetched into a directory that nobody else can enter
//! (`staging`), read there as if it were a store of this machine, and placed from there. Segments stay in it
//! when a run is stopped: rsync continues with what is there. Nothing that the other machine says
//! of its files is believed; what arrives is bounded by it.

use std::collections::{BTreeSet, HashSet};
use std::os::fd::AsFd;
use std::path::Path;

use super::merge::{Target, known_contents, take_live, take_segments, wanted};
use super::remote::RemoteRoot;
use super::rsync::{Ended, FilesThere, Kind, Listed, Rsync};
use super::run::SyncRun;
use super::staging::{Staging, clear};
use super::{SyncOptions, SyncReport, nothing_there};
use crate::archive::{ArchiveDir, Manifest, Record, SegmentName};
use crate::event::{EventPath, Litter, MAX_EVENT_BYTES};
use crate::fs;
use crate::live::{FileState, LiveTree};
use crate::ops::Finding;
use crate::progress::Unit;
use crate::store::Store;
use crate::{Error, Result};

/// Number of live files that are fetched together.
const FILES_TOGETHER: usize = 8192;

/// Files above this size are fetched a few at a time, so that a batch of files that are larger than
/// announced fills no disk. Up to it, two of one name, size and time are still compared by content:
/// anyone who may emit here can put another event in an event's place.
pub(super) const SMALL_BYTES: u64 = 64 << 10;

/// Number of larger files that are fetched together.
const LARGE_FILES_TOGETHER: usize = 4;

/// Bytes of segments that are fetched together; a single one may be larger.
const BYTES_TOGETHER: u64 = 256 << 20;

/// The largest manifest that is fetched: one of some hundred thousand segments.
const MAX_MANIFEST_BYTES: u64 = 512 << 20;

/// The manifest's name in an archive.
pub(super) const MANIFEST: &str = "manifest.jsonl";

/// Paths that rsync skips there: directories of other programs, some of which only root can read.
/// Other ignored files are removed from its listing.
pub(super) const NO_LITTER: [&str; 11] = [
    "--exclude=.*",
    "--exclude=lost+found/",
    "--exclude=@eaDir/",
    "--exclude=@tmp/",
    "--exclude=@Recycle/",
    "--exclude=@Recently-Snapshot/",
    "--exclude=#recycle/",
    "--exclude=#snapshot/",
    "--exclude=$RECYCLE.BIN/",
    "--exclude=$Recycle.Bin/",
    "--exclude=System Volume Information/",
];

/// The source's live files that are to be fetched.
#[derive(Default)]
struct Choice {
    /// Events that the destination lacks.
    missing: Vec<(EventPath, u64)>,
    /// Events that it has under the same name, perhaps with other bytes.
    suspects: Vec<(EventPath, u64)>,
}

pub(super) fn pull(source: &RemoteRoot, destination: &Store, run: &mut SyncRun<'_>) -> Result<()> {
    let (context, options) = (run.context, run.options);
    let rsync = Rsync { remote: source, transport: &options.transport, progress: run.progress };
    rsync.check_here()?;
    // First contact: until here nothing is changed.
    let listed = rsync.list(&source.root, &NO_LITTER)?;
    let archive = destination.archive()?;
    let manifest = archive.as_ref().map(Manifest::load).transpose()?.unwrap_or_default();
    let there = listed.is_some();
    if options.dry_run {
        let staging = Staging::fresh(&options.scratch, context.next_token())?;
        let live = destination.live()?;
        let target = target(source, live.as_ref(), archive.as_ref(), &manifest, run);
        let report = &mut run.report;
        let choice = choose(listed.unwrap_or_default(), &target, options, report)?;
        report.copied += choice.missing.len() as u64;
        report.copied_bytes += choice.missing.iter().map(|(_, bytes)| bytes).sum::<u64>();
        report.events += report.copied + report.already_live + report.already_archived;
        report.undecided += choice.suspects.len() as u64;
        let from = fetch_manifest(&rsync, source, &staging, there)?;
        let Some((_, from)) = from else { return Ok(()) };
        let known = known_contents(&manifest, options.expired);
        for (_, record) in wanted(&from, &known, report) {
            report.segments_read += 1;
            report.undecided = report.undecided.saturating_add(record.events.unwrap_or(0));
        }
        return Ok(());
    }
    let live = destination.create_live()?;
    live.remove_leftovers();
    let mut staging = match &archive {
        Some(archive) => Staging::resume(archive, &run.report.source)?,
        None => Staging::fresh(&options.scratch, context.next_token())?,
    };
    let target = target(source, Some(&live), archive.as_ref(), &manifest, run);
    let choice = choose(listed.unwrap_or_default(), &target, options, &mut run.report)?;
    let fetched = (|| {
        fetch_live(&rsync, &staging, &choice, &target, run)?;
        if let Some((from, from_manifest)) = fetch_manifest(&rsync, source, &staging, there)? {
            let known = known_contents(&manifest, options.expired);
            let wanted = wanted(&from_manifest, &known, &mut run.report);
            fetch_segments(&rsync, &from, &wanted, &target, run)?;
        }
        Ok(())
    })();
    match fetched {
        Ok(()) => staging.remove(),
        // The next run continues with what is there.
        Err(error @ (Error::Away { .. } | Error::Interrupted(_))) => Err(error),
        Err(error) => {
            staging.discard();
            Err(error)
        }
    }
}

fn target<'a>(
    source: &RemoteRoot,
    live: Option<&'a LiveTree>,
    archive: Option<&'a ArchiveDir>,
    manifest: &'a Manifest,
    run: &SyncRun<'a>,
) -> Target<'a> {
    Target {
        live,
        archive,
        manifest,
        context: run.context,
        dry_run: run.options.dry_run,
        with_expired: run.options.expired,
        from: run.report.source.clone(),
        from_archive: format!("{}:{}", source.host, source.archive),
    }
}

/// Compares names, sizes and times with the local files.
fn choose(
    listed: Vec<Listed>,
    target: &Target<'_>,
    options: &SyncOptions,
    report: &mut SyncReport,
) -> Result<Choice> {
    let mut choice = Choice::default();
    let mut intake = target.intake();
    let built_in = Litter::default();
    let litter = target.live.map_or(&built_in, LiveTree::litter);
    let mut files: Vec<(EventPath, Listed)> = listed
        .into_iter()
        .filter(|listed| listed.kind == Kind::File && !litter.covers_file(Path::new(&listed.path)))
        .filter_map(|listed| Some((listed.path.parse().ok()?, listed)))
        .collect();
    files.sort_by(|a, b| (a.0.date, &a.0.node).cmp(&(b.0.date, &b.0.node)));
    let mut partition = None;
    for (path, file) in files {
        if file.bytes > MAX_EVENT_BYTES {
            let reason = format!("it has {} bytes, more than any event", file.bytes);
            report.findings.push(Finding::new(format!("{}/{path}", target.from), reason));
            continue;
        }
        if let Some(live) = target.live
            && partition.as_ref().is_none_or(|(date, _)| *date != path.date)
        {
            partition = Some((path.date, live.partition(path.date)));
        }
        let here = match &partition {
            Some((_, partition)) => partition.stamp_of(&path.node, &path.name)?,
            None => None,
        };
        if let Some(here) = here {
            let same = here.size == file.bytes
                && here.mtime_ns.div_euclid(1_000_000_000) == file.mtime
                && (file.bytes > SMALL_BYTES || options.dry_run)
                && !options.checksum;
            if same {
                report.already_live += 1;
            } else {
                choice.suspects.push((path, file.bytes));
            }
        } else if intake.archived_sizes(&path)?.contains(&file.bytes) && !options.checksum {
            report.already_archived += 1;
        } else {
            choice.missing.push((path, file.bytes));
        }
    }
    report.events += report.already_live + report.already_archived;
    report.take(intake);
    Ok(choice)
}

fn fetch_live(
    rsync: &Rsync<'_>,
    staging: &Staging,
    choice: &Choice,
    target: &Target<'_>,
    run: &mut SyncRun<'_>,
) -> Result<()> {
    for batch in batches(&choice.missing) {
        run.progress.begin("fetching live events", Some(batch.len() as u64), Unit::Events);
        let (events, path) = staging.empty_folder("events")?;
        fetch_events(rsync, &batch, events.as_fd(), &["--compress"])?;
        run.progress.advance(batch.len() as u64);
        run.progress.end();
        take_live(&LiveTree::at(&path, events), target, run)?;
        staging.clear("events")?;
    }
    let Some(live) = target.live else { return Ok(()) };
    for batch in batches(&choice.suspects) {
        run.stop_if_asked()?;
        let (events, path) = staging.empty_folder("suspects")?;
        let events = LiveTree::at(&path, events);
        // With copies of the local files beside them, only differences are transferred.
        for (path, _) in &batch {
            copy(live, path, &events)?;
        }
        fetch_events(rsync, &batch, events.fd(), &["--checksum", "--compress"])?;
        take_live(&events, target, run)?;
        staging.clear("suspects")?;
    }
    Ok(())
}

/// Groups files to be fetched together: many small ones, or a few large ones.
fn batches(files: &[(EventPath, u64)]) -> Vec<Vec<&(EventPath, u64)>> {
    let (small, large): (Vec<_>, Vec<_>) =
        files.iter().partition(|(_, bytes)| *bytes <= SMALL_BYTES);
    let small = small.chunks(FILES_TOGETHER).map(<[_]>::to_vec);
    small.chain(large.chunks(LARGE_FILES_TOGETHER).map(<[_]>::to_vec)).collect()
}

fn fetch_events(
    rsync: &Rsync<'_>,
    batch: &[&(EventPath, u64)],
    to: std::os::fd::BorrowedFd<'_>,
    options: &[&str],
) -> Result<()> {
    let paths: Vec<String> = batch.iter().map(|(path, _)| path.to_string()).collect();
    let largest = batch.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let files = FilesThere { directory: &rsync.remote.root, paths: &paths };
    rsync.fetch(&files, to, largest, options).map(drop)
}

/// Copies a live event, as far as it can be read.
fn copy(live: &LiveTree, path: &EventPath, to: &LiveTree) -> Result<()> {
    let mut bytes = Vec::new();
    if !matches!(
        live.partition(path.date).read_into(&path.node, &path.name, &mut bytes),
        Ok(FileState::Read(_))
    ) {
        return Ok(());
    }
    let failed = |errno| Error::io(to.root().join(path.to_string()), "create", errno);
    let day = path.date.to_string();
    fs::make_dir(to.fd(), &day).map_err(failed)?;
    let day = fs::open_dir(to.fd(), &day).map_err(failed)?;
    fs::make_dir(day.as_fd(), path.node.as_str()).map_err(failed)?;
    let node = fs::open_dir(day.as_fd(), path.node.as_str()).map_err(failed)?;
    let file = fs::create_new(node.as_fd(), path.name.as_str(), 0o600).map_err(failed)?;
    std::io::Write::write_all(&mut std::fs::File::from(file), &bytes)
        .map_err(|error| Error::io(to.root().join(path.to_string()), "write", error))
}

/// Fetches the manifest; returns `None` if there is no archive.
pub(super) fn fetch_manifest(
    rsync: &Rsync<'_>,
    remote: &RemoteRoot,
    staging: &Staging,
    there: bool,
) -> Result<Option<(ArchiveDir, Manifest)>> {
    let (folder, path) = staging.folder("archive")?;
    let ended = rsync.fetch(
        &FilesThere { directory: &remote.archive, paths: &[MANIFEST.to_owned()] },
        folder.as_fd(),
        MAX_MANIFEST_BYTES,
        &["--compress", "--checksum"],
    )?;
    if ended == Ended::Missing {
        return if there {
            Ok(None)
        } else {
            let name = format!("{}:{}", remote.host, remote.root);
            Err(nothing_there(&name, &remote.archive))
        };
    }
    // A file that is too large is left out silently.
    if fs::open_regular(folder.as_fd(), MANIFEST).is_err() {
        return Err(rsync.failed(&format!(
            "{}/{MANIFEST} is not a file of at most {MAX_MANIFEST_BYTES} bytes",
            remote.archive
        )));
    }
    let archive = ArchiveDir::at(&path, folder);
    let manifest = Manifest::load(&archive)?;
    Ok(Some((archive, manifest)))
}

fn fetch_segments(
    rsync: &Rsync<'_>,
    from: &ArchiveDir,
    wanted: &[(&SegmentName, &Record)],
    target: &Target<'_>,
    run: &mut SyncRun<'_>,
) -> Result<()> {
    let mut rest = wanted;
    while !rest.is_empty() {
        run.stop_if_asked()?;
        let (together, later) = rest.split_at(together(rest));
        rest = later;
        let bytes = together.iter().map(|(_, record)| claimed(record)).fold(0, u64::saturating_add);
        run.progress.begin("fetching segments", Some(bytes), Unit::Bytes);
        let names: Vec<String> = together.iter().map(|(name, _)| name.to_string()).collect();
        fetch_files(rsync, from, &names, together.iter().map(|(_, record)| claimed(record)))?;
        run.progress.advance(bytes);
        run.progress.end();
        run.report.segments_fetched += together.len() as u64;
        take_segments(from, together, target, run)?;
        for folder in together.iter().map(|(name, _)| name.folder()).collect::<HashSet<_>>() {
            clear(from.fd(), &folder, from.root())?;
        }
    }
    Ok(())
}

/// Fetches segments of these announced sizes into an archive of ours, if there is room for them.
pub(super) fn fetch_files(
    rsync: &Rsync<'_>,
    to: &ArchiveDir,
    names: &[String],
    sizes: impl Iterator<Item = u64>,
) -> Result<Ended> {
    let (mut all, mut largest) = (0_u64, 0);
    for bytes in sizes {
        all = all.saturating_add(bytes);
        largest = largest.max(bytes);
    }
    let free = to.space()?.bytes;
    if all > free {
        return Err(rsync.failed(&format!(
            "{} and others have {all} bytes, and {free} are free in {}",
            names.first().map_or("", String::as_str),
            to.root().display()
        )));
    }
    // Created here, since rsync would leave their mode to the umask.
    for folder in
        names.iter().filter_map(|name| Some(name.rsplit_once('/')?.0)).collect::<BTreeSet<_>>()
    {
        fs::make_private_dir(to.fd(), folder)
            .map_err(|errno| Error::io(to.root().join(folder), "create", errno))?;
    }
    let files = FilesThere { directory: &rsync.remote.archive, paths: names };
    rsync.fetch(&files, to.fd(), largest, &["--partial"])
}

/// Returns the size that the other machine's manifest claims.
pub(super) fn claimed(record: &Record) -> u64 {
    record.bytes.unwrap_or(BYTES_TOGETHER)
}

/// Returns how many of the next segments are fetched together.
fn together(segments: &[(&SegmentName, &Record)]) -> usize {
    let mut bytes = 0_u64;
    let fits = segments.iter().take_while(|(_, record)| {
        bytes = bytes.saturating_add(claimed(record));
        bytes <= BYTES_TOGETHER
    });
    fits.count().max(1)
}
