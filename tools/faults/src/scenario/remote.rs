//! Copies elsewhere, in a directory: sent, relied upon, mirrored, and turned back into an
//! archive.

use std::fs;

use sha2::{Digest, Sha256};

use super::{Scenario, live};
use crate::check;
use crate::events::{History, history};
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::truth::{NOTE, Truth, files, hex};

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    let kinds = [Kind::Push, Kind::Evict, Kind::Pull, Kind::Rebuild];
    kinds.into_iter().map(|kind| Box::new(Remote { kind }) as Box<dyn Scenario>).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Two segments are copied, and the manifest.
    Push,
    /// Their files go.
    Evict,
    /// Another machine archived the same events, and is mirrored.
    Pull,
    /// The archive was lost. Of one segment no piece of the manifest tells.
    Rebuild,
}

struct Remote {
    kind: Kind,
}

fn events() -> History {
    history(10..12, 0, 2)
}

/// Writes the policy of a machine of this name; the bucket is made when it is missing.
fn policy(lab: &Lab, host: &str, retain: &str) -> Verdict {
    let bucket = lab.bucket();
    fs::create_dir_all(&bucket).map_err(|error| error.to_string())?;
    let text = format!(
        "version = 1\n[rotate]\nkeep_live = \"1d\"\nlevel = 3\n[retain]\n{retain}\n[remote]\n\
         url = \"file://{}\"\nhost = \"{host}\"\n",
        bucket.display()
    );
    fs::write(lab.home().join("policy.toml"), text).map_err(|error| error.to_string())
}

/// How many segments are in the bucket; each must be what its name says.
fn copies(lab: &Lab) -> Verdict<usize> {
    let mut count = 0;
    for (name, bytes) in files(&lab.bucket())? {
        let Some(stem) = name.strip_suffix(".tar.zst") else { continue };
        if !stem.ends_with(&hex(&Sha256::digest(&bytes))) {
            return Err(format!("bucket/{name} is not what its name says"));
        }
        count += 1;
    }
    Ok(count)
}

impl Remote {
    /// Whether the bucket has what it must have; before a push, that is nothing.
    fn has_copies(&self, lab: &Lab, is_before: bool) -> Verdict {
        let wanted = if self.kind == Kind::Pull { 4 } else { 2 };
        match copies(lab)? {
            count if count == wanted || is_before => Ok(()),
            count => Err(format!("{count} copies, not {wanted}")),
        }
    }
}

impl Scenario for Remote {
    fn name(&self) -> String {
        match self.kind {
            Kind::Push => "remote-push",
            Kind::Evict => "remote-evict",
            Kind::Pull => "remote-pull",
            Kind::Rebuild => "remote-rebuild",
        }
        .to_owned()
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        live(lab, &events())?;
        match self.kind {
            Kind::Push => {
                lab.must(&[0], &["rotate", "--now", NOW])?;
                policy(lab, "nas", "")
            }
            Kind::Evict => {
                policy(lab, "nas", "local = \"1d\"")?;
                lab.must(&[0], &["rotate", "--now", NOW]).map(drop)
            }
            Kind::Pull => {
                policy(lab, "pi4", "")?;
                lab.must(&[0], &["rotate", "--now", NOW])?;
                fs::remove_dir_all(lab.archive())
                    .and_then(|()| fs::remove_file(lab.events().join(NOTE)))
                    .map_err(|error| error.to_string())?;
                live(lab, &events())?;
                policy(lab, "nas", "")?;
                lab.must(&[0], &["rotate", "--now", NOW]).map(drop)
            }
            Kind::Rebuild => {
                policy(lab, "nas", "")?;
                lab.must(&[0], &["rotate", "--now", NOW, "--date", "2026-05-10"])?;
                let known = files(&lab.bucket())?;
                lab.must(&[0], &["rotate", "--now", NOW, "--date", "2026-05-11"])?;
                for name in files(&lab.bucket())?.keys() {
                    if name.contains("/manifest/") && !known.contains_key(name) {
                        fs::remove_file(lab.bucket().join(name))
                            .map_err(|error| error.to_string())?;
                    }
                }
                fs::remove_dir_all(lab.archive()).map_err(|error| error.to_string())
            }
        }
    }

    fn arguments(&self, _lab: &Lab) -> Vec<String> {
        let words: &[&str] = match self.kind {
            Kind::Push => &["remote", "push"],
            Kind::Evict => &["prune", "--now", NOW],
            Kind::Pull => &["remote", "pull"],
            Kind::Rebuild => &["remote", "rebuild"],
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn names_findings(&self) -> bool {
        true
    }

    fn promise(&self, lab: &Lab, outcome: &Outcome) -> Verdict {
        self.has_copies(lab, self.kind == Kind::Push)?;
        match self.kind {
            Kind::Evict => check::kept_but_for_checksums(lab, &events(), &[]).map(drop),
            // What could not be mirrored was named, and is named by readers, too.
            Kind::Pull if outcome.stderr.contains("pi4/") => {
                check::held(lab, &events(), &[]).map(drop)
            }
            Kind::Push | Kind::Pull => check::kept(lab, &events(), &[]).map(drop),
            // What is here by then is some of it; the bucket has all.
            Kind::Rebuild => Ok(()),
        }
    }

    fn recover(&self, lab: &Lab) -> Verdict {
        let arguments = self.arguments(lab);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // Where the archive is there again, it is left alone.
        let is_back = self.kind == Kind::Rebuild && lab.archive().join("manifest.jsonl").exists();
        lab.must(if is_back { &[0, 75] } else { &[0] }, &words)?;
        // What it left in the tree, the night removes.
        lab.must(&[0], &["rotate", "--now", NOW]).map(drop)
    }

    fn done(&self, lab: &Lab) -> Verdict {
        let truth = Truth::read(lab)?;
        check::moved(&truth, &events())?;
        let here = files(&lab.archive())?;
        let count = |end: &str| here.keys().filter(|path| path.ends_with(end)).count();
        let (segments, stubs) = match self.kind {
            Kind::Push | Kind::Rebuild => (2, 0),
            Kind::Evict => (0, 2),
            Kind::Pull => (2, 2),
        };
        if (count(".tar.zst"), count(".tar.zst.stub")) != (segments, stubs) {
            return Err(format!("not {segments} segments and {stubs} stubs: {:?}", here.keys()));
        }
        if count(".sha256") != segments {
            return Err(format!("not {segments} checksum files: {:?}", here.keys()));
        }
        self.has_copies(lab, false)
    }

    fn end(&self, lab: &Lab) -> Verdict {
        self.done(lab)?;
        check::verified(lab)?;
        check::tidy(&Truth::read(lab)?)?;
        if self.kind == Kind::Rebuild {
            // It goes on from what was taken up.
            lab.must(&[0], &["remote", "push"])?;
        }
        lab.must(&[0], &["remote", "verify"]).map(drop)
    }
}
