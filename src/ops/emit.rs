//! Emit: an event becomes a file of the live tree.
//!
//! The input is checked in full first, and nothing is touched if anything is wrong. When the call
//! returns, the event is on the disk, complete and under its name.

mod batch;
mod builder;
mod spool;

use std::path::PathBuf;

use serde_json::value::RawValue;
use uuid::Builder;

pub(crate) use batch::{BatchInput, BatchLine, emit_batch};
pub use builder::{Emit, Sent};
pub(crate) use spool::{OnError, spooled, take_in};

use crate::Context;
use crate::event::{Event, EventName, EventPath, EventType, NodeName, Severity, Timestamp, shown};
use crate::live::{CreateOptions, Creation, LiveTree, create_event};
use crate::ops::is_future;
use crate::policy::{EventRules, FutureRule, UnknownTypes};
use crate::store::Store;
use crate::{Error, Result};

/// The longest source, service or correlation id that is written, in bytes.
pub(crate) const MAX_FIELD_LEN: usize = 255;

/// An event to be emitted, as it came from outside: nothing in it is checked yet.
#[derive(Debug, Clone)]
pub(crate) struct NewEvent {
    /// The event type; normalized when emitted.
    pub event_type: String,
    /// The severity; by default, what the rules say of the type.
    pub severity: Option<String>,
    /// The component that emits the event.
    pub source: String,
    /// The service concerned.
    pub service: String,
    /// The id that links it to other events; by default, the event's own id.
    pub correlation_id: Option<String>,
    /// A JSON object.
    pub payload: Payload,
    /// The host.
    pub node: String,
    /// The time of the event; by default, now.
    pub timestamp: Option<Timestamp>,
}

/// A payload as it came from outside: it may be JSON of any kind.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// Text, not parsed yet.
    Text(String),
    /// A JSON value, as it was found in a larger one.
    Json(Box<RawValue>),
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// An event that was emitted and is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Emitted {
    /// Its file.
    pub file: PathBuf,
    /// Its identity.
    pub path: EventPath,
    /// Its id: the UUID in its name.
    pub id: String,
    /// Its correlation id.
    pub correlation_id: String,
    /// A warning to the emitter, though the event was accepted.
    pub warning: Option<String>,
    /// The place where it is kept.
    pub kept: Kept,
}

/// A place where an emitted event is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In the tree.
    Placed,
    /// In the spool, since it could not be placed.
    Spooled {
        /// The reason.
        cause: String,
    },
    /// Nowhere else: the emitter must report it.
    Told {
        /// The reason why it could not be placed.
        cause: String,
        /// The event.
        event: String,
    },
}

/// An event that passed every check and has its name and bytes.
#[derive(Debug)]
struct Prepared {
    path: EventPath,
    bytes: Vec<u8>,
    id: String,
    correlation_id: String,
    warning: Option<String>,
}

impl Prepared {
    fn emitted(self, store: &Store) -> Emitted {
        Emitted {
            file: store.root().join(self.path.to_string()),
            path: self.path,
            id: self.id,
            correlation_id: self.correlation_id,
            warning: self.warning,
            kept: Kept::Placed,
        }
    }

    /// Keeps an event that could not be placed in another way, if the caller asked for one.
    fn keep_anyway(
        self,
        error: Error,
        store: &Store,
        context: &Context,
        on_error: &OnError,
    ) -> Result<Emitted> {
        let mut cause = error.to_string();
        match on_error {
            _ if !matches!(error, Error::Io { .. }) => return Err(error),
            OnError::Fail => return Err(error),
            OnError::Warn => {}
            OnError::Spool(spool) => {
                match spool::keep(spool, store, &self.path, &self.bytes, context) {
                    Ok(file) => {
                        let kept = Kept::Spooled { cause };
                        return Ok(Emitted { file, kept, ..self.emitted(store) });
                    }
                    Err(error) => cause = format!("{cause}; {error}"),
                }
            }
        }
        let event = String::from_utf8_lossy(self.bytes.trim_ascii_end()).into_owned();
        Ok(Emitted { kept: Kept::Told { cause, event }, ..self.emitted(store) })
    }
}

/// Emits one event.
pub(crate) fn emit(
    store: &Store,
    rules: &EventRules,
    context: &Context,
    new: &NewEvent,
) -> Result<Emitted> {
    emit_or(store, rules, context, new, &OnError::Fail)
}

/// Emits one event; if it cannot be placed in the tree, it is kept as `on_error` says.
pub(crate) fn emit_or(
    store: &Store,
    rules: &EventRules,
    context: &Context,
    new: &NewEvent,
    on_error: &OnError,
) -> Result<Emitted> {
    // An id is in use only if 74 random bits repeat; a second try then succeeds.
    for _ in 0..3 {
        let prepared = prepare(new, rules, context)?;
        let options =
            CreateOptions { token: context.next_token(), now: context.now(), mtime: None };
        let placed = store.create_live().and_then(|live: LiveTree| {
            create_event(&live, &prepared.path, &prepared.bytes, &options)
        });
        match placed {
            Ok(Creation::Created) => return Ok(prepared.emitted(store)),
            Ok(Creation::AlreadyExists) => {}
            Err(error) => return prepared.keep_anyway(error, store, context, on_error),
        }
    }
    Err(Error::Refused("every generated id is taken; nothing was written".to_owned()))
}

fn prepare(new: &NewEvent, rules: &EventRules, context: &Context) -> Result<Prepared> {
    let event_type =
        EventType::normalize(&new.event_type).map_err(|error| Error::bad_event("type", error.0))?;
    let warning = check_type(&event_type, rules)?;
    let severity: Severity = match &new.severity {
        Some(word) => word
            .parse()
            .map_err(|error: crate::event::Malformed| Error::bad_event("severity", error.0))?,
        None => rules.severity_of(event_type.as_str()),
    };
    let node =
        NodeName::for_writing(&new.node).map_err(|error| Error::bad_event("node", error.0))?;
    check_field("source", &new.source)?;
    check_field("service", &new.service)?;
    if let Some(id) = &new.correlation_id {
        check_field("correlation_id", id)?;
    }
    let payload = check_payload(&new.payload)?;
    let now = context.now();
    let timestamp = new.timestamp.unwrap_or(now);
    let warning = match (warning, check_future(timestamp, rules, now)?) {
        (Some(one), Some(other)) => Some(format!("{one}; {other}")),
        (one, other) => one.or(other),
    };
    let mut random = [0; 10];
    random.copy_from_slice(&context.draw()[..10]);
    let millis = u64::try_from(timestamp.micros().div_euclid(1000)).unwrap_or(0);
    let id = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    let correlation_id = new.correlation_id.clone().unwrap_or_else(|| id.to_string());
    let name = EventName::format(timestamp, &event_type, id);
    let event = Event {
        timestamp,
        node: node.as_str().to_owned(),
        event_type: event_type.as_str().to_owned(),
        severity,
        source: new.source.clone(),
        service: new.service.clone(),
        correlation_id: correlation_id.clone(),
        payload,
    };
    let bytes = event.to_bytes();
    if bytes.len() as u64 > rules.max_bytes {
        return Err(Error::bad_event(
            "payload",
            format!(
                "the event would have {} bytes; the policy allows {} (events.max_bytes)",
                bytes.len(),
                rules.max_bytes
            ),
        ));
    }
    let path = EventPath { date: timestamp.date(), node, name };
    Ok(Prepared { path, bytes, id: id.to_string(), correlation_id, warning })
}

fn check_type(event_type: &EventType, rules: &EventRules) -> Result<Option<String>> {
    let word = event_type.as_str();
    if rules.unknown_types == UnknownTypes::Allow || rules.knows(word) {
        return Ok(None);
    }
    let hint = rules
        .near_miss(word)
        .map(|near| format!("; the closest known type is {near}"))
        .unwrap_or_default();
    if rules.unknown_types == UnknownTypes::Reject {
        return Err(Error::bad_event(
            "type",
            format!("{word} is not a known type, and the policy rejects those{hint}"),
        ));
    }
    Ok(Some(format!("type: {word} is not a known type{hint}")))
}

/// Returns a warning if an event claims to come from the future.
fn check_future(
    timestamp: Timestamp,
    rules: &EventRules,
    now: Timestamp,
) -> Result<Option<String>> {
    if !is_future(timestamp, now) {
        return Ok(None);
    }
    let reason = format!("{timestamp} is later than now, {now}");
    match rules.future {
        FutureRule::Reject => Err(Error::bad_event("timestamp", reason)),
        FutureRule::Warn => {
            Ok(Some(format!("timestamp: {reason}; the event is ignored until then")))
        }
    }
}

fn check_field(what: &str, value: &str) -> Result<()> {
    let reason = if value.is_empty() {
        "it is empty; a name is expected".to_owned()
    } else if value.len() > MAX_FIELD_LEN {
        format!("it has {} bytes; at most {MAX_FIELD_LEN} are allowed", value.len())
    } else if value.chars().any(char::is_control) {
        format!("\"{}\" has control characters in it", shown(value))
    } else {
        return Ok(());
    };
    Err(Error::bad_event(what, reason))
}

fn check_payload(payload: &Payload) -> Result<Box<RawValue>> {
    let raw: Box<RawValue> = match payload {
        Payload::Json(raw) => raw.clone(),
        Payload::Text(text) if text.trim_ascii().is_empty() => {
            return Err(Error::bad_event("payload", "it is empty; a JSON object is expected"));
        }
        Payload::Text(text) => serde_json::from_str(text).map_err(|error| {
            let reason = format!("it is not JSON: {error}; a JSON object is expected");
            Error::bad_event("payload", reason)
        })?,
    };
    let kind = match raw.get().as_bytes().first() {
        Some(b'{') => return Ok(raw),
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    };
    Err(Error::bad_event("payload", format!("it is {kind}; a JSON object is expected")))
}
