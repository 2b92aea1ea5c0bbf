//! Attempts by action: what helped and what did not.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Attempt, AttemptOutcome};
use crate::event::Timestamp;

/// The outcomes of all tries of one action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ActionSummary {
    /// The action; none for attempts that do not name one.
    pub action: Option<String>,
    /// The number of tries.
    pub tries: u64,
    /// The number of tries that helped.
    pub helped: u64,
    /// The number of tries without an effect.
    pub no_effect: u64,
    /// The number of tries that failed.
    pub failed: u64,
    /// The number of tries after which another attempt came before any report.
    pub superseded: u64,
    /// The number of tries of which nothing is known.
    pub unknown: u64,
    /// The start of the latest try that helped.
    pub last_helped: Option<Timestamp>,
}

/// Summarizes attempts by action: what helped most often comes first, then what was tried most.
pub(crate) fn by_action<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> Vec<ActionSummary> {
    let mut actions: BTreeMap<Option<&str>, ActionSummary> = BTreeMap::new();
    for attempt in attempts {
        let sum = actions.entry(attempt.action.as_deref()).or_default();
        sum.tries += 1;
        let count = match attempt.outcome {
            AttemptOutcome::Helped => &mut sum.helped,
            AttemptOutcome::NoEffect => &mut sum.no_effect,
            AttemptOutcome::Failed => &mut sum.failed,
            AttemptOutcome::Superseded => &mut sum.superseded,
            AttemptOutcome::Unknown => &mut sum.unknown,
        };
        *count += 1;
        if attempt.outcome == AttemptOutcome::Helped {
            sum.last_helped = sum.last_helped.max(Some(attempt.started));
        }
    }
    let mut sums: Vec<ActionSummary> = actions
        .into_iter()
        .map(|(action, sum)| ActionSummary { action: action.map(str::to_owned), ..sum })
        .collect();
    sums.sort_by_key(|sum| std::cmp::Reverse((sum.helped, sum.tries)));
    sums
}
