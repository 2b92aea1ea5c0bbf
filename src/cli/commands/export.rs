//! `hlarchive export`.

use std::path::PathBuf;

use crate::event::Date;
use crate::ops::export::{ExportFormat, ExportOptions, ExportReport, ExportTarget};
use crate::system;
use clap::ValueEnum;

use super::nothing::Nothing;
use super::{days_left, name_findings};
use crate::cli::args::{Format, QueryArgs};
use crate::cli::exit::{Exit, Failure, lacking};
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::history::remote;
use crate::text::{bytes, count};

#[derive(Debug, clap::Args)]
#[command(about = "Write events as Parquet, NDJSON, CSV or CloudEvents")]
#[command(after_help = "\
Examples:
  hlarchive export --format parquet --to /srv/lake/events
  hlarchive export --format csv --date yesterday --to /tmp/csv
  hlarchive export --format parquet --resume --to s3://lake/events
  hlarchive export --format cloudevents --severity error --to /tmp/ce

Without filters the entire history is exported, live and archived. Each day and node becomes one \
file, DIR/date=2026-05-16/node=pi4/part-0.parquet, as DuckDB, DataFusion and PyArrow read it. \
Nothing that exists is overwritten. CSV has values as they are: a spreadsheet may run what begins \
with =, +, - or @, so give it files made with --escape-formulas. Endpoint and credentials of a \
bucket come from the usual AWS variables and files.

Exit codes:
  1   filters were given, and nothing matched; or something could not be
      exported, and is named
  73  a file is there already, or cannot be created
  74  something could not be read or written; days that lack events are not
      exported without --partial
  75  the same for unreachable days")]
pub(in crate::cli) struct Args {
    /// Output format: parquet, ndjson, csv or cloudevents
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    format: Shape,
    #[arg(
        long,
        value_name = "DIR|URL",
        help = "The destination: a directory, created if missing, or s3://BUCKET/PREFIX"
    )]
    to: PathBuf,
    /// Skip files that already exist
    #[arg(long)]
    resume: bool,
    /// Also export days with unreadable events
    #[arg(long)]
    partial: bool,
    /// Put ' before CSV values that begin like a formula: = + - @
    #[arg(long)]
    escape_formulas: bool,
    #[command(flatten)]
    which: QueryArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shape {
    Parquet,
    Ndjson,
    Csv,
    Cloudevents,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        if self.escape_formulas && !matches!(self.format, Shape::Csv) {
            return Err(Failure::usage("--escape-formulas is for --format csv"));
        }
        let url = self.to.to_str().filter(|to| to.contains("://"));
        let bucket;
        let target = match (url, url.and_then(|url| url.strip_prefix("file://"))) {
            (_, Some(directory)) => ExportTarget::Directory(directory.into()),
            (Some(url), None) => {
                bucket = remote::open_at(url, &session.policy()?)?;
                ExportTarget::Bucket { bucket: &bucket, scratch: system::scratch() }
            }
            (None, None) => ExportTarget::Directory(self.to.clone()),
        };
        let asked = self.which.query(session.now, &session.store)?;
        let options = ExportOptions {
            dates: asked.dates.clone(),
            filter: asked.filter.clone(),
            scope: asked.scope,
            format: match self.format {
                Shape::Parquet => ExportFormat::Parquet,
                Shape::Ndjson => ExportFormat::Ndjson,
                Shape::Csv => ExportFormat::Csv { escape_formulas: self.escape_formulas },
                Shape::Cloudevents => ExportFormat::CloudEvents,
            },
            target,
            resume: self.resume,
            partial: self.partial,
        };
        let mut report = session.history(Bar::new(session))?.export(&options)?;
        let is_empty = report.files == 0 && report.already_there == 0 && report.findings.is_empty();
        let mut nothing = Nothing::of(&session.store, || asked, is_empty && !report.stopped)?;
        print(session, &report, &nothing, format)?;
        session.notices(&mut report.notices);
        session.end_notices();
        name_findings(session, &report.findings);
        if report.stopped {
            session.warn(&format!(
                "stopped on request; finished files are complete, and --resume continues from {}",
                report.left_days.first().map_or_else(|| "there".to_owned(), Date::to_string)
            ));
            return Ok(Exit::Stopped);
        }
        if !report.left_days.is_empty() {
            session.warn(&format!("not exported: {}", days_left(&report.left_days)));
        }
        if report.notices.any_cost() {
            return Ok(lacking(&report.notices));
        }
        if is_empty {
            nothing.tell(session, Some("no event matches; nothing was written"))?;
            if self.which.filter.asks_for_more() {
                return Ok(Exit::Wrong);
            }
        }
        Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Wrong })
    }
}

fn print(
    session: &mut Session,
    report: &ExportReport,
    nothing: &Nothing,
    format: Format,
) -> Result<(), Failure> {
    if format == Format::Json {
        session.json(&nothing.with(report))?;
        return session.flush();
    }
    for day in &report.days {
        session.line(&format!(
            "{}  {} in {}, {}",
            day.date,
            count(day.events, "event"),
            count(day.files, "file"),
            bytes(day.bytes)
        ))?;
    }
    if report.days.len() > 1 {
        session.line(&format!(
            "{} in {}, {}",
            count(report.events, "event"),
            count(report.files, "file"),
            bytes(report.bytes)
        ))?;
    }
    session.flush()?;
    if report.already_there > 0 {
        let files = count(report.already_there, "file");
        session.remark(&format!("skipped, since they already exist: {files}"));
    }
    Ok(())
}
