//! The tool that reports how long and how often things were down.
//!
//! An answer is small, whatever the history: figures first, then the outages that still fit.

use crate::Timestamp;
use crate::store::Looked;
use crate::views::outages::{Figures, Outage, OutageRange};
use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use super::call::{Answer, Call, Passed, Trouble, answer};
use super::events::looked;
use super::page::{clipped, unknown};
use crate::cli::args::TimeArgs;
use crate::ops::answers::outages::{OutageQuery, OutageReport, min_gap, outages as look};

/// Bytes of rows in one answer, some 1,500 tokens.
const BYTES: usize = 3600;

/// Bytes of these that figures may take if there are outages, too.
const FIGURES_BYTES: usize = 2400;

/// The number of attempts reported with one outage: the last ones.
const ATTEMPTS: usize = 2;

/// The arguments of outages. Several values of one list are alternatives; different members
/// must all hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Outages {
    /// Open at this or later: a date, a timestamp, "yesterday", "30d ago". Without it: ever.
    since: Option<String>,
    /// Only what began before this; a date means the end of that day.
    until: Option<String>,
    /// Hosts.
    node: Vec<String>,
    /// Services. Without any, outages of whole nodes are reported, too.
    service: Vec<String>,
    /// Only open outages.
    open: bool,
    /// Outages with less uptime than this between them count as one, with one more flap.
    /// Default "60s"; "0s" counts each by itself.
    min_gap: Option<String>,
    /// The next of the previous answer, with all other arguments the same.
    next: Option<String>,
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    /// The report with the rows of this page.
    report: OutageReport,
    /// The value to pass as `next`; none on the last page.
    next: Option<String>,
    /// A sentence about what this answer leaves out.
    left: Option<String>,
    #[serde(flatten)]
    passed: Passed,
    /// The places searched, if nothing was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<Looked>,
}

pub(super) fn outages(call: &Call, given: Outages) -> Answer {
    call.must_exist()?;
    let (now, skip) = place(given.next.as_deref(), call.now)?;
    let (since, until) = TimeArgs::of(given.since, given.until).range(now)?;
    let min_gap_us = min_gap(given.min_gap.as_deref(), "min_gap")?;
    let wanted = OutageQuery {
        asked: OutageRange { since, until, min_gap_us, now },
        open: given.open,
        nodes: given.node,
        services: given.service,
    };
    let stop = || call.go_on().is_err();
    let (mut report, mut notices) = look(call.store(), &wanted, &stop)?;
    call.go_on()?;
    let is_empty = report.answer.outages.is_empty();
    let searched = is_empty.then(|| looked(call, &wanted.query())).transpose()?;
    let all = std::mem::take(&mut report.answer.outages);
    let figures = std::mem::take(&mut report.answer.services);
    let mut bytes = 0;
    let (kept, figures_left) = fitting(figures, skip[0], FIGURES_BYTES, &mut bytes)?;
    report.answer.services = kept;
    let all = all.into_iter().map(short).collect();
    let (kept, outages_left) = fitting(all, skip[1], BYTES, &mut bytes)?;
    report.answer.outages = kept;
    let after = [
        skip[0].saturating_add(report.answer.services.len()),
        skip[1].saturating_add(report.answer.outages.len()),
    ];
    let passed = Passed::of(&mut notices);
    let is_left = figures_left + outages_left > 0;
    let next = is_left.then(|| format!("{}.{}.{}", now.micros(), after[0], after[1]));
    let left = is_left.then(|| {
        format!(
            "{figures_left} more services and {outages_left} more outages: ask for one service, \
             node or shorter range, or call outages again with the same arguments and this next"
        )
    });
    answer(&Told { report, next, left, passed, searched })
}

/// A row in a page of an answer.
trait Row: Serialize {}
impl Row for Figures {}
impl Row for Outage {}

/// Returns the rows after the first `skip` that fit into `most` bytes, at least one if nothing
/// was given yet; and how many are left.
fn fitting<T: Row>(
    rows: Vec<T>,
    skip: usize,
    most: usize,
    bytes: &mut usize,
) -> Result<(Vec<T>, usize), Trouble> {
    let mut kept = Vec::new();
    let mut rest = rows.into_iter().skip(skip).peekable();
    while let Some(row) = rest.peek() {
        let more = answer(row)?.len();
        if *bytes > 0 && *bytes + more > most {
            break;
        }
        *bytes += more;
        kept.extend(rest.next());
    }
    let left = rest.count();
    Ok((kept, left))
}

/// Renders an outage with only its last attempts, and long texts cut.
fn short(mut outage: Outage) -> Outage {
    let early = outage.attempts.len().saturating_sub(ATTEMPTS);
    outage.attempts.drain(..early);
    outage.cause = outage.cause.as_deref().map(clipped);
    outage
}

/// Parses the time of the first page, and how many rows of each list were given.
fn place(next: Option<&str>, now: Timestamp) -> Result<(Timestamp, [usize; 2]), Trouble> {
    let Some(next) = next else { return Ok((now, [0, 0])) };
    let parse = || {
        let mut parts = next.split('.');
        let time = Timestamp::from_micros(parts.next()?.parse().ok()?);
        let skip = [parts.next()?.parse().ok()?, parts.next()?.parse().ok()?];
        parts.next().is_none().then_some((time, skip))
    };
    parse().ok_or_else(|| unknown(next))
}
