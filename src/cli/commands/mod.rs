//! The commands, one file each.

pub(super) mod attempts;
pub(super) mod compact;
pub(super) mod completions;
pub(super) mod count;
pub(super) mod demo;
pub(super) mod emit;
pub(super) mod evidence;
pub(super) mod export;
mod follow;
pub(super) mod hold;
pub(super) mod import;
pub(super) mod inspect;
pub(super) mod list;
pub(super) mod man;
pub(super) mod manifest;
pub(super) mod mcp;
pub(super) mod nothing;
pub(super) mod outages;
pub(super) mod policy;
mod printer;
pub(super) mod prune;
pub(super) mod remote;
mod remote_followup;
pub(super) mod restore;
pub(super) mod rotate;
pub(super) mod show;
pub(super) mod status;
pub(super) mod sync;
pub(super) mod trace;
pub(super) mod verify;

use crate::event::Date;
use crate::ops::Finding;
use crate::text::count;

use super::exit::Exit;
use super::session::Session;

/// Names each problem on standard error, one per line.
fn name_findings(session: &Session, findings: &[Finding]) {
    for finding in findings {
        session.warn_of(Some(&finding.path), &finding.to_string());
    }
}

/// Reports what an earlier, interrupted run left, and what was done about it.
fn name_recovered(session: &Session, recovered: &[Finding]) {
    for finding in recovered {
        session.remark_of(Some(&finding.path), &format!("hlarchive: {finding}"));
    }
}

/// Ends a run that goes through the archive day by day, once its findings were named.
fn end_of_days(session: &Session, findings: &[Finding], stopped: bool, left: &[Date]) -> Exit {
    if stopped {
        let left = days_left(left);
        session.warn(&format!("stopped on request; left for the next run: {left}"));
        return Exit::Stopped;
    }
    if findings.is_empty() { Exit::Done } else { Exit::Wrong }
}

/// Formats the days that a stop left: `2026-05-16`, `2026-05-16 and 2 later days`.
fn days_left(days: &[Date]) -> String {
    match days {
        [] => "nothing".to_owned(),
        [day] => day.to_string(),
        [day, later @ ..] => format!("{day} and {}", count(later.len() as u64, "later day")),
    }
}

/// Joins days or segments by commas.
fn joined(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
