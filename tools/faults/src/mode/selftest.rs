//! Self-test: whether anyone would notice.
//!
//! The disk of the model ignores syncs of directories, then of files, as if the command
//! had forgotten to ask for them. A matrix that holds all the same would prove nothing.

use super::{Settings, Stage, powercut};
use crate::disk::Deaf;
use crate::lab::Verdict;
use crate::report::{Failure, Outcomes};

pub(crate) fn run(stage: &Stage<'_>, settings: &Settings) -> Verdict<Outcomes> {
    let mut outcomes = Outcomes::default();
    let mut noticed = Vec::new();
    for (deaf, what) in [(Deaf::ToDirectories, "directories"), (Deaf::ToFiles, "files")] {
        let settings = Settings {
            deaf: Some(deaf),
            most: Some(200),
            only: None,
            // One run is enough: what is forgotten there is lost there.
            every: usize::MAX,
            ..settings.clone()
        };
        let broken = powercut::run(stage, &settings)?;
        outcomes.points += 1;
        if broken.failures.is_empty() {
            outcomes.failures.push(Failure {
                point: format!("syncs of {what} do nothing"),
                reason: format!("none of {} states shows it", broken.points),
                arguments: String::new(),
            });
        } else {
            let (wrong, all) = (broken.failures.len(), broken.points);
            noticed.push(format!("without syncs of {what} {wrong} of {all} states are wrong"));
        }
    }
    outcomes.note = noticed.join("; ");
    Ok(outcomes)
}
