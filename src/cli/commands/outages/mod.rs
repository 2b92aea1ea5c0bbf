//! `hlarchive outages`.

mod csv;
mod table;

use crate::ops::answers::outages::{OutageQuery, min_gap, outages};
use crate::views::outages::OutageRange;

use super::nothing::Nothing;
use crate::cli::args::{Format, TimeArgs, instant};
use crate::cli::exit::{Exit, Failure, lacking};
use crate::cli::session::Session;

/// Show how long and how often services and nodes were down
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive outages --open
  hlarchive outages --service grafana --since '30d ago'
  hlarchive outages --node pi4 --since 2026-05-01 --until 2026-05-31
  hlarchive outages --since 90d -o csv > outages.csv
  hlarchive outages -o json | jq '.services[].mttr_seconds'

An outage of a service begins with service_unhealthy and ends with service_recovered of the same \
service and node; one of a node, with node_offline and node_online. A critical event of an \
unknown type begins one, too, which ends with any later success of that service and node. \
Failures do not begin one: they are its cause if they came up to 10 minutes before in the same \
chain. Outages with less uptime than --min-gap between them count as one, with one more flap. \
Shown are the outages that were open at some time in the range, open ones first, then the newest; \
each in full, even if it began before --since.

LAST TRIED is the last remediation that began while it was open. Figures are those of the range, \
which without --since begins with the first event about the service or node: TOTAL and LONGEST \
count the part within, MTTR is the mean of the outages that ended, in full, MTBF the time up by \
the number of outages that began, and AVAILABILITY the part of the range that was up.

To find outages that began before --since, the entire history is read for the types that report \
them.

With -o json: since, until, min_gap_seconds, outages (node, service, or null for a node, from, \
to, seconds, open, flaps, type, cause, correlation_id, path, tries, attempts (timestamp, action, \
source, correlation_id, ended (completed, failed or null), preceded_recovery, path) and, where a \
clock may have been set back, clock_stepped), services (node, service, since, until, count, open, \
flaps, total_seconds, longest_seconds, mttr_seconds, mtbf_seconds, availability), expired and \
unreached (as in attempts), and, if there is none, searched. With -o csv: a line per outage; text \
that a spreadsheet would take for a formula gets an apostrophe before it.

Exit codes:
  1   no matching outages
  74  something could not be read, so outages or their ends may be missing
  75  a part is remote and could not be reached")]
pub(in crate::cli) struct Args {
    /// Only open outages
    #[arg(long)]
    open: bool,
    /// Minimum uptime between two outages; below it they count as one [default: 60s]
    #[arg(long, value_name = "DURATION")]
    min_gap: Option<String>,
    /// Use this time: later events have not happened
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    #[command(flatten)]
    time: TimeArgs,
    /// Only this node; this and the following flag may be repeated
    #[arg(long, value_name = "NODE", help_heading = "Which outages")]
    node: Vec<String>,
    /// Only this service; without it, outages of nodes, too
    #[arg(long, value_name = "SERVICE", help_heading = "Which outages")]
    service: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json, Format::Csv])?;
        if let Some(text) = &self.now {
            session.now = instant("--now", text, session.now)?;
        }
        let (since, until) = self.time.range(session.now)?;
        let min_gap_us = min_gap(self.min_gap.as_deref(), "--min-gap")?;
        let wanted = OutageQuery {
            asked: OutageRange { since, until, min_gap_us, now: session.now },
            open: self.open,
            nodes: self.node,
            services: self.service,
        };
        let (report, mut notices) = outages(&session.store, &wanted, &|| false)?;
        let is_empty = report.answer.outages.is_empty();
        let mut nothing = Nothing::of(&session.store, || wanted.query(), is_empty)?;
        match format {
            Format::Json => session.json(&nothing.with(&report))?,
            Format::Csv => csv::print(session, &report.answer.outages)?,
            _ if !is_empty => table::print(session, &report)?,
            _ => {}
        }
        session.flush()?;
        session.notices(&mut notices);
        session.end_notices();
        if notices.any_cost() {
            return Ok(lacking(&notices));
        }
        if is_empty {
            if format == Format::Json {
                session.warn_of_nowhere()?;
            } else {
                let kind = if wanted.open { "open " } else { "" };
                nothing.tell(session, Some(&format!("no {kind}outage")))?;
            }
            return Ok(Exit::Wrong);
        }
        Ok(Exit::Done)
    }
}
