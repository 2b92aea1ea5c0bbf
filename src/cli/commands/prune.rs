//! `hlarchive prune`.

use crate::ops::metrics::{Scope, of_prune};
use crate::ops::prune::{Difference, Expiring, Held, PruneOptions, PrunePlan, PruneReport};

use super::remote_followup::RemoteFollowUp;
use super::{end_of_days, name_findings, name_recovered};
use crate::cli::args::{Format, instant};
use crate::cli::exit::{Exit, Failure};
use crate::cli::metrics::MetricsArgs;
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::text::{bytes, count, verb};

/// Expire archived days as the policy says
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive prune --dry-run
  hlarchive prune
  hlarchive prune --dry-run --now 2030-01-01

Applies retain.keep, then max_size, then min_free, oldest days first; held segments never expire. \
Each segment is kept at least as long as the policy promised when it was rotated, and \
retain.grace from then on, however old its events are. Its expiry is recorded first, and only \
then is it removed. Only a backup can bring it back.

Exit codes:
  1   a rule cannot be kept, or something could not be removed, and is
      named; with --dry-run also: it would need --yes-really
  75  another hlarchive is at work on this archive, or the clock looks
      wrong (set it right, or give --now)
  77  everything, or more than half of it, would expire at once, or the clock
      may have jumped: nothing was touched (--yes-really)")]
pub(in crate::cli) struct Args {
    /// Show what would expire and by which rule, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Use this time, trusting it over the manifest
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// Apply the policy even if it keeps less than was promised
    #[arg(long)]
    shorten: bool,
    /// Continue even if it takes most of the archive or the clock jumped
    #[arg(long)]
    yes_really: bool,
    #[command(flatten)]
    metrics: MetricsArgs,
}

impl Args {
    /// Returns the prune that follows a rotation.
    pub(super) fn after_rotation(dry_run: bool, now: Option<String>, metrics: MetricsArgs) -> Self {
        Self { dry_run, now, shorten: false, yes_really: false, metrics }
    }

    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        if !self.dry_run {
            session.measure("prune", Scope::Whole, self.metrics);
        }
        if let Some(text) = &self.now {
            session.now = instant("--now", text, session.now)?;
        }
        let options = PruneOptions {
            trust_now: self.now.is_some(),
            shorten: self.shorten,
            consent: self.yes_really,
        };
        let history = session.by_policy(Bar::new(session))?;
        if self.dry_run {
            let plan = history.plan_prune(&options)?;
            let after = RemoteFollowUp::plan(&history)?;
            return print_plan(session, &plan, after, self.yes_really, format);
        }
        let report = history.prune(&options)?;
        session.measured(|| of_prune(&report));
        let after = RemoteFollowUp::prune(&history, options.trust_now);
        let exit = print(session, &report, &after, format)?;
        after.end(session, format, exit)
    }
}

fn print_plan(
    session: &mut Session,
    plan: &PrunePlan,
    after: RemoteFollowUp,
    consent: bool,
    format: Format,
) -> Result<Exit, Failure> {
    if format == Format::Json {
        let mut object = serde_json::json!({ "dry_run": true });
        let rest = after.json(plan)?;
        if let (Some(object), serde_json::Value::Object(rest)) = (object.as_object_mut(), rest) {
            object.extend(rest);
        }
        session.json(&object)?;
    } else {
        lines(session, &plan.expiring, &plan.held, &plan.differences)?;
    }
    session.flush()?;
    name_findings(session, &plan.findings);
    let refused = plan.needs_consent.as_ref().filter(|_| !consent);
    if let Some(reason) = refused {
        session.warn(&format!("{reason}; this would need --yes-really"));
    }
    let good = refused.is_none() && plan.findings.is_empty();
    let exit = after.end(session, format, if good { Exit::Done } else { Exit::Wrong })?;
    session.remark("a dry run: nothing was changed");
    Ok(exit)
}

fn lines(
    session: &mut Session,
    expired: &[Expiring],
    held: &[Held],
    differences: &[Difference],
) -> Result<(), Failure> {
    for gone in expired {
        session.line(&format!(
            "{}  {}, {}: {}",
            gone.segment,
            count(gone.events, "event"),
            bytes(gone.bytes),
            gone.rule
        ))?;
    }
    session.flush()?;
    if expired.is_empty() {
        session.remark("nothing to prune");
    }
    for held in held {
        let why = held.reason.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        session.remark(&format!(
            "{} stays: hold {} keeps it{why} from {}",
            held.segment, held.hold, held.rule
        ));
    }
    for differs in differences {
        let of = differs.class.as_deref().map(|class| format!(" of class {class}"));
        session.remark(&format!(
            "{}{} from {} to {} {} promised {}, and the policy says {}: {} counts",
            count(differs.segments, "segment"),
            of.unwrap_or_default(),
            differs.first_day,
            differs.last_day,
            verb(differs.segments, "was", "were"),
            differs.promised,
            differs.policy,
            differs.counts
        ));
    }
    Ok(())
}

fn print(
    session: &mut Session,
    report: &PruneReport,
    after: &RemoteFollowUp,
    format: Format,
) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(&after.json(report)?)?;
    } else {
        lines(session, &report.expired, &report.held, &report.differences)?;
    }
    session.flush()?;
    name_recovered(session, &report.recovered);
    name_findings(session, &report.findings);
    Ok(end_of_days(session, &report.findings, report.stopped, &report.left_days))
}
