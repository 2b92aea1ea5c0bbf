//! `hlarchive emit`.

use crate::Context;
use crate::system;
use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use crate::Error;
use crate::event::{Date, NodeName, Timestamp};
use crate::ops::emit::{BatchInput, BatchLine, Emitted, Kept, NewEvent, emit_batch, emit_or};
use crate::store::Store;

use crate::cli::args::{Format, instant};
use crate::cli::exit::{self, Exit, Failure};
use crate::cli::session::Session;
use crate::cli::signals::Stop;
use crate::cli::stdin::InterruptibleStdin;

/// The maximum that an emitter takes in from the spool: it has its own work.
const MAX_TAKEN_IN: usize = 256;

/// Write an event; it is on disk when the command returns
#[derive(Debug, clap::Args)]
#[command(override_usage = "\
hlarchive emit [OPTIONS] TYPE
       hlarchive emit [OPTIONS] --batch [TYPE]")]
#[command(after_help = "\
Examples:
  hlarchive emit deployment_started --service mosquitto \\
      --correlation-id deploy-882 --payload '{\"version\": \"2.0.18\"}'
  hlarchive emit disk_full --severity critical --payload @result.json
  producer | hlarchive emit --batch

Known types are deployment_started, deployment_completed, deployment_failed, service_unhealthy, \
service_recovered, node_offline, node_online, healthcheck_failed, remediation_started, \
remediation_completed and remediation_failed. Others are accepted with a warning, unless the \
policy says otherwise.

Without --severity the type decides: *_failed, service_unhealthy and node_offline are errors, \
healthcheck_failed and remediation_started warnings, others info. The policy may say otherwise: \
[events] severity = { disk_full = \"critical\" }.

With --batch each line of standard input is a JSON object with any of the members type, severity, \
source, service, correlation_id, payload, node and timestamp; the flags fill in what a line \
leaves out. The path of each event is printed when the event is on the disk.

Exit codes:
  65  not an event; with --batch, a line was not one, and the others are kept
  74  the event could not be written to disk
  77  this user may not write there")]
pub(in crate::cli) struct Args {
    #[arg(help = "The event type, such as deployment_started")]
    #[arg(value_name = "TYPE", required_unless_present = "batch")]
    event_type: Option<String>,
    /// Severity: info, warning, error or critical [default: by the type]
    #[arg(long, value_name = "LEVEL")]
    severity: Option<String>,
    /// The component that emits the event
    #[arg(long, value_name = "SOURCE", default_value = "hlarchive", allow_hyphen_values = true)]
    source: String,
    /// The service concerned
    #[arg(long, value_name = "SERVICE", default_value = "all", allow_hyphen_values = true)]
    service: String,
    /// The correlation id [default: the event's own id]
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    correlation_id: Option<String>,
    /// A JSON object, @FILE to read it from a file, or - for standard input
    #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
    payload: String,
    /// The node the event is about [default: this one]
    #[arg(long, value_name = "NODE", allow_hyphen_values = true)]
    node: Option<String>,
    /// The time of the event [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    timestamp: Option<String>,
    /// If the event cannot be written, keep it in the spool, else in a warning
    #[arg(long)]
    best_effort: bool,
    /// Read events from standard input, one JSON object per line
    #[arg(long)]
    batch: bool,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(if self.batch {
            &[Format::Path, Format::Ndjson]
        } else {
            &[Format::Path, Format::Json, Format::Ndjson]
        })?;
        let rules = session.event_rules();
        // Each event of a batch has its own time.
        let context = Context::from_system(session.command())?;
        let timestamp = match &self.timestamp {
            Some(text) => Some(text.parse().or_else(|_| {
                instant("--timestamp", text, session.now).map_err(|_| {
                    Error::bad_event(
                        "timestamp",
                        format!(
                            "\"{}\" is not a time: expected ISO 8601, such as \
                             2026-05-16T10:11:12Z",
                            crate::event::shown(text)
                        ),
                    )
                })
            })?),
            None => None,
        };
        // The clock is checked in parallel with the work.
        let clock = timestamp.is_none().then(|| Clock::look(&session.store));
        let on_error = session.on_error(self.best_effort);
        let batch = self.batch;
        let payload = if batch && self.payload == "-" {
            return Err(Failure::usage(
                "--payload -: standard input holds the batch; give the payload in its lines",
            ));
        } else {
            read_payload(self.payload, rules.max_bytes)?.into()
        };
        let new = NewEvent {
            event_type: self.event_type.unwrap_or_default(),
            severity: self.severity,
            source: self.source,
            service: self.service,
            correlation_id: self.correlation_id,
            payload,
            node: self.node.clone().unwrap_or_else(system::host_name),
            timestamp,
        };
        if !batch {
            let emitted = emit_or(&session.store, &rules, &context, &new, &on_error)
                .map_err(|error| naming_the_flag(error, self.node.is_none()))?;
            print(session, &emitted, format)?;
            session.flush()?;
            doubt(session, clock);
            if emitted.kept == Kept::Placed {
                session.take_in_spool(MAX_TAKEN_IN);
            }
            return Ok(Exit::Done);
        }
        let store = session.store.clone();
        let mut bad = None;
        let stop = Stop::listen();
        let stats = emit_batch(
            &store,
            &rules,
            &context,
            BatchInput {
                lines: InterruptibleStdin::new()?,
                defaults: &new,
                on_error: &on_error,
                stop: &|| stop.asked(),
            },
            &mut |line: BatchLine| match line.outcome {
                Ok(emitted) => print(session, &emitted, format)
                    .and_then(|()| session.flush())
                    .or_else(keep_going),
                Err(error) => {
                    let error = naming_the_flag(error, self.node.is_none());
                    let exit = exit::code(&error);
                    let _ = session.flush();
                    let reason = match &error {
                        Error::BadEvent { what, reason } if what == "line" => reason.clone(),
                        other => other.to_string(),
                    };
                    let place = format!("standard input:{}", line.number);
                    let text = format!("{place}: {reason}");
                    session.log.failure(&text, Some(&place), exit, format == Format::Ndjson);
                    bad = Some(worse(bad, exit));
                    Ok(())
                }
            },
        )?;
        doubt(session, clock);
        session.take_in_spool(MAX_TAKEN_IN);
        if stats.refused_lines > 0 {
            session.remark(&format!(
                "hlarchive: {} of {} lines were not valid events",
                stats.refused_lines,
                stats.refused_lines + stats.emitted_events
            ));
        }
        if stats.stopped {
            session.warn(&format!(
                "stopped on request; {} on disk; the rest of the input was not read",
                crate::text::count(stats.emitted_events, "event")
            ));
            return Ok(Exit::Stopped);
        }
        Ok(bad.unwrap_or(Exit::Done))
    }
}

/// Writes a line. A closed stdout does not abort the batch; remaining events are still written.
fn keep_going(failure: Failure) -> crate::Result<()> {
    match failure {
        Failure::ClosedPipe => Ok(()),
        Failure::Library(error) => Err(error),
    }
}

/// The check of the machine's clock, in its own thread: an archive that does not answer keeps
/// no event, and no script, waiting.
struct Clock(mpsc::Receiver<Option<Date>>);

impl Clock {
    const PATIENCE: Duration = Duration::from_millis(500);

    fn look(store: &Store) -> Self {
        let (sender, receiver) = mpsc::channel();
        let store = store.clone();
        let look = move || {
            let archive = store.archive().ok().flatten();
            // The receiver may be gone.
            let _ = sender.send(archive.and_then(|archive| archive.newest_day().ok().flatten()));
        };
        // Without a thread nothing is sent, and nothing is known.
        let _ = std::thread::Builder::new().spawn(look);
        Self(receiver)
    }

    /// Returns which time `now` cannot be before.
    fn doubt(&self, now: Timestamp) -> Option<String> {
        let built = system::built();
        if now < built {
            return Some(format!("before this hlarchive was made, {}", built.date()));
        }
        let newest = self.0.recv_timeout(Self::PATIENCE).ok().flatten()?;
        (now.date() < newest).then(|| format!("before the newest archived day, {newest}"))
    }
}

/// Warns if an event got its time from a clock that cannot be right.
fn doubt(session: &Session, clock: Option<Clock>) {
    if let Some(reason) = clock.and_then(|clock| clock.doubt(session.now)) {
        session.warn(&format!(
            "the clock says {}, which is {reason}: is it set? The event is kept under that time; \
             --timestamp gives another",
            session.now
        ));
    }
}

/// Adds the way out to an error about the node if the machine's own name is the cause.
fn naming_the_flag(error: Error, is_default: bool) -> Error {
    let host = system::host_name();
    match error {
        Error::BadEvent { what, reason }
            if is_default
                && what == "node"
                && NodeName::for_writing(&host).is_err_and(|error| error.0 == reason) =>
        {
            Error::BadEvent {
                what,
                reason: format!("{reason}; it is this machine's name: give another by --node"),
            }
        }
        other => other,
    }
}

/// Returns 65 for bad data; a disk error outweighs it.
fn worse(before: Option<Exit>, now: Exit) -> Exit {
    match before {
        Some(before) if before != Exit::Data => before,
        _ => now,
    }
}

fn print(session: &mut Session, emitted: &Emitted, format: Format) -> Result<(), Failure> {
    if let Some(warning) = &emitted.warning
        && !session.global.quiet
    {
        session.warn(warning);
    }
    let file = emitted.file.display().to_string();
    match &emitted.kept {
        Kept::Placed => {}
        Kept::Spooled { cause } => session.warn(&format!(
            "{cause}; the event is kept in {file}; the next emit, rotate or sync takes it in"
        )),
        Kept::Told { cause, event } => {
            session.warn(&format!("{cause}; the event is kept only in this line: {event}"));
            if format == Format::Path {
                return Ok(());
            }
        }
    }
    let file = (!matches!(emitted.kept, Kept::Told { .. })).then_some(file);
    if matches!(format, Format::Json | Format::Ndjson) {
        let object = serde_json::json!({
            "path": file,
            "id": emitted.id,
            "correlation_id": emitted.correlation_id,
        });
        session.line(&object.to_string())
    } else {
        session.name(&file.unwrap_or_default())
    }
}

/// Reads the payload's text from where the flag says.
fn read_payload(flag: String, most: u64) -> Result<String, Failure> {
    let (name, bytes) = if flag == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(most + 1).read_to_end(&mut bytes);
        ("standard input".to_owned(), read.map(|_| bytes))
    } else if let Some(path) = flag.strip_prefix('@') {
        let read = std::fs::File::open(path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(most + 1).read_to_end(&mut bytes).map(|_| bytes)
        });
        (path.to_owned(), read)
    } else {
        return Ok(flag);
    };
    let bytes = bytes.map_err(|error| Error::io(&name, "read", error))?;
    if bytes.len() as u64 > most {
        let reason = format!("{name} has more than {most} bytes (events.max_bytes)");
        return Err(Error::bad_event("payload", reason).into());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes);
    String::from_utf8(bytes)
        .map_err(|_| Error::bad_event("payload", format!("{name} is not UTF-8 text")).into())
}
