//! Putting restored files in their place.

use super::{RestoreOptions, RestoreReport, RestoredDay};
use crate::Context;
use crate::Result;
use crate::live::{BulkPlacer, LiveTree};
use crate::ops::Finding;
use crate::progress::Progress;

/// The tree in which events are placed, and the source of tokens; none in a plan.
pub(super) type Work<'a> = Option<(&'a LiveTree, &'a Context)>;

/// A restore at work: its settings, and its report so far.
pub(super) struct RestoreRun<'a> {
    pub(super) options: &'a RestoreOptions,
    pub(super) work: Work<'a>,
    pub(super) progress: &'a dyn Progress,
    pub(super) report: RestoreReport,
}

/// Prepares to place events.
pub(super) fn begin(work: Work<'_>) -> Result<Option<BulkPlacer<'_>>> {
    work.map(|(tree, context)| BulkPlacer::begin(tree, context.next_token(), context.now()))
        .transpose()
}

/// Places what was staged, and counts it; reports what stood in the way.
pub(super) fn finish(
    bulk: Option<BulkPlacer<'_>>,
    work: Work<'_>,
    day: &mut RestoredDay,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let Some((bulk, (tree, _))) = bulk.zip(work) else { return Ok(()) };
    let stats = bulk.finish(&mut |path| {
        findings.push(Finding::new(
            tree.root().join(path.to_string()).display().to_string(),
            "something else is here already and was left as it is; restore into another \
             directory to have both",
        ));
    })?;
    day.restored += stats.created_files;
    day.already_there += stats.same_files;
    Ok(())
}
