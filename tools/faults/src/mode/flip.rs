//! Flip: one bit of a segment changes on its way to the file, and the call says that all is
//! well, as a bad cable or a bad memory would have it.
//!
//! Events may only go after what was written was read back: each such bit must be found
//! before anything is removed, named, and cost nothing but another run.

use super::{Settings, Stage, try_all};
use crate::lab::{Lab, Outcome, Verdict, first_lines};
use crate::report::{Failure, Outcomes};
use crate::trace::{Call, Change, Director, Fate};

/// Bits of each write that are tried, evenly spread from its first to its last.
const BITS: usize = 24;

/// A bit of what a call writes.
#[derive(Debug, Clone, Copy)]
struct Point {
    number: usize,
    call: usize,
    bit: usize,
}

struct At {
    point: Point,
    struck: Option<String>,
}

impl Director for At {
    fn before(&mut self, call: &Call) -> Fate {
        if call.number != self.point.call {
            return Fate::Pass;
        }
        self.struck = Some(call.to_string());
        Fate::Flip(self.point.bit)
    }
}

pub(crate) fn run(stage: &Stage<'_>, settings: &Settings) -> Verdict<Outcomes> {
    let calls = stage.baseline(false)?;
    let archive = stage.lab()?.archive();
    let mut points = Vec::new();
    for call in &calls {
        let Change::Write { data, .. } = &call.change else { continue };
        // Segments lie in the folders of years; checksum files beside them are text, which
        // `verify` compares, as it does the manifest.
        let folder = call.path.parent().and_then(|folder| folder.parent());
        if folder != Some(&archive) || data.is_ascii() {
            continue;
        }
        let last = data.len() * 8 - 1;
        points.extend((0..BITS).map(|number| (call.number, number * last / (BITS - 1))));
    }
    let points: Vec<Point> = points
        .into_iter()
        .enumerate()
        .map(|(at, (call, bit))| Point { number: at + 1, call, bit })
        .collect();
    let chosen: Vec<&Point> =
        settings.choose(points.len()).into_iter().filter_map(|at| points.get(at)).collect();
    let mut outcomes = try_all(stage, &chosen, &|lab, point| attempt(stage, lab, **point));
    if points.is_empty() {
        "writes no segment".clone_into(&mut outcomes.note);
    }
    Ok(outcomes)
}

fn attempt(stage: &Stage<'_>, lab: &Lab, point: Point) -> Option<Failure> {
    let mut at = At { point, struck: None };
    let outcome = stage.reset(lab).and_then(|()| stage.run(lab, false, &mut at));
    let reason = outcome.and_then(|outcome| judge(stage, lab, &outcome)).err()?;
    let struck = at.struck.unwrap_or_else(|| "nothing".to_owned());
    Some(Failure {
        point: format!(
            "{}: bit {} changed in call {}: {struck}",
            point.number, point.bit, point.call
        ),
        reason,
        arguments: format!("--points {}", point.number),
    })
}

fn judge(stage: &Stage<'_>, lab: &Lab, outcome: &Outcome) -> Verdict {
    // Where findings are usual, their exit code does not say that all is done.
    let code = outcome.code.filter(|code| *code == 0);
    stage.survived(lab, &Outcome { code, ..outcome.clone() })?;
    if matches!(outcome.code, Some(1 | 74))
        && outcome.stderr.contains("read-back verification failed")
    {
        return Ok(());
    }
    let said = first_lines(&outcome.stderr);
    Err(format!("the changed bit is not named: exit {:?}: {said}", outcome.code))
}
