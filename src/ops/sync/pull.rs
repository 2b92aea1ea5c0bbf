//! Fetching from another machine.
//!
//! What the destination lacks is fetched into a directory of its root that no reader looks
//! into, looked at there as if it were a store of this machine, and placed from there. The
//! directory stays when a run is stopped: rsync goes on with what is in it.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::merge::{self, Target, known_contents, take_live, take_segments, wanted};
use super::remote::RemoteRoot;
use super::rsync::{Ended, Listed, Rsync};
use super::{SyncOptions, SyncReport, nothing_there};
use crate::archive::{ArchiveDir, Manifest, Record, SegmentName};
use crate::event::{EventPath, Litter, MAX_EVENT_BYTES};
use crate::fs;
use crate::live::LiveTree;
use crate::ops::{Context, Finding};
use crate::progress::{Progress, Unit};
use crate::segment::Sha256Hash;
use crate::store::Store;
use crate::{Error, Result};

/// Live files that are fetched together.
const FILES_TOGETHER: usize = 8192;

/// Bytes of segments that are fetched together; a single one may be larger.
const BYTES_TOGETHER: u64 = 256 << 20;

/// The manifest's name in an archive.
pub(super) const MANIFEST: &str = "manifest.jsonl";

/// What rsync does not look into there: directories of other programs, of which some may be read
/// by root alone. Whatever else is passed over is left out of what it lists.
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

/// Where fetched files wait.
pub(super) struct Staging {
    path: PathBuf,
    _lock: OwnedFd,
}

impl Staging {
    /// Takes the directory of this source, which an earlier run may have left.
    fn open(root: &Path, source: &str) -> Result<Self> {
        let digest = Sha256Hash::of(source.as_bytes()).to_string();
        let path = root.join(format!("{}{}", fs::SYNC_PREFIX, &digest[..16]));
        let failed = |errno: Errno| Error::io(&path, "create", errno);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::io(&path, "create", error));
            }
            _ => {}
        }
        let root = fs::open_root(root).map_err(failed)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let lock = fs::open_dir(std::os::fd::AsFd::as_fd(&root), &name).map_err(failed)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(Errno::WOULDBLOCK) => Err(Error::Busy { path, holder: None }),
            Err(errno) => Err(failed(errno)),
        }
    }

    fn below(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).map_err(|error| Error::io(&path, "create", error))?;
        Ok(path)
    }

    fn remove(self) -> Result<()> {
        remove_all(&self.path)
    }
}

fn remove_all(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(path, "remove", error))
        }
        _ => Ok(()),
    }
}

/// What of the source's live files is to be fetched.
#[derive(Default)]
struct Choice {
    /// What the destination lacks.
    missing: Vec<(String, u64)>,
    /// What it has under the same name, and perhaps with other bytes.
    suspects: Vec<String>,
}

pub(super) fn pull(
    source: &RemoteRoot,
    destination: &Store,
    context: &Context,
    options: &SyncOptions,
    progress: &dyn Progress,
    report: &mut SyncReport,
) -> Result<()> {
    let rsync = Rsync { remote: source, transport: &options.transport, progress };
    // First contact: until here nothing is changed.
    let listed = rsync.list(&source.root, &NO_LITTER)?;
    let archive = destination.archive()?;
    let manifest = archive.as_ref().map(Manifest::load).transpose()?.unwrap_or_default();
    let there = listed.is_some();
    if options.dry_run {
        let scratch = tempfile::Builder::new()
            .prefix("hlarchive-sync-")
            .tempdir_in(&options.scratch)
            .map_err(|error| Error::io(&options.scratch, "write to", error))?;
        let live = destination.live()?;
        let target =
            target(source, live.as_ref(), archive.as_ref(), &manifest, context, options, report);
        let choice = choose(listed.unwrap_or_default(), &target, options, report)?;
        report.copied += choice.missing.len() as u64;
        report.copied_bytes += choice.missing.iter().map(|(_, bytes)| bytes).sum::<u64>();
        report.events += report.copied + report.already_live + report.already_archived;
        report.undecided += choice.suspects.len() as u64;
        let from = fetch_manifest(&rsync, source, scratch.path(), there)?;
        let Some((_, from)) = from else { return Ok(()) };
        for (_, record) in wanted(&from, &known_contents(&manifest), report) {
            report.segments_read += 1;
            report.undecided = report.undecided.saturating_add(record.events.unwrap_or(0));
        }
        return Ok(());
    }
    let live = destination.create_live()?;
    live.remove_leftovers();
    let staging = Staging::open(destination.root(), &report.source)?;
    let target = target(source, Some(&live), archive.as_ref(), &manifest, context, options, report);
    let choice = choose(listed.unwrap_or_default(), &target, options, report)?;
    fetch_live(&rsync, source, &staging, &choice, &target, progress, report)?;
    let archive_here = staging.below("archive")?;
    if let Some((from, from_manifest)) = fetch_manifest(&rsync, source, &archive_here, there)? {
        let wanted = wanted(&from_manifest, &known_contents(&manifest), report);
        fetch_segments(&rsync, &from, &wanted, &target, progress, report)?;
    }
    staging.remove()
}

fn target<'a>(
    source: &RemoteRoot,
    live: Option<&'a LiveTree>,
    archive: Option<&'a ArchiveDir>,
    manifest: &'a Manifest,
    context: &'a Context,
    options: &SyncOptions,
    report: &SyncReport,
) -> Target<'a> {
    Target {
        live,
        archive,
        manifest,
        context,
        dry_run: options.dry_run,
        from: report.source.clone(),
        from_archive: format!("{}:{}", source.host, source.archive),
    }
}

/// Compares names, sizes and times with what is here.
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
        .filter(|listed| listed.is_file && !litter.covers_file(Path::new(&listed.path)))
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
                && !options.checksum;
            if same {
                report.already_live += 1;
            } else {
                choice.suspects.push(file.path);
            }
        } else if intake.archived_sizes(&path)?.contains(&file.bytes) && !options.checksum {
            report.already_archived += 1;
        } else {
            choice.missing.push((file.path, file.bytes));
        }
    }
    report.events += report.already_live + report.already_archived;
    report.take(intake);
    Ok(choice)
}

fn fetch_live(
    rsync: &Rsync<'_>,
    source: &RemoteRoot,
    staging: &Staging,
    choice: &Choice,
    target: &Target<'_>,
    progress: &dyn Progress,
    report: &mut SyncReport,
) -> Result<()> {
    let missing: Vec<String> = choice.missing.iter().map(|(path, _)| path.clone()).collect();
    for paths in missing.chunks(FILES_TOGETHER) {
        progress.begin("fetching live events", Some(paths.len() as u64), Unit::Events);
        let events = staging.below("events")?;
        rsync.fetch(&source.root, paths, &events, &["--compress"])?;
        progress.advance(paths.len() as u64);
        progress.end();
        take_staged(&events, target, progress, report)?;
    }
    if let Some(live) = target.live {
        // Only what differs in bytes comes, or is copied from here.
        let here = live.root().canonicalize().unwrap_or_else(|_| live.root().to_owned());
        let compare = format!("--compare-dest={}", here.display());
        for paths in choice.suspects.chunks(FILES_TOGETHER) {
            let before = report.events;
            let events = staging.below("suspects")?;
            rsync.fetch(&source.root, paths, &events, &["--checksum", "--compress", &compare])?;
            take_staged(&events, target, progress, report)?;
            let same = (paths.len() as u64).saturating_sub(report.events - before);
            report.events += same;
            report.already_live += same;
        }
    }
    Ok(())
}

fn take_staged(
    events: &Path,
    target: &Target<'_>,
    progress: &dyn Progress,
    report: &mut SyncReport,
) -> Result<()> {
    if let Some(tree) = LiveTree::open(events)? {
        take_live(&tree, target, progress, report)?;
    }
    remove_all(events)
}

/// Fetches the manifest; `None` where there is no archive.
pub(super) fn fetch_manifest(
    rsync: &Rsync<'_>,
    remote: &RemoteRoot,
    to: &Path,
    there: bool,
) -> Result<Option<(ArchiveDir, Manifest)>> {
    let ended =
        rsync.fetch(&remote.archive, &[MANIFEST.to_owned()], to, &["--compress", "--checksum"])?;
    if ended == Ended::Missing {
        return if there {
            Ok(None)
        } else {
            let name = format!("{}:{}", remote.host, remote.root);
            Err(nothing_there(&name, &remote.archive))
        };
    }
    let Some(archive) = ArchiveDir::open(to)? else { return Ok(None) };
    let manifest = Manifest::load(&archive)?;
    Ok(Some((archive, manifest)))
}

fn fetch_segments(
    rsync: &Rsync<'_>,
    from: &ArchiveDir,
    wanted: &[(&SegmentName, &Record)],
    target: &Target<'_>,
    progress: &dyn Progress,
    report: &mut SyncReport,
) -> Result<()> {
    let mut rest = wanted;
    while !rest.is_empty() {
        merge::stop_if_asked(progress)?;
        let (together, later) = rest.split_at(together(rest));
        rest = later;
        let bytes = together.iter().filter_map(|(_, record)| record.bytes);
        let bytes = bytes.fold(0, u64::saturating_add);
        progress.begin("fetching segments", Some(bytes), Unit::Bytes);
        let names: Vec<String> = together.iter().map(|(name, _)| name.to_string()).collect();
        rsync.fetch(&rsync.remote.archive, &names, from.root(), &[])?;
        progress.advance(bytes);
        progress.end();
        report.segments_fetched += together.len() as u64;
        take_segments(from, together, target, progress, report)?;
        for folder in together.iter().map(|(name, _)| name.folder()).collect::<HashSet<_>>() {
            remove_all(&from.root().join(folder))?;
        }
    }
    Ok(())
}

/// How many of the next segments are fetched together.
fn together(segments: &[(&SegmentName, &Record)]) -> usize {
    let mut bytes = 0_u64;
    let fits = segments.iter().take_while(|(_, record)| {
        bytes = bytes.saturating_add(record.bytes.unwrap_or(0));
        bytes <= BYTES_TOGETHER
    });
    fits.count().max(1)
}
