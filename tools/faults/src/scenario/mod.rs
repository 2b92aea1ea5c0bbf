//! What is put to the test: a state, a command, and what must hold around it.

mod compact;
mod emit;
mod export;
mod hold;
mod import;
mod manifest;
mod prune;
mod remote;
mod restore;
mod rotate;
mod sign;
mod sync;

use std::fs;

use crate::check;
use crate::events::{History, event, merge};
use crate::lab::{Lab, NOW, Outcome, Verdict};

/// The policy of every scenario: incidents get segments of their own.
const POLICY: &str = "\
version = 1
[rotate]
keep_live = \"1d\"
level = 3
[[retain.class]]
name = \"incidents\"
match = { severity = [\"error\", \"critical\"] }
keep = \"forever\"
";

/// What a file system may be without. The calls are then refused as it would refuse them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacks {
    Nothing,
    /// Files without a name, as on NFS.
    Unnamed,
    /// Hard links, as on exFAT.
    Links,
    /// Renames that do not replace, and files without a name, as on some FUSE file systems.
    NoReplace,
}

/// A command under test.
pub(crate) trait Scenario: Sync {
    fn name(&self) -> String;

    fn lacks(&self) -> Lacks {
        Lacks::Nothing
    }

    /// Builds the state that the command meets.
    fn setup(&self, lab: &Lab) -> Verdict;

    /// The command's words.
    fn arguments(&self, lab: &Lab) -> Vec<String>;

    /// What the command reads.
    fn input(&self) -> Vec<u8> {
        Vec::new()
    }

    /// The exit code when nothing goes wrong.
    fn code(&self) -> i32 {
        0
    }

    /// Whether it goes on after a failure, names it, and ends with the code for that.
    fn names_findings(&self) -> bool {
        false
    }

    /// The exit code of what was named.
    fn findings_code(&self) -> i32 {
        1
    }

    /// What holds at every moment, before anything is repaired; `outcome` is what the
    /// command had said by then.
    fn promise(&self, lab: &Lab, outcome: &Outcome) -> Verdict;

    /// What the world does next: usually the same command again, and meanwhile, for
    /// rotation, further events.
    fn recover(&self, lab: &Lab) -> Verdict {
        again(self, lab)
    }

    /// What holds when the command said that it is done.
    fn done(&self, lab: &Lab) -> Verdict;

    /// What holds in the end, after recovery.
    fn end(&self, lab: &Lab) -> Verdict {
        self.done(lab)?;
        check::verified(lab)?;
        check::tidy(&crate::truth::Truth::read(lab)?)
    }
}

/// Runs a scenario's command untouched.
fn again(scenario: &(impl Scenario + ?Sized), lab: &Lab) -> Verdict {
    let arguments = scenario.arguments(lab);
    let outcome = lab.run_limited(&arguments, &scenario.input(), None)?;
    if outcome.code == Some(scenario.code()) {
        return Ok(());
    }
    Err(format!(
        "the next run gave {:?}: {}",
        outcome.code,
        crate::lab::first_lines(&outcome.stderr)
    ))
}

/// Empties the lab and builds a scenario's state in it.
pub(crate) fn prepare(scenario: &dyn Scenario, lab: &Lab) -> Verdict {
    lab.clear().map_err(|error| error.to_string())?;
    fs::write(lab.home().join("policy.toml"), POLICY).map_err(|error| error.to_string())?;
    scenario.setup(lab)
}

/// Writes events into the live tree as any program would.
fn live(lab: &Lab, history: &History) -> Verdict {
    for (identity, contents) in history {
        for content in contents {
            lab.write(&format!("events/{identity}"), content).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// An event that comes while a stopped rotation waits for its next run.
fn latecomer(day: u32) -> History {
    let (identity, bytes) = event(day, "pi4", 90);
    History::from([(identity, vec![bytes])])
}

fn together(histories: impl IntoIterator<Item = History>) -> History {
    let mut all = History::new();
    for history in histories {
        merge(&mut all, history);
    }
    all
}

fn rotate_words() -> Vec<String> {
    ["rotate", "--now", NOW].map(str::to_owned).to_vec()
}

/// All scenarios, in the order of the report.
pub(crate) fn all() -> Vec<Box<dyn Scenario>> {
    let mut all = emit::all();
    all.extend(rotate::all());
    all.extend(restore::all());
    all.extend(manifest::all());
    all.extend(prune::all());
    all.extend(hold::all());
    all.extend(compact::all());
    all.extend(import::all());
    all.extend(sync::all());
    all.extend(sign::all());
    all.extend(export::all());
    all.extend(remote::all());
    all
}
