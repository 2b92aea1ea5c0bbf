//! The tool that counts events.

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use super::call::{Answer, Call, Passed, answer};
use super::events::looked;
use super::words::Level;
use crate::cli::args::{FilterArgs, Per, TextArgs, dates};
use crate::event::Severity;
use crate::ops::answers::count::{CountField, CountQuery, CountReport, count as look};
use crate::store::{Looked, Query};
use crate::views::count::Period;

/// The default number of groups of an answer, of each period if there are any.
const FEW: usize = 20;

/// The bytes of groups in one answer, some 1,500 tokens.
const BYTES: usize = 6000;

/// The arguments of count. Several values of one list are alternatives; different members must
/// all hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Count {
    /// Fields to count by, combined: type, service, node, severity, source, `correlation_id`, hour,
    /// day, week, month, or a path such as "payload.stage". Without any: one number.
    by: Vec<String>,
    /// Each hour, day, week or month by itself (UTC).
    per: Option<Per>,
    /// The largest groups, 20 by default, of each period if there are any.
    top: Option<usize>,
    /// Days (UTC): "2026-05-16", "today", "yesterday". Without date, since and until: all.
    date: Vec<String>,
    /// Not before this: a date, a timestamp, "yesterday", "30d ago".
    since: Option<String>,
    /// Before this time; a date means the end of that day.
    until: Option<String>,
    /// Hosts.
    node: Vec<String>,
    /// Types, such as `service_unhealthy`.
    #[serde(rename = "type")]
    event_type: Vec<String>,
    /// This severity or a worse one.
    min_severity: Option<Level>,
    /// Services.
    service: Vec<String>,
    /// As for list.
    grep: Vec<String>,
    /// As for list.
    #[serde(rename = "where")]
    conditions: Vec<String>,
}

#[derive(Serialize)]
struct Counted {
    #[serde(flatten)]
    report: CountReport,
    #[serde(flatten)]
    passed: Passed,
    /// The places searched, if nothing was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<Looked>,
}

pub(super) fn count(call: &Call, given: Count) -> Answer {
    call.must_exist()?;
    let filter = FilterArgs {
        since: given.since,
        until: given.until,
        node: given.node,
        event_type: given.event_type,
        min_severity: given.min_severity.map(Severity::from),
        service: given.service,
        text: TextArgs { grep: given.grep, conditions: given.conditions, ..TextArgs::default() },
        ..FilterArgs::default()
    };
    let dates = dates(&given.date, call.now)?;
    let query = Query { filter: filter.filter(call.now, call.store())?, dates, ..Query::default() };
    let by =
        given.by.iter().map(|field| field.parse()).collect::<crate::Result<Vec<CountField>>>()?;
    let asked = CountQuery { query, by, per: given.per.map(Period::from) };
    let (mut report, mut notices) = look(call.store(), &asked, &|| call.go_on().is_err())?;
    call.go_on()?;
    report.keep(given.top.unwrap_or(FEW));
    fit(&mut report);
    let is_empty = report.events == 0;
    let searched = is_empty.then(|| looked(call, &asked.query)).transpose()?;
    let passed = Passed::of(&mut notices);
    answer(&Counted { report, passed, searched })
}

/// Leaves out the last groups that do not fit into an answer.
fn fit(report: &mut CountReport) {
    let (mut bytes, mut kept) = (0, 0);
    for group in &report.groups {
        bytes += serde_json::to_vec(group).map_or(0, |text| text.len());
        if bytes > BYTES && kept > 0 {
            break;
        }
        kept += 1;
    }
    let beyond = report.groups.split_off(kept);
    report.in_other_groups += beyond.iter().map(|group| group.events).sum::<u64>();
}
