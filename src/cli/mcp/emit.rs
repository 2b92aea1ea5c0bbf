//! The one tool that writes: an event of the agent's own. It exists only if the server is
//! started with it.

use crate::event::{NodeName, Timestamp};
use crate::ops::emit::{NewEvent, emit};
use crate::policy::{FutureRule, LenientRules};
use crate::system::host_name;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::{Answer, Call, Trouble, answer};
use super::words::Level;

/// The arguments of `emit_event`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmitEvent {
    /// What happened: one of `deployment_started`, `deployment_completed`,
    /// `deployment_failed`, `service_unhealthy`, `service_recovered`, `node_offline`,
    /// `node_online`, `healthcheck_failed`, `remediation_started`, `remediation_completed`,
    /// or a type that the policy knows.
    #[serde(rename = "type")]
    event_type: String,
    /// How bad it is. Default: by the type: error for what failed, is unhealthy or offline,
    /// warning for `healthcheck_failed` and `remediation_started`, else info.
    severity: Option<Level>,
    /// The emitter: your own name, such as "mender".
    source: String,
    /// The service concerned, or "all".
    service: String,
    /// The id that links it to other events. Give the end of a remediation the id of its
    /// start. Without one it is the event's own id, which the answer gives.
    correlation_id: Option<String>,
    /// Anything else worth keeping; of a remediation: action and attempt.
    payload: Option<Map<String, Value>>,
    /// The host it happened on. Default: the one this server runs on.
    node: Option<String>,
    /// When it happened, ISO 8601. Default: now.
    timestamp: Option<String>,
}

pub(super) fn emit_event(call: &Call, wanted: EmitEvent) -> Answer {
    let LenientRules { mut rules, warning } = call.event_rules();
    // An agent has no clock of its own that could be wrong.
    rules.future = FutureRule::Reject;
    let timestamp = wanted.timestamp.map(|text| {
        text.parse::<Timestamp>().map_err(|_| {
            let shown = crate::event::shown(&text);
            Trouble(format!("timestamp: \"{shown}\" is not ISO 8601, as 2026-05-16T10:11:12Z is"))
        })
    });
    let node = if let Some(node) = wanted.node {
        node
    } else {
        let host = host_name();
        NodeName::for_writing(&host).map_err(|error| {
            Trouble(format!("node: {error}; it is this machine's name: give another"))
        })?;
        host
    };
    let severity = wanted.severity.map(crate::event::Severity::from);
    let new = NewEvent {
        event_type: wanted.event_type,
        severity: severity.map(|severity| severity.as_str().to_owned()),
        source: wanted.source,
        service: wanted.service,
        correlation_id: wanted.correlation_id,
        payload: Value::Object(wanted.payload.unwrap_or_default()).to_string().into(),
        node,
        timestamp: timestamp.transpose()?,
    };
    call.go_on()?;
    let emitted = emit(call.store(), &rules, &call.context()?, &new)?;
    answer(&serde_json::json!({
        "path": emitted.file.display().to_string(),
        "id": emitted.id,
        "correlation_id": emitted.correlation_id,
        "warning": match (emitted.warning, warning) {
            (Some(of_event), Some(of_policy)) => Some(format!("{of_event}; {of_policy}")),
            (one, other) => one.or(other),
        },
    }))
}
