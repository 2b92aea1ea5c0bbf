//! Kill: the process dies just before each call that changes something, and in the middle
//! of each write.

use super::{Settings, Stage, try_all};
use crate::lab::{Lab, Verdict};
use crate::report::{Failure, Outcomes};
use crate::trace::{Call, Director, Fate};

/// Where it dies, and how.
#[derive(Debug, Clone, Copy)]
struct Point {
    number: usize,
    fate: Fate,
}

/// Does something to the call of a given number.
struct At {
    point: Point,
    struck: Option<String>,
}

impl Director for At {
    fn before(&mut self, call: &Call) -> Fate {
        if call.number != self.point.number {
            return Fate::Pass;
        }
        self.struck = Some(call.to_string());
        self.point.fate
    }
}

pub(crate) fn run(stage: &Stage<'_>, settings: &Settings) -> Verdict<Outcomes> {
    let calls = stage.baseline(false)?;
    let mut points = Vec::new();
    for call in &calls {
        points.push(Point { number: call.number, fate: Fate::Die });
        if call.can_be_halved() {
            points.push(Point { number: call.number, fate: Fate::HalfAndDie });
        }
    }
    if let Some(only) = &settings.only {
        points.retain(|point| only.contains(&point.number));
    }
    Ok(try_all(stage, &points, &|lab, point| attempt(stage, lab, *point)))
}

fn attempt(stage: &Stage<'_>, lab: &Lab, point: Point) -> Option<Failure> {
    let mut at = At { point, struck: None };
    let outcome = stage.reset(lab).and_then(|()| stage.run(lab, false, &mut at));
    let reason = outcome.and_then(|outcome| stage.survived(lab, &outcome)).err()?;
    let how = if point.fate == Fate::Die { "killed before" } else { "killed in the middle of" };
    Some(Failure {
        point: format!("{how} call {}: {}", point.number, at.struck.unwrap_or_default()),
        reason,
        arguments: format!("--points {}", point.number),
    })
}
