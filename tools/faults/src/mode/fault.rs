//! Fault: each call fails once with each error that it may give, then it and all later
//! calls of its kind; writes are cut short; and there are too few file descriptors.
//!
//! The command may say that it failed, plainly and with a fitting exit code, or it may
//! overcome the fault. Who says that all is done must have brought it onto the disk.

use nix::errno::Errno;

use super::{Settings, Stage, try_all};
use crate::disk::{Disk, strictest};
use crate::lab::{Lab, Outcome, Verdict, first_lines};
use crate::report::{Failure, Outcomes};
use crate::trace::{Call, Director, Fate, Kind};

/// A fault at a call.
#[derive(Debug, Clone)]
struct Point {
    number: usize,
    call: usize,
    kind: Kind,
    /// Without one, a write is cut short.
    errno: Option<Errno>,
    lasting: bool,
}

/// Strikes the call of that number, or the first one after it of the same kind: with
/// several threads the order of calls is not the same each time.
struct Striker<'a> {
    point: &'a Point,
    struck: Option<String>,
    disk: Disk,
}

impl Director for Striker<'_> {
    fn before(&mut self, call: &Call) -> Fate {
        let again = self.struck.is_some();
        if call.kind() != self.point.kind || (again && !self.point.lasting) {
            return Fate::Pass;
        }
        let fate = match self.point.errno {
            _ if !again && call.number < self.point.call => return Fate::Pass,
            None if !call.can_be_halved() => return Fate::Pass,
            None => Fate::Half,
            Some(errno) => Fate::Fail(errno),
        };
        self.struck.get_or_insert_with(|| call.to_string());
        fate
    }

    fn after(&mut self, call: &Call) {
        self.disk.after(call);
    }
}

pub(crate) fn run(stage: &Stage<'_>, settings: &Settings) -> Verdict<Outcomes> {
    let calls = stage.baseline(true)?;
    let mut points = Vec::new();
    for call in &calls {
        let mut add = |errno, lasting| {
            points.push(Point {
                number: points.len() + 1,
                call: call.number,
                kind: call.kind(),
                errno,
                lasting,
            });
        };
        if call.can_be_halved() {
            add(None, false);
        }
        for errno in errors(call) {
            add(Some(errno), false);
            // Whoever is interrupted for ever may try for ever.
            if errno != Errno::EINTR {
                add(Some(errno), true);
            }
        }
    }
    let all = points.len();
    let chosen = settings.choose(all);
    let chosen: Vec<&Point> = chosen.into_iter().filter_map(|at| points.get(at)).collect();
    let mut outcomes = try_all(stage, &chosen, &|lab, point| attempt(stage, lab, point));
    if chosen.len() < all {
        outcomes.note = format!("of {all}");
    }
    if settings.only.is_none() {
        few_descriptors(stage, &mut outcomes)?;
    }
    Ok(outcomes)
}

/// The errors that a call may give.
fn errors(call: &Call) -> Vec<Errno> {
    match call.kind() {
        Kind::Create => vec![Errno::ENOSPC, Errno::EIO, Errno::EACCES, Errno::EINTR, Errno::EMFILE],
        Kind::Write | Kind::Answer | Kind::Sync => vec![Errno::ENOSPC, Errno::EIO, Errno::EINTR],
        Kind::MakeDir | Kind::Name => vec![Errno::ENOSPC, Errno::EIO, Errno::EACCES],
        Kind::Remove => vec![Errno::EIO, Errno::EACCES],
        Kind::Attributes => vec![Errno::EIO],
        Kind::Open => vec![Errno::EIO, Errno::EACCES, Errno::EINTR, Errno::EMFILE],
        Kind::Look if call.name.ends_with("stat") || call.name == "statx" => {
            vec![Errno::EIO, Errno::EACCES]
        }
        Kind::Look if call.name == "getdents64" => vec![Errno::EIO],
        Kind::Look => vec![Errno::EIO, Errno::EINTR],
    }
}

fn attempt(stage: &Stage<'_>, lab: &Lab, point: &Point) -> Option<Failure> {
    let (struck, reason) = match strike(stage, lab, point) {
        Ok((struck, outcome)) => match judge(stage, lab, point.errno, &outcome) {
            Ok(()) => return None,
            Err(reason) => (struck, format!("exit {:?}: {reason}", outcome.code)),
        },
        Err(reason) => (None, reason),
    };
    let what = point.errno.map_or("half a write".to_owned(), |errno| format!("{errno:?}"));
    let lasting = if point.lasting { " from then on" } else { "" };
    Some(Failure {
        point: format!("{} ({what}{lasting} at {})", point.number, struck.unwrap_or_default()),
        reason,
        arguments: format!("--points {}", point.number),
    })
}

/// Runs the command with the fault. A success is also looked at as if the power were cut
/// at that moment.
fn strike(stage: &Stage<'_>, lab: &Lab, point: &Point) -> Verdict<(Option<String>, Outcome)> {
    stage.reset(lab)?;
    let disk = Disk::read(&lab.state()).map_err(|error| error.to_string())?;
    let mut striker = Striker { point, struck: None, disk };
    let outcome = stage.run(lab, true, &mut striker)?;
    if outcome.code == Some(0) && stage.scenario.code() == 0 {
        lab.clear()
            .and_then(|()| strictest(&striker.disk).write(&lab.state()))
            .map_err(|error| format!("cannot make the state real: {error}"))?;
    }
    Ok((striker.struck, outcome))
}

fn judge(stage: &Stage<'_>, lab: &Lab, errno: Option<Errno>, outcome: &Outcome) -> Verdict {
    let scenario = stage.scenario;
    let said = || first_lines(&outcome.stderr);
    let Some(code) = outcome.code else { return Err("it was killed by a signal".to_owned()) };
    if code > 100 || outcome.stderr.contains("panicked") {
        return Err(format!("it crashed: {}", said()));
    }
    // Where findings are usual, only their text tells whether the fault is among them.
    let overcome = code == scenario.code()
        && (code == 0 || errno.is_none_or(|errno| !outcome.stderr.contains(words(errno))));
    if !overcome {
        let Some(errno) = errno else { return Err(format!("a short write failed: {}", said())) };
        let findings = scenario.names_findings().then(|| scenario.findings_code());
        fitting(errno, code, findings, &outcome.stderr)
            .map_err(|reason| format!("{reason}: {}", said()))?;
    }
    let judged = Outcome { code: outcome.code.filter(|_| overcome), ..outcome.clone() };
    stage.survived(lab, &judged).map_err(|reason| format!("{reason}; it had said: {}", said()))
}

/// What an error is called.
fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::EACCES => "permission denied",
        Errno::ENOSPC => "no space left",
        Errno::EMFILE => "too many open files",
        Errno::EINTR => "interrupted",
        _ => "input/output error",
    }
}

/// Whether a failure is reported as it should be.
fn fitting(errno: Errno, code: i32, findings: Option<i32>, stderr: &str) -> Verdict {
    let (own, words) = (if errno == Errno::EACCES { 77 } else { 74 }, words(errno));
    if code != own && findings != Some(code) {
        return Err(format!("{own} would be the fitting code"));
    }
    let says = |line: &str| line.starts_with("hlarchive: ") && line.contains(words);
    if !stderr.lines().any(says) {
        return Err(format!("it does not say \"{words}\""));
    }
    match stderr.lines().find(|line| line.contains("os error") || line.len() > 500) {
        Some(line) => Err(format!("not a plain sentence: {line}")),
        None => Ok(()),
    }
}

/// Runs the command with ever more file descriptors, until it has had enough of them.
fn few_descriptors(stage: &Stage<'_>, outcomes: &mut Outcomes) -> Verdict {
    const ENOUGH: u32 = 80;
    let lab = stage.lab()?;
    let works = |limit: &u32| {
        lab.run_limited(&["--version".to_owned()], b"", Some(*limit))
            .is_ok_and(|outcome| outcome.code == Some(0))
    };
    // Below that, not even the program itself can be loaded.
    let least = (3..ENOUGH).find(works).unwrap_or(ENOUGH);
    let mut successes = 0;
    for limit in least..ENOUGH {
        stage.reset(&lab)?;
        let arguments = stage.scenario.arguments(&lab);
        let outcome = lab.run_limited(&arguments, &stage.scenario.input(), Some(limit))?;
        let enough = outcome.code == Some(stage.scenario.code())
            && !outcome.stderr.contains("too many open files");
        let errno = if enough { None } else { Some(Errno::EMFILE) };
        outcomes.points += 1;
        if let Err(reason) = judge(stage, &lab, errno, &outcome) {
            outcomes.failures.push(Failure {
                point: format!("{limit} file descriptors"),
                reason,
                arguments: String::new(),
            });
        }
        successes = if enough { successes + 1 } else { 0 };
        if successes == 3 {
            return Ok(());
        }
    }
    Err(format!("{ENOUGH} file descriptors are not enough"))
}
