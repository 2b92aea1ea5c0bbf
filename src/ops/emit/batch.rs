//! Many events from a stream of JSON lines.
//!
//! Lines are taken together as they arrive and made durable together; nothing waits for lines that
//! have not come yet. A line that is not an event is reported and costs only itself.

use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Emitted, NewEvent, OnError, Payload, Prepared, prepare};
use crate::Context;
use crate::event::MAX_EVENT_BYTES;
use crate::live::{BatchItem, Creation, create_batch};
use crate::policy::EventRules;
use crate::store::Store;
use crate::{Error, Result};

/// Number of lines that are made durable together.
const GROUP: usize = 256;

/// Maximum size of the lines that are held together, in bytes.
const GROUP_BYTES: usize = 8 << 20;

/// The meaningless mark that may precede UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The outcome of one line.
#[derive(Debug)]
pub(crate) struct BatchLine {
    /// Its number, from 1.
    pub number: u64,
    /// The event, or the error.
    pub outcome: Result<Emitted>,
}

/// Totals of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct BatchStats {
    /// Events that are on the disk.
    pub emitted_events: u64,
    /// Lines that were refused.
    pub refused_lines: u64,
    /// True if the caller asked to stop before the input ended.
    pub stopped: bool,
}

/// The input of a batch.
pub(crate) struct BatchInput<'a, R> {
    /// JSON lines. If a stop is requested while it waits for more, it should return an error of any
    /// kind.
    pub lines: R,
    /// Values for what a line leaves out.
    pub defaults: &'a NewEvent,
    /// Fallback for events that cannot be placed.
    pub on_error: &'a OnError,
    /// True if the batch should end before its input does. Lines that were read by then are made
    /// durable and reported; an incomplete line is not.
    pub stop: &'a dyn Fn() -> bool,
}

/// The members of a line; missing ones are taken from the defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "type")]
    event_type: Option<String>,
    severity: Option<String>,
    source: Option<String>,
    service: Option<String>,
    correlation_id: Option<String>,
    payload: Option<Box<RawValue>>,
    node: Option<String>,
    timestamp: Option<String>,
}

/// Emits one event for each line of the input. `done` is called once for each line that is not
/// blank, in order, and only when its event is durable; it may stop the batch with an error.
pub(crate) fn emit_batch<R: Read>(
    store: &Store,
    rules: &EventRules,
    context: &Context,
    input: BatchInput<'_, R>,
    done: &mut dyn FnMut(BatchLine) -> Result<()>,
) -> Result<BatchStats> {
    let BatchInput { lines, defaults, on_error, stop } = input;
    let mut live = match (store.create_live(), on_error) {
        (Err(error), OnError::Fail) => return Err(error),
        (live, _) => live,
    };
    let mut input = BufReader::with_capacity(1 << 18, lines);
    let stats = BatchStats::default();
    let mut batch = BatchRun { store, context, on_error, group: Vec::new(), stats, done };
    let mut group_bytes = 0;
    let mut line = Vec::new();
    let mut number = 0;
    let limit = rules.max_bytes.min(MAX_EVENT_BYTES).saturating_add(4096);
    loop {
        let more_is_here = memchr::memchr(b'\n', input.buffer()).is_some();
        let is_full = batch.group.len() >= GROUP || group_bytes > GROUP_BYTES;
        batch.stats.stopped = stop();
        if !batch.group.is_empty() && (!more_is_here || is_full || batch.stats.stopped) {
            if live.is_err() {
                live = store.create_live();
            }
            let place = |items: &[BatchItem<'_>]| match &live {
                Ok(live) => create_batch(live, items, context.now()),
                Err(error) => items.iter().map(|_| Err(again(error))).collect(),
            };
            batch.finish(&place)?;
            group_bytes = 0;
        }
        if batch.stats.stopped {
            break;
        }
        number += 1;
        let complete = match read_line(&mut input, &mut line, limit) {
            Ok(LineRead::End) => break,
            Ok(LineRead::Whole) => true,
            Ok(LineRead::TooLong) => false,
            // It waited for more, so no line that was read is pending.
            Err(_) if stop() => {
                batch.stats.stopped = true;
                break;
            }
            Err(error) => return Err(error),
        };
        if number == 1
            && let Some(rest) = line.strip_prefix(BYTE_ORDER_MARK)
        {
            // Some editors and Windows put it before the first line.
            line = rest.to_vec();
        }
        if complete && line.trim_ascii().is_empty() {
            continue;
        }
        let prepared = if complete {
            understand(&line, defaults).and_then(|new| prepare(&new, rules, context))
        } else {
            Err(Error::bad_event("line", format!("it is longer than {limit} bytes")))
        };
        group_bytes += line.len();
        batch.group.push((number, prepared));
    }
    Ok(batch.stats)
}

/// Copies an error, for another event.
fn again(error: &Error) -> Error {
    match error {
        Error::Io { path, action, source } => {
            let source = std::io::Error::new(source.kind(), crate::error::plain(source));
            Error::io(path, action, source)
        }
        other => Error::Refused(other.to_string()),
    }
}

/// A batch that is being emitted.
struct BatchRun<'a> {
    store: &'a Store,
    context: &'a Context,
    on_error: &'a OnError,
    /// Lines that are to be made durable together: their numbers, and what is to be written.
    group: Vec<(u64, Result<Prepared>)>,
    stats: BatchStats,
    /// The receiver of each line's outcome.
    done: &'a mut dyn FnMut(BatchLine) -> Result<()>,
}

impl BatchRun<'_> {
    /// Makes the group durable, and reports its lines.
    fn finish(&mut self, place: &dyn Fn(&[BatchItem<'_>]) -> Vec<Result<Creation>>) -> Result<()> {
        let items: Vec<BatchItem<'_>> = self
            .group
            .iter()
            .filter_map(|(_, prepared)| prepared.as_ref().ok())
            .map(|prepared| BatchItem {
                path: &prepared.path,
                bytes: &prepared.bytes,
                token: self.context.next_token(),
            })
            .collect();
        let mut placed = place(&items).into_iter();
        for (number, prepared) in self.group.drain(..) {
            let outcome = prepared.and_then(|prepared| match placed.next() {
                Some(Ok(Creation::Created)) => Ok(prepared.emitted(self.store)),
                Some(Err(error)) => {
                    prepared.keep_anyway(error, self.store, self.context, self.on_error)
                }
                Some(Ok(Creation::AlreadyExists)) | None => Err(Error::Refused(format!(
                    "{}: the name is taken; nothing was written",
                    prepared.path
                ))),
            });
            match &outcome {
                Ok(_) => self.stats.emitted_events += 1,
                Err(_) => self.stats.refused_lines += 1,
            }
            (self.done)(BatchLine { number, outcome })?;
        }
        Ok(())
    }
}

fn understand(line: &[u8], defaults: &NewEvent) -> Result<NewEvent> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::bad_event("line", "it is not a JSON object"));
    }
    let line: Line = serde_json::from_slice(line).map_err(|error| {
        Error::bad_event("line", format!("it is not an event: {}", of_line(&error)))
    })?;
    let timestamp = match line.timestamp {
        Some(text) => Some(
            text.parse()
                .map_err(|error: crate::event::Malformed| Error::bad_event("timestamp", error.0))?,
        ),
        None => defaults.timestamp,
    };
    let or = |value: Option<String>, default: &String| value.unwrap_or_else(|| default.clone());
    let event_type = or(line.event_type, &defaults.event_type);
    if event_type.is_empty() {
        return Err(Error::bad_event("type", "the line has none, and no TYPE was given for all"));
    }
    Ok(NewEvent {
        event_type,
        severity: line.severity.or_else(|| defaults.severity.clone()),
        source: or(line.source, &defaults.source),
        service: or(line.service, &defaults.service),
        correlation_id: line.correlation_id.or_else(|| defaults.correlation_id.clone()),
        payload: line.payload.map_or_else(|| defaults.payload.clone(), Payload::Json),
        node: or(line.node, &defaults.node),
        timestamp,
    })
}

/// Describes an error of `serde_json` without its "line 1": the line is numbered already.
fn of_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ").replace('`', "\"")
}

enum LineRead {
    Whole,
    TooLong,
    End,
}

/// Reads one line without its newline; bytes beyond `limit` are skipped.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>, limit: u64) -> Result<LineRead> {
    let failed = |error| Error::io("standard input", "read", error);
    line.clear();
    let mut limited = input.by_ref().take(limit);
    let got = limited.read_until(b'\n', line).map_err(failed)?;
    if got == 0 {
        return Ok(LineRead::End);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(LineRead::Whole);
    }
    if (got as u64) < limit {
        return Ok(LineRead::Whole);
    }
    line.clear();
    loop {
        let buffer = input.fill_buf().map_err(failed)?;
        if buffer.is_empty() {
            return Ok(LineRead::TooLong);
        }
        if let Some(at) = memchr::memchr(b'\n', buffer) {
            input.consume(at + 1);
            return Ok(LineRead::TooLong);
        }
        let all = buffer.len();
        input.consume(all);
    }
}
