//! `hlarchive remote`.

use crate::ops::remote::{
    Believed, EvictReport, HostStatus, PullReport, PushReport, RemoteRebuildReport, RemoteStatus,
    RemoteVerifyOptions, RemoteVerifyReport,
};
use clap::Subcommand;

use super::{name_findings, name_recovered};
use crate::cli::args::Format;
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::text::{bytes, count};

/// Keep copies in object storage or on a NAS, and read them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive remote status
  hlarchive remote push
  hlarchive remote verify --quick

The policy's [remote] url says where the copies are, s3://bucket/prefix or file:///dir; endpoint \
and credentials come from the usual AWS variables (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...) and \
files. Each machine writes below its own name. With [retain] local, local files of older days are \
evicted once their copies are safe, and are read remotely.")]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what is copied, and which other machines have copies
    #[command(after_help = "\
Examples:
  hlarchive remote status
  hlarchive remote status -o json | jq '.hosts[].not_copied'

Exit codes:
  75  the bucket cannot be reached; local knowledge is shown")]
    Status,
    /// Copy what is not copied yet, as rotate and prune do
    #[command(after_help = "\
Examples:
  hlarchive remote push
  hlarchive remote push --anew

Each segment is sent, read back, compared and then recorded; existing copies are not sent again. \
The manifest follows; then copies of what expired here are removed.

Exit codes:
  1   a segment could not be copied, and is named
  75  the bucket cannot be reached, nothing of this archive is there (mount
      it, or give --anew), or another machine writes under this name
  77  the credentials are not accepted")]
    Push {
        /// Start over in an empty or another place
        #[arg(long)]
        anew: bool,
    },
    /// Mirror other machines' indexes, to read their segments
    #[command(after_help = "\
Examples:
  hlarchive remote pull
  hlarchive remote pull && hlarchive trace deploy-882

Their manifests and the indexes of their segments are mirrored, a few kilobytes a day; events are \
fetched on demand. Damaged stubs are recreated.

Exit codes:
  1   something of a machine is missing or damaged, and is named
  75  the bucket cannot be reached")]
    Pull,
    /// Read every copy, and compare it with the manifest
    #[command(after_help = "\
Examples:
  hlarchive remote verify --quick
  hlarchive remote verify --all-hosts

Exit codes:
  1   a copy is missing or damaged, and is named
  75  the bucket cannot be reached")]
    Verify {
        /// Compare only names and sizes
        #[arg(long)]
        quick: bool,
        /// Also the copies of other machines, as of the last pull
        #[arg(long)]
        all_hosts: bool,
    },
    /// Rebuild a lost archive from its copies
    #[command(after_help = "\
Examples:
  hlarchive remote rebuild
  hlarchive remote rebuild --host pi4

The archive must be empty, or one whose rebuild could not fetch all files. If it was stopped, the \
next run continues there.

Exit codes:
  1   a copy is missing or damaged, and is named
  66  there are no copies of this host
  75  a complete archive exists, or the bucket cannot be reached")]
    Rebuild {
        /// The host whose archive it was [default: this machine]
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
    },
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        let history = session.by_policy(Bar::new(session))?;
        let mut remote = history.remote()?;
        if let Action::Rebuild { host: Some(other) } = &self.action {
            remote = remote.of_host(other);
        }
        match self.action {
            Action::Status => {
                let status = remote.status()?;
                print_status(session, &status, format)
            }
            Action::Push { anew } => {
                let report = remote.push(anew)?;
                if format == Format::Json {
                    session.json(&report)?;
                } else {
                    push_lines(session, &report)?;
                }
                end_of_push(session, &report)
            }
            Action::Pull => {
                let report = remote.pull()?;
                print_pull(session, &report, format)
            }
            Action::Verify { quick, all_hosts } => {
                let options = RemoteVerifyOptions { quick, all_hosts };
                let report = remote.verify(options)?;
                print_verify(session, &report, format)
            }
            Action::Rebuild { .. } => {
                let report = remote.rebuild()?;
                print_rebuild(session, &report, format)
            }
        }
    }
}

pub(super) fn push_lines(session: &mut Session, report: &PushReport) -> Result<(), Failure> {
    for copied in &report.copied {
        session.line(&format!("{}  copied, {}", copied.segment, bytes(copied.bytes)))?;
    }
    for removed in &report.removed {
        session.line(&format!("{removed}  removed, as it is gone here"))?;
    }
    if report.copied.is_empty() && report.removed.is_empty() && report.findings.is_empty() {
        session.flush()?;
        session.remark("nothing to copy");
    }
    Ok(())
}

/// Names what is wrong, and returns the exit code.
pub(super) fn end_of_push(session: &mut Session, report: &PushReport) -> Result<Exit, Failure> {
    session.flush()?;
    name_findings(session, &report.findings);
    Ok(end(report.stopped, report.findings.is_empty()))
}

pub(super) fn evict_lines(session: &mut Session, report: &EvictReport) -> Result<(), Failure> {
    for gone in &report.evicted {
        let what = "file evicted, copy kept";
        session.line(&format!("{}  {}: {what}", gone.segment, bytes(gone.bytes)))?;
    }
    session.flush()?;
    for held in &report.held {
        session.remark(&format!("{held} stays here: it is held"));
    }
    if !report.not_copied.is_empty() {
        session.warn(&format!(
            "{} would go by retain.local, but there is no copy yet: \"hlarchive remote push\"",
            count(report.not_copied.len() as u64, "file")
        ));
    }
    name_recovered(session, &report.recovered);
    name_findings(session, &report.findings);
    Ok(())
}

/// Formats `1 copy`, `2 copies`.
fn copies(number: u64) -> String {
    if number == 1 { "1 copy".to_owned() } else { format!("{number} copies") }
}

fn end(stopped: bool, is_good: bool) -> Exit {
    match (stopped, is_good) {
        (true, _) => Exit::Stopped,
        (false, true) => Exit::Done,
        (false, false) => Exit::Wrong,
    }
}

fn print_status(
    session: &mut Session,
    status: &RemoteStatus,
    format: Format,
) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(status)?;
    } else {
        for host in &status.hosts {
            let line = host_line(host);
            session.line(&line)?;
        }
    }
    session.flush()?;
    if let Some(reason) = &status.unreachable {
        session.warn(reason);
        return Ok(Exit::Busy);
    }
    Ok(Exit::Done)
}

fn host_line(host: &HostStatus) -> String {
    let mut parts = Vec::new();
    match (host.objects, host.object_bytes) {
        (Some(objects), Some(size)) => {
            parts.push(format!("{} there ({})", copies(objects), bytes(size)));
        }
        _ => parts.push("not asked".to_owned()),
    }
    if host.own {
        parts.push(format!("{} of {} here", host.local, count(host.segments, "segment")));
        if let Some(not_copied) = host.not_copied.filter(|number| *number > 0) {
            parts.push(format!("{not_copied} not copied yet"));
        }
        if let Some(lost) = host.lost.filter(|number| *number > 0) {
            parts.push(format!("{lost} neither here nor there: look for a backup"));
        }
    } else {
        parts.push(format!("{} mirrored", count(host.segments, "segment")));
    }
    if let Some(behind) = host.records_behind.filter(|number| *number > 0) {
        parts.push(format!("{} behind", count(behind, "record")));
    }
    if let Some(last) = &host.last {
        parts.push(format!("last {last}"));
    }
    let own = if host.own { " (this machine)" } else { "" };
    format!("{}{own}  {}", host.host, parts.join(", "))
}

fn print_pull(session: &mut Session, report: &PullReport, format: Format) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(report)?;
    } else {
        for host in &report.hosts {
            session.line(&format!(
                "{}  {} with {}, {} new",
                host.host,
                count(host.segments, "segment"),
                count(host.events, "event"),
                host.new_stubs
            ))?;
        }
        for segment in &report.mended_stubs {
            session.line(&format!("{segment}  its stub was recreated"))?;
        }
        if report.hosts.is_empty() && report.findings.is_empty() {
            session.flush()?;
            session.remark("no other machine has copies there");
        }
    }
    session.flush()?;
    name_findings(session, &report.findings);
    Ok(end(report.stopped, report.findings.is_empty()))
}

fn print_verify(
    session: &mut Session,
    report: &RemoteVerifyReport,
    format: Format,
) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(report)?;
    } else {
        let how = if report.read_whole { "read in full" } else { "by name and size" };
        for finding in &report.findings {
            let line = session.paint.bad(&crate::text::visible(&finding.to_string()));
            session.line(&line)?;
        }
        session.line(&format!(
            "{} checked ({}, {how}): {}",
            copies(report.objects),
            bytes(report.bytes),
            if report.findings.is_empty() {
                "nothing is wrong".to_owned()
            } else {
                count(report.findings.len() as u64, "finding")
            }
        ))?;
    }
    session.flush()?;
    if !report.not_copied.is_empty() {
        let number = report.not_copied.len() as u64;
        session.remark(&format!("{} not copied yet", count(number, "segment")));
    }
    Ok(end(report.stopped, report.findings.is_empty()))
}

/// Reports whose objects were believed, and that nobody vouches for them.
fn believed(report: &RemoteRebuildReport) -> Vec<String> {
    let Believed { place, origin, other_origins, pieces, head } = &report.believed;
    let mut lines = Vec::new();
    match (origin, head) {
        (Some(origin), Some(head)) => {
            lines.push(format!(
                "believed {place}: {} from {} of the manifest with origin {origin}, head {head}",
                count(report.records, "record"),
                count(pieces.len() as u64, "piece"),
            ));
            lines.extend(pieces.iter().map(|piece| format!("believed {place}/{piece}")));
        }
        _ => lines.push(format!("believed {place}: there is no manifest, only segments")),
    }
    for other in other_origins {
        lines.push(format!("not believed: the older manifest with origin {other}"));
    }
    lines.push(
        "whoever may write there could have written all of this; a head or signature that was \
         kept on another machine tells: \"hlarchive verify --head\" or \"--public-key\""
            .to_owned(),
    );
    lines
}

fn print_rebuild(
    session: &mut Session,
    report: &RemoteRebuildReport,
    format: Format,
) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(report)?;
    } else {
        session.line(&format!(
            "{}  {} with {}: {} fetched, {} here already, {} stay remote",
            report.host,
            count(report.fetched + report.already_here + report.stubs, "segment"),
            count(report.events, "event"),
            report.fetched,
            report.already_here,
            report.stubs
        ))?;
        for segment in &report.taken_up {
            session.line(&format!("{segment}  added: no record named it"))?;
        }
        for line in believed(report) {
            session.line(&crate::text::visible(&line))?;
        }
    }
    session.flush()?;
    name_findings(session, &report.findings);
    Ok(end(false, report.findings.is_empty()))
}
