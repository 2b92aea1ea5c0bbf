//! The meaning of an event for its subject: the one reading of types that all answers share.
//!
//! The known types mean what their names say; others are read by their endings (`backup_failed`),
//! and where those say nothing, by a severity of `critical`. The end of a run whose payload
//! reports a failure is a failure, whatever its type says.

use crate::event::{EventHead, Severity};

/// The meaning of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// A service is unhealthy.
    Unhealthy,
    /// It is healthy again: a service recovered, or something else did.
    Recovered,
    /// A node went away.
    Offline,
    /// It is back.
    Online,
    /// A remediation began.
    Attempted,
    /// The remediation itself ended well.
    AttemptDone,
    /// The remediation failed.
    AttemptFailed,
    /// Something else began: a deployment, a backup.
    Began,
    /// It ended well.
    Done,
    /// It failed, or a check did.
    Failed,
    /// Something critical of a type that says no more.
    Alarm,
    /// Nothing about how things stand.
    Nothing,
}

impl Word {
    /// Reads an event.
    pub(crate) fn of(event: &EventHead<'_>) -> Self {
        let kind = event.event_type.as_ref();
        match kind {
            "service_unhealthy" => Self::Unhealthy,
            "node_offline" => Self::Offline,
            "node_online" => Self::Online,
            "remediation_started" => Self::Attempted,
            "remediation_failed" => Self::AttemptFailed,
            "remediation_completed" if reports_failure(event) => Self::AttemptFailed,
            "remediation_completed" => Self::AttemptDone,
            _ if kind.ends_with("_started") => Self::Began,
            _ if kind.ends_with("_failed") => Self::Failed,
            _ if kind.ends_with("_completed") && reports_failure(event) => Self::Failed,
            _ if kind.ends_with("_completed") => Self::Done,
            _ if kind.ends_with("_recovered") => Self::Recovered,
            _ if event.severity == Severity::Critical => Self::Alarm,
            _ => Self::Nothing,
        }
    }

    /// Reports whether something is not as it should be.
    pub(crate) fn is_bad(self) -> bool {
        matches!(
            self,
            Self::Unhealthy | Self::Offline | Self::AttemptFailed | Self::Failed | Self::Alarm
        )
    }
}

/// Reports whether an end's payload says that it failed: `success` or `ok` is false, or
/// `outcome`, `result` or `status` is a word for failure.
pub(crate) fn reports_failure(event: &EventHead<'_>) -> bool {
    #[derive(serde::Deserialize, Default)]
    struct EndPayload {
        #[serde(default)]
        success: serde_json::Value,
        #[serde(default)]
        ok: serde_json::Value,
        #[serde(default)]
        outcome: serde_json::Value,
        #[serde(default)]
        result: serde_json::Value,
        #[serde(default)]
        status: serde_json::Value,
    }
    let told: EndPayload = serde_json::from_str(event.payload.get()).unwrap_or_default();
    let no = |value: &serde_json::Value| value.as_bool() == Some(false);
    let bad = |value: &serde_json::Value| {
        value.as_str().is_some_and(|word| {
            let word = word.to_ascii_lowercase();
            matches!(word.as_str(), "failed" | "failure" | "error" | "unsuccessful")
        })
    };
    no(&told.success)
        || no(&told.ok)
        || bad(&told.outcome)
        || bad(&told.result)
        || bad(&told.status)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn types_mean_what_they_say_and_others_speak_by_their_endings() {
        for (kind, severity, payload, wanted) in [
            ("service_unhealthy", "info", "{}", Word::Unhealthy),
            ("service_recovered", "info", "{}", Word::Recovered),
            ("raid_recovered", "info", "{}", Word::Recovered),
            ("remediation_completed", "info", "{}", Word::AttemptDone),
            ("remediation_completed", "info", r#"{"ok":false}"#, Word::AttemptFailed),
            ("remediation_completed", "info", r#"{"result":"Failure"}"#, Word::AttemptFailed),
            ("remediation_failed", "info", "{}", Word::AttemptFailed),
            ("backup_started", "critical", "{}", Word::Began),
            ("backup_completed", "info", r#"{"status":"error"}"#, Word::Failed),
            ("healthcheck_failed", "warning", "{}", Word::Failed),
            ("disk_full", "critical", "{}", Word::Alarm),
            ("disk_full", "error", "{}", Word::Nothing),
        ] {
            let text = format!(
                r#"{{"timestamp":"2026-05-16T10:00:00Z","node":"pi4","type":"{kind}","severity":"{severity}","source":"s","service":"all","correlation_id":"c","payload":{payload}}}"#
            );
            let word = Word::of(&EventHead::parse(text.as_bytes()).unwrap());
            assert_eq!(word, wanted, "{kind} {severity} {payload}");
        }
        assert!(Word::Alarm.is_bad() && !Word::Began.is_bad());
    }
}
