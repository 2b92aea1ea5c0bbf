//! What helped and what did not, action by action.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Attempt, AttemptOutcome};
use crate::event::Timestamp;

/// What became of all tries of one action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ActionSummary {
    /// The action; none for attempts that do not name one.
    pub action: Option<String>,
    /// How often it was tried.
    pub tries: u64,
    /// How often it helped.
    pub helped: u64,
    /// How often it had no effect.
    pub no_effect: u64,
    /// How often it failed.
    pub failed: u64,
    /// How often another attempt came before anything was heard.
    pub superseded: u64,
    /// Of how many tries nothing is known.
    pub unknown: u64,
    /// When the latest try that helped was started.
    pub last_helped: Option<Timestamp>,
}

/// Sums attempts up by action: what helped most often comes first, then what was tried most.
pub fn by_action<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> Vec<ActionSummary> {
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
