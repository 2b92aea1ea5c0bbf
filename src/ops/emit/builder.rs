//! Emitting events, for users of the library.

use std::path::Path;

use serde::Serialize;

use super::{Emitted, NewEvent, Payload, emit};
use crate::event::{EventPath, Severity, Timestamp};
use crate::{Error, History, Result, system};

impl History {
    /// Begins an event of this type. Nothing is written before [`Emit::send`].
    pub fn emit(&self, event_type: impl Into<String>) -> Emit<'_> {
        let new = NewEvent {
            event_type: event_type.into(),
            severity: None,
            source: "hlarchive".to_owned(),
            service: "all".to_owned(),
            correlation_id: None,
            payload: "{}".into(),
            node: system::host_name(),
            timestamp: None,
        };
        Emit { history: self, new, refused: None }
    }
}

/// An event under construction.
///
/// By default, the node is this host, the service `all`, the time that of [`send`](Self::send), the
/// severity what the policy says of the type, the payload empty, and the correlation id the event's
/// own id.
///
/// ```
/// use hlarchive::History;
/// use serde_json::json;
///
/// # fn main() -> hlarchive::Result<()> {
/// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
/// # let root = directory.path().join("events");
/// let history = History::open(&root)?;
/// let sent = history
///     .emit("certificate_renewed")
///     .node("pi4")
///     .service("nginx")
///     .source("certbot-hook")
///     .payload(json!({"days_left": 89}))
///     .send()?;
/// assert!(sent.file().is_file());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an event is written by send()"]
pub struct Emit<'h> {
    history: &'h History,
    new: NewEvent,
    /// The reason why the payload is not acceptable.
    refused: Option<String>,
}

impl<'h> Emit<'h> {
    /// Sets the service concerned.
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.new.service = service.into();
        self
    }

    /// Sets the component that emits the event.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.new.source = source.into();
        self
    }

    /// Sets the host that it happened on.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.new.node = node.into();
        self
    }

    /// Sets the severity.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.new.severity = Some(severity.as_str().to_owned());
        self
    }

    /// Sets the id that links it to other events.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.new.correlation_id = Some(id.into());
        self
    }

    /// Sets the time of the event.
    pub fn timestamp(mut self, timestamp: Timestamp) -> Self {
        self.new.timestamp = Some(timestamp);
        self
    }

    /// Sets the payload: any value that serializes as a JSON object.
    pub fn payload(mut self, payload: impl Serialize) -> Self {
        match serde_json::value::to_raw_value(&payload) {
            Ok(raw) => self.new.payload = Payload::Json(raw),
            Err(error) => self.refused = Some(error.to_string()),
        }
        self
    }

    /// Writes the event. When this returns, it is on the disk, complete and under its name.
    ///
    /// Fails with [`Error::BadEvent`] if something in it is not acceptable, and then nothing was
    /// touched; with [`Error::Io`] if it cannot be written.
    pub fn send(self) -> Result<Sent<'h>> {
        if let Some(reason) = self.refused {
            return Err(Error::bad_event("payload", reason));
        }
        let History { store, policy, context, .. } = self.history;
        let emitted = emit(store, &policy.events, context, &self.new)?;
        Ok(Sent { history: self.history, new: self.new, emitted })
    }
}

/// An event that was written.
#[derive(Debug, Clone)]
pub struct Sent<'h> {
    history: &'h History,
    new: NewEvent,
    emitted: Emitted,
}

impl<'h> Sent<'h> {
    /// Begins an event that belongs to this one: with the same correlation id, node, service
    /// and source.
    pub fn emit(&self, event_type: impl Into<String>) -> Emit<'h> {
        let new = NewEvent {
            event_type: event_type.into(),
            severity: None,
            correlation_id: Some(self.emitted.correlation_id.clone()),
            payload: "{}".into(),
            timestamp: None,
            ..self.new.clone()
        };
        Emit { history: self.history, new, refused: None }
    }

    /// Returns the event's identity.
    pub fn path(&self) -> &EventPath {
        &self.emitted.path
    }

    /// Returns the event's file.
    pub fn file(&self) -> &Path {
        &self.emitted.file
    }

    /// Returns the event's id: the UUID in its name.
    pub fn id(&self) -> &str {
        &self.emitted.id
    }

    /// Returns the id that links it to other events.
    pub fn correlation_id(&self) -> &str {
        &self.emitted.correlation_id
    }

    /// Returns a warning to the emitter, though the event was accepted: an unknown type, for
    /// example.
    pub fn warning(&self) -> Option<&str> {
        self.emitted.warning.as_deref()
    }
}
