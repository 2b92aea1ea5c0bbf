//! `hlarchive manifest`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::archive::Record;
use crate::ops::sign::SigningKey;
use crate::progress::Silent;
use clap::Subcommand;

use super::name_findings;
use crate::cli::args::Format;
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Bar;
use crate::cli::secret;
use crate::cli::session::Session;
use crate::text::{bytes, count};

/// Show the archive's log, sign it, or rebuild it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive manifest show
  hlarchive manifest head > /mnt/elsewhere/head
  hlarchive verify --head \"$(cat /mnt/elsewhere/head)\"

Exit codes:
  65  the manifest is damaged; \"hlarchive verify\" names every such line")]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print every record, oldest first
    #[command(after_help = "\
Examples:
  hlarchive manifest show
  hlarchive manifest show -o ndjson | jq 'select(.op == \"rotate\")'")]
    Show,
    /// Print the hash of the last record, to keep on another machine
    #[command(after_help = "\
Examples:
  hlarchive manifest head > /mnt/elsewhere/head
  hlarchive verify --head \"$(cat /mnt/elsewhere/head)\"

Each record holds the hash of the one before it. So a head that was kept on another machine \
proves that nothing up to it was changed, removed or reordered since.")]
    Head,
    /// Write a new manifest from the segments, and keep the old one
    #[command(after_help = "\
Examples:
  hlarchive verify --archive            # is only the manifest damaged?
  hlarchive manifest rebuild

Every segment is read and checked in full. The new manifest says that it was rebuilt; earlier \
history stays in the old one, manifest.jsonl.replaced-TIME.

Exit codes:
  1   damaged segments were left out, and are named
  75  another hlarchive is at work on this archive")]
    Rebuild,
    /// Sign the hash of the last record with a minisign key
    #[command(after_help = "\
Examples:
  minisign -G -W -p minisign.pub -s /etc/hlarchive/minisign.key
  hlarchive manifest sign --key /etc/hlarchive/minisign.key
  hlarchive verify --public-key minisign.pub

The signature is written to heads/N.head.minisig in the archive, N being the number of records, \
beside the small text that it signs, N.head; minisign -V checks it as well. A copy kept on \
another machine proves later that nothing up to it was rewritten or cut off. Earlier signatures \
stay. A key with a password asks for it on the terminal, or takes a line of standard input.

Exit codes:
  65  it is not a secret key, or the password is wrong
  66  there is no manifest yet
  75  another hlarchive is at work on this archive")]
    Sign {
        /// The secret key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Show => show(session),
            Action::Sign { key } => sign_head(session, &key),
            Action::Head => {
                let format = session.format(&[Format::Table, Format::Json])?;
                warn_of_none(session)?;
                let head = session.history(Silent)?.manifest()?.head();
                if format == Format::Json {
                    session.json(&serde_json::json!({ "head": head }))?;
                } else {
                    session.line(&head.to_string())?;
                }
                Ok(Exit::Done)
            }
            Action::Rebuild => {
                let format = session.format(&[Format::Table, Format::Json])?;
                let report = session.acting(Bar::new(session))?.rebuild_manifest()?;
                if format == Format::Json {
                    session.json(&report)?;
                } else {
                    session.line(&format!(
                        "rebuilt from {}; the old manifest is kept beside the new one",
                        count(report.segments, "segment")
                    ))?;
                }
                session.flush()?;
                name_findings(session, &report.findings);
                Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Wrong })
            }
        }
    }
}

fn sign_head(session: &mut Session, path: &Path) -> Result<Exit, Failure> {
    let format = session.format(&[Format::Table, Format::Json])?;
    let named = path.display().to_string();
    let key = SigningKey::load(path, &session.store, &mut || secret::password(&named))?;
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        session.warn(&format!("{named}: other users may read this secret key; chmod 600 it"));
    }
    let report = session.history(Silent)?.sign(&key)?;
    if format == Format::Json {
        session.json(&report)?;
    } else {
        session.line(&report.signature)?;
    }
    Ok(Exit::Done)
}

/// Warns about a missing archive: its manifest is empty, but more likely its path is wrong.
fn warn_of_none(session: &Session) -> Result<(), Failure> {
    if session.store.archive()?.is_none() {
        let missing = Error::no_archive(session.store.archive_path(), "--archive");
        session.warn(&missing.to_string());
    }
    Ok(())
}

fn show(session: &mut Session) -> Result<Exit, Failure> {
    let format = session.format(&[Format::Table, Format::Json, Format::Ndjson])?;
    warn_of_none(session)?;
    let manifest = session.history(Silent)?.manifest()?;
    match format {
        Format::Json => session.json(&manifest.records())?,
        Format::Ndjson => {
            for record in manifest.records() {
                let line = serde_json::to_string(record)
                    .map_err(|error| crate::cli::exit::stdout_failed(error.into()))?;
                session.line(&line)?;
            }
        }
        _ => {
            for record in manifest.records() {
                let line = sentence(record);
                session.line(&line)?;
            }
        }
    }
    if let Some(torn) = manifest.torn() {
        session.warn(&format!(
            "the last line is torn ({} bytes) and was skipped; the next rotate repairs it",
            torn.bytes
        ));
    }
    Ok(Exit::Done)
}

fn sentence(record: &Record) -> String {
    let op = crate::event::shown(record.op.as_str());
    let mut line = format!("{:>5}  {}  {:<8}", record.seq, record.time, op);
    if let Some(segment) = &record.segment {
        line.push_str(&format!("  {segment}"));
    } else if let Some(date) = record.date {
        line.push_str(&format!("  {date}"));
    }
    if let Some(events) = record.events {
        line.push_str(&format!("  {}", count(events, "event")));
    }
    if let Some(size) = record.bytes {
        line.push_str(&format!(" in {}", bytes(size)));
    }
    if let Some(to) = record.to.filter(|to| Some(*to) != record.date) {
        line.push_str(&format!("..{to}"));
    }
    if let Some(hold) = record.hold {
        line.push_str(&format!("  hold {hold}"));
    }
    for old in record.supersedes.iter().flatten() {
        line.push_str(&format!("  for {old}"));
    }
    for text in
        [&record.correlation_id, &record.path, &record.reason, &record.note].into_iter().flatten()
    {
        line.push_str(&format!("  {}", crate::event::shown(text)));
    }
    if let Some(by) = &record.by {
        line.push_str(&format!(
            "  ({}@{})",
            crate::event::shown(&by.user),
            crate::event::shown(&by.host)
        ));
    }
    line
}
