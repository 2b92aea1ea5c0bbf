//! `hlarchive inspect`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::ops::inspect::{InspectSubject, SegmentPicture};
use crate::progress::Silent;

use crate::cli::args::Format;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::system::now;
use crate::text::{bytes, count, verb};
use crate::when;

/// The number of values of each field shown without `--verbose`.
const FEW: usize = 8;

/// Show what a day's segments hold, from their indexes alone
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive inspect 2026-05-16
  hlarchive inspect /mnt/backup/2026-05-16.tar.zst -o json

Exit codes:
  65  the file is damaged or not a segment
  66  no segment of this day, or no such file")]
pub(in crate::cli) struct Args {
    /// A day, or a segment's file
    #[arg(value_name = "DATE|FILE")]
    subject: String,
}

impl Args {
    /// Returns whether a file is named, not a day.
    pub(in crate::cli) fn is_of_file(&self) -> bool {
        when::parse_date(&self.subject, now()).is_err()
    }

    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        let subject = match when::parse_date(&self.subject, session.now) {
            Ok(date) => InspectSubject::Day(date),
            Err(_) => InspectSubject::File(PathBuf::from(self.subject)),
        };
        let history = session.history(Silent)?;
        let pictures = history.inspect(&subject)?;
        let expired = match &subject {
            InspectSubject::Day(date) => history.expired(*date)?,
            InspectSubject::File(_) => Vec::new(),
        };
        if format == Format::Json {
            session.json(&serde_json::json!({ "segments": pictures, "expired": expired }))?;
        } else {
            for picture in &pictures {
                print(session, picture)?;
            }
            session.flush()?;
            for gone in &expired {
                session.remark(&format!(
                    "hlarchive: {} with {} expired at {}",
                    gone.segment,
                    count(gone.events, "event"),
                    gone.time
                ));
            }
        }
        Ok(Exit::Done)
    }
}

fn print(session: &mut Session, picture: &SegmentPicture) -> Result<(), Failure> {
    let most = if session.global.verbose { usize::MAX } else { FEW };
    let title = session.paint.strong(&picture.segment);
    session.line(&title)?;
    let invalid = if picture.invalid > 0 {
        let events = verb(picture.invalid, "not a valid event", "not valid events");
        format!(", {} of them {events}", picture.invalid)
    } else {
        String::new()
    };
    let mut rows = vec![
        ("day", picture.date.to_string()),
        ("events", format!("{}{invalid}", picture.events)),
        ("size", format!("{} for {} of events", bytes(picture.bytes), bytes(picture.event_bytes))),
    ];
    let share = picture.index_bytes as f64 * 100.0 / picture.bytes.max(1) as f64;
    rows.push(("index", format!("{}, {share:.1} % of it", bytes(picture.index_bytes))));
    if let (Some(first), Some(last)) = (&picture.first, &picture.last) {
        rows.push(("first", first.to_string()));
        rows.push(("last", last.to_string()));
    }
    rows.push(("frames", picture.frames.to_string()));
    rows.push(("content", picture.content.to_string()));
    rows.push(("correlation ids", picture.correlation_ids.to_string()));
    for (name, counts) in [
        ("types", &picture.types),
        ("nodes", &picture.nodes),
        ("services", &picture.services),
        ("severities", &picture.severities),
        ("sources", &picture.sources),
    ] {
        rows.push((name, most_frequent(counts, most)));
    }
    for (name, value) in rows {
        session.line(&format!("  {name:<15}  {value}"))?;
    }
    Ok(())
}

fn most_frequent(counts: &BTreeMap<String, u64>, most: usize) -> String {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by_key(|(value, events)| (std::cmp::Reverse(**events), (*value).clone()));
    let mut parts: Vec<String> = sorted
        .iter()
        .take(most)
        .map(|(value, events)| format!("{} {events}", crate::event::shown(value)))
        .collect();
    if sorted.len() > most {
        parts.push(format!("and {}", count((sorted.len() - most) as u64, "other")));
    }
    parts.join(", ")
}
