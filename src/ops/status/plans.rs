//! Plans of the nightly runs, and what they should have done already.

use super::report::{Status, StatusOptions};
use crate::Context;
use crate::event::{Date, Timestamp};
use crate::ops::Finding;
use crate::ops::prune::{self, PruneOptions};
use crate::ops::rotate::{self, PlannedDay, RotateOptions};
use crate::policy::Policy;
use crate::store::Store;

/// The time after which a due closed day, or a segment without a copy, was missed by more than one
/// nightly run.
pub(super) const OVERDUE_MICROS: i64 = 2 * Timestamp::MICROS_PER_DAY;

/// Determines what the nightly runs will do. If they would refuse, that itself needs attention.
pub(super) fn plans(
    store: &Store,
    policy: &Policy,
    context: &Context,
    options: &StatusOptions,
    status: &mut Status,
) {
    let rotating = RotateOptions { trust_now: options.trust_now, ..RotateOptions::default() };
    match rotate::plan(store, policy, context, &rotating) {
        Ok(days) => {
            for day in &days {
                if let Some(lacks) = &day.lacks {
                    status.findings.push(Finding::new(day.date.to_string(), lacks.clone()));
                }
            }
            overdue(store, policy, context, &days, status);
            status.next_rotate = days;
        }
        Err(error) => status.findings.push(Finding::of("the next rotate", &error)),
    }
    let pruning = PruneOptions { trust_now: options.trust_now, ..PruneOptions::default() };
    match prune::plan(store, policy, context, &pruning) {
        Ok(plan) => {
            status.findings.extend(plan.findings.iter().cloned());
            if let Some(reason) = &plan.needs_consent {
                status.findings.push(Finding::new("the next prune", reason.clone()));
            }
            status.next_prune = plan;
        }
        Err(error) => status.findings.push(Finding::of("the next prune", &error)),
    }
}

/// Reports days that wait for longer than nightly runs explain. A day that got something recently
/// (an import, a restore, the events of a clock that stood still) waits only for the next night.
fn overdue(
    store: &Store,
    policy: &Policy,
    context: &Context,
    days: &[PlannedDay],
    status: &mut Status,
) {
    let live = store.live().ok().flatten();
    let is_fresh = |date: Date| {
        let changes = live.as_ref().and_then(|live| live.changes(date).ok()).unwrap_or_default();
        changes.iter().any(|(_, changed)| {
            let age = context.now().micros().saturating_sub(changed / 1000);
            (0..OVERDUE_MICROS).contains(&age)
        })
    };
    let keep = i64::try_from(policy.rotate.keep_live.seconds()).unwrap_or(i64::MAX / 2_000_000);
    let is_overdue = |day: &&PlannedDay| {
        let due = day.date.end().micros().saturating_add(keep.saturating_mul(1_000_000));
        due.saturating_add(OVERDUE_MICROS) <= context.now().micros() && !is_fresh(day.date)
    };
    let mut late = days.iter().filter(is_overdue);
    if let Some(first) = late.next() {
        let more = late.count();
        let others = if more > 0 { format!(", and {more} later ones") } else { String::new() };
        status.findings.push(Finding::new(
            first.date.to_string(),
            format!("the day should have been archived days ago{others}; does rotate run?"),
        ));
    }
}
