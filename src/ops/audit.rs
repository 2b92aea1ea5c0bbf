//! Audit events: what happened to the archive is part of the history, too.
//!
//! The manifest's record is what counts. The event is emitted after it, if the policy asks for it
//! (`[audit] emit`), and carries the manifest's head, so that each node's history is a witness of
//! the archive. A failure to emit undoes nothing and is a finding.

use serde::Serialize;

use crate::Context;
use crate::Error;
use crate::archive::{Manifest, SegmentName};
use crate::event::{MAX_EVENT_BYTES, Severity};
use crate::ops::Finding;
use crate::ops::emit::{NewEvent, emit};
use crate::policy::{EventRules, UnknownTypes};
use crate::segment::Sha256Hash;
use crate::store::Store;

/// Maximum number of segments that are named one by one; the manifest has the rest.
const MAX_SEGMENTS: usize = 1000;

/// The contents of an audit event.
#[derive(Debug, Default, Serialize)]
pub(in crate::ops) struct AuditEvent {
    /// The type of the event.
    #[serde(skip)]
    pub(in crate::ops) event_type: &'static str,
    /// The segments that were added or removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::ops) segments: Vec<SegmentName>,
    /// Number of events in them, or written.
    pub(in crate::ops) events: u64,
    /// The subject: days, an id, a hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::ops) what: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::ops) reason: Option<String>,
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(flatten)]
    event: AuditEvent,
    by: &'a crate::archive::By,
    records: u64,
    seq: u64,
    head: Sha256Hash,
}

/// Emits an event about the records from number `from` on, if there are any and the context asks
/// for audit events; returns what prevented it.
pub(in crate::ops) fn emit_audit(
    store: &Store,
    context: &Context,
    manifest: &Manifest,
    from: usize,
    mut event: AuditEvent,
) -> Option<Finding> {
    let records = manifest.records().len().checked_sub(from).filter(|records| *records > 0)?;
    if !context.audit.emit {
        return None;
    }
    let event_type = event.event_type;
    event.segments.truncate(MAX_SEGMENTS);
    let payload = Payload {
        event,
        by: context.by(),
        records: records as u64,
        seq: manifest.records().last().map_or(0, |record| record.seq),
        head: manifest.head(),
    };
    // Audit event types are known, whatever the policy lists.
    let rules = EventRules {
        unknown_types: UnknownTypes::Allow,
        max_bytes: MAX_EVENT_BYTES,
        ..EventRules::default()
    };
    let new = NewEvent {
        event_type: event_type.to_owned(),
        severity: Some(Severity::Info.as_str().to_owned()),
        source: "hlarchive".to_owned(),
        service: "all".to_owned(),
        correlation_id: None,
        // Strings and numbers serialized into memory: this cannot fail.
        payload: serde_json::to_string(&payload).unwrap_or_default().into(),
        node: context.by().host.clone(),
        timestamp: None,
    };
    // Audit events never create a tree that does not exist.
    let emitted = match store.live() {
        Ok(Some(_)) => emit(store, &rules, context, &new).map(drop),
        Ok(None) => Err(Error::io(store.root(), "open", std::io::ErrorKind::NotFound)),
        Err(error) => Err(error),
    };
    emitted.err().map(|error| {
        let reason = format!("could not emit the audit event: {error}");
        Finding::new(event_type, reason)
    })
}
