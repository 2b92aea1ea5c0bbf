//! Status: what needs attention, and the state of the tree and its archive.

use crate::event::{Severity, Timestamp};
use crate::ops::status::{Status, StatusOptions, status};
use crate::ops::{Finding, standing};
use crate::policy::Policy;
use crate::store::{Like, Notice, Store};
use crate::text::{count, verb};
use crate::views::problems::{Problem, Runs, Unended, may_tell, problems};
use crate::{Context, History, Result};

impl History {
    /// Returns the status: open problems, the last runs, sizes, and what comes next.
    ///
    /// ```
    /// use hlarchive::{History, StatusOptions};
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let history = History::open(&root)?;
    /// history.emit("node_offline").send()?;
    /// let report = history.status(&StatusOptions::since(history.today().start()))?;
    /// assert_eq!(report.status.live.files, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(&self, options: &StatusOptions) -> Result<StatusReport> {
        let context = self.context.stopped();
        standing_status(&self.store, &self.policy, &context, options).map(|(report, _)| report)
    }
}

/// The status of a history.
#[derive(Debug, serde::Serialize)]
#[non_exhaustive]
pub struct StatusReport {
    /// The time of the report.
    pub time: Timestamp,
    /// Start of what counts as new.
    pub since: Timestamp,
    /// The same time, if older events are remote and were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_since: Option<Timestamp>,
    /// True if somebody should look.
    pub attention: bool,
    /// Open problems, the worst first.
    pub problems: Vec<Problem>,
    /// Runs since `since` that never reported an end.
    pub unended: Option<Unended>,
    /// Live files that are not events.
    pub live_invalid: u64,
    /// Runs whose end is dated before their start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_stepped: Option<u64>,
    /// The state of the tree and its archive.
    #[serde(flatten)]
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) calendar: Option<serde_json::Value>,
}

impl StatusReport {
    /// Reports whether the tree's archive is not here, so that the report may be incomplete.
    #[cfg_attr(not(feature = "mcp"), allow(dead_code))]
    pub(crate) fn is_away(&self) -> bool {
        self.status.is_away
    }
}

/// Returns the status without a calendar, and whether something could not be read.
pub(crate) fn standing_status(
    store: &Store,
    policy: &Policy,
    context: &Context,
    options: &StatusOptions,
) -> Result<(StatusReport, bool)> {
    // Events first: what is rotated meanwhile is only counted, and counted as archived.
    let mut runs = Runs::at(context.now());
    let window = Like { kind: may_tell, or_severity: Severity::Critical };
    let stand = standing::look(store, context.now(), options.since, window, &mut |event| {
        if let Ok(head) = event.head() {
            runs.take(&head);
        }
    })?;
    let problems = problems(&stand.standing);
    let (unended, clock_stepped) = runs.finish();
    let (notices, beyond, cost) = (stand.notices, stand.beyond, stand.is_short);
    let is_live_invalid =
        |notice: &&Notice| matches!(notice, Notice::Invalid { segment: None, .. });
    let live_invalid = notices.iter().filter(is_live_invalid).count() as u64 + beyond;
    let mut status = status(store, policy, context, options)?;
    for notice in notices.iter().filter(|notice| notice.costs_events()) {
        let (path, reason) = match notice {
            Notice::Unreadable { path, reason } => (path.to_string(), reason),
            Notice::Damaged { path, reason } => (path.display().to_string(), reason),
            // The unreachable archive is already a finding.
            Notice::Away(_) if status.is_away => continue,
            Notice::Away(unreached) => ("elsewhere".to_owned(), &unreached.to_string()),
            _ => continue,
        };
        let finding = Finding::new(path, reason.clone());
        if !status.findings.contains(&finding) {
            status.findings.push(finding);
        }
    }
    waiting(&mut status, live_invalid);
    let report = StatusReport {
        time: context.now(),
        since: options.since,
        only_since: stand.since,
        attention: !problems.is_empty() || !status.findings.is_empty(),
        problems,
        unended,
        live_invalid,
        clock_stepped: Some(clock_stepped).filter(|runs| *runs > 0),
        status,
        calendar: None,
    };
    Ok((report, cost))
}

/// Adds findings in words for unexpected live and archived files.
fn waiting(status: &mut Status, live_invalid: u64) {
    if live_invalid > 0 {
        let reason = format!("{} (hlarchive verify --live)", invalid(live_invalid));
        status.findings.push(Finding::new("live", reason));
    }
    if status.new_invalid > 0 {
        let reason = format!("{}; archived as is", invalid(status.new_invalid));
        status.findings.push(Finding::new("archived", reason));
    }
    if status.new_conflicts > 0 {
        let what = count(status.new_conflicts, "conflict");
        let reason = format!("{what} recorded: two events of one name (hlarchive manifest show)");
        status.findings.push(Finding::new("archived", reason));
    }
}

fn invalid(number: u64) -> String {
    let are = verb(number, "is not a valid event", "are not valid events");
    format!("{} {are}", count(number, "file"))
}
