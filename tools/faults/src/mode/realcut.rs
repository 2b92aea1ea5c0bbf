//! Real cut: the command is killed on a real file system, which then loses its power.
//!
//! ext4 and XFS are told to go down without writing their logs; of Btrfs, the image is
//! copied as it is at that moment. Then it is mounted anew, so that it recovers as it does
//! after a power cut, and all is checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::cut::cut;
use super::{Settings, Stage, try_all};
use crate::lab::{Lab, Verdict};
use crate::report::{Failure, Outcomes, Report};
use crate::scenario::{Lacks, Scenario, prepare};
use crate::trace::{Call, Director, Fate};

/// The file systems, and the sizes of their images.
const FILE_SYSTEMS: [(&str, &str); 3] = [("ext4", "64M"), ("xfs", "320M"), ("btrfs", "160M")];

/// Tries all scenarios on all file systems that this machine can make.
pub(crate) fn run(
    scenarios: &[Box<dyn Scenario>],
    settings: &Settings,
    only: Option<&str>,
    report: &Report,
) {
    if !nix::unistd::geteuid().is_root() {
        return println!("realcut   skipped: only root may mount file systems");
    }
    for (name, size) in FILE_SYSTEMS {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        if let Err(reason) = usable(settings, name, size) {
            println!("realcut   skipped: {name}: {reason}");
            continue;
        }
        // What a file system lacks is played by the tracer; here it is the real one.
        for scenario in scenarios.iter().filter(|one| one.lacks() == Lacks::Nothing) {
            let outcomes = on(name, size, &**scenario, settings);
            let label = format!("{} on {name}", scenario.name());
            report.scenario("realcut", &label, outcomes.unwrap_or_else(Outcomes::not_even_once));
        }
    }
}

/// Whether it can be made and mounted here.
fn usable(settings: &Settings, name: &str, size: &str) -> Verdict {
    let (image, mount) = (settings.home.join("try.img"), settings.home.join("try"));
    fs::create_dir_all(&mount).map_err(|error| error.to_string())?;
    make(name, size, &image)?;
    Mounted::new(&image, &mount, name)?.end()?;
    fs::remove_file(image).map_err(|error| error.to_string())
}

fn make(name: &str, size: &str, image: &Path) -> Verdict {
    let _ = fs::remove_file(image);
    command(Command::new("truncate").args(["-s", size]).arg(image))?;
    command(Command::new(format!("mkfs.{name}")).arg("-q").arg(image))
}

fn on(
    name: &'static str,
    size: &str,
    scenario: &dyn Scenario,
    settings: &Settings,
) -> Verdict<Outcomes> {
    // Without a disk, to know how many calls there are, and that all is well without cuts.
    let calls = Stage::new(scenario, settings)?.baseline(false)?.len();
    let home = settings.home.join(format!("{}-on-{name}", scenario.name()));
    let settings = Settings { home, ..settings.clone() };
    let base = settings.home.join("base.img");
    let stage = Stage::unprepared(scenario, &settings);
    let lab = stage.lab()?;
    make(name, size, &base)?;
    let mounted = Mounted::new(&base, &lab.state(), name)?;
    let prepared = prepare(scenario, &lab);
    mounted.end()?;
    prepared?;
    stage.share_policy()?;
    // One more than there are calls: cut after the command has ended by itself.
    let points: Vec<usize> = settings.choose(calls + 1).into_iter().map(|at| at + 1).collect();
    let mut outcomes = try_all(&stage, &points, &|lab, point| {
        let mut at = At { number: *point, struck: None };
        let reason = attempt(&stage, lab, &base, name, &mut at).err()?;
        Some(Failure {
            point: format!("cut at call {point}: {}", at.struck.unwrap_or("the end".to_owned())),
            reason,
            arguments: format!("--fs {name} --points {point}"),
        })
    });
    if points.len() <= calls {
        outcomes.note = format!("of {}", calls + 1);
    }
    // What is left of the images is only in the way.
    let _ = fs::remove_dir_all(&settings.home);
    Ok(outcomes)
}

/// Kills before one call.
struct At {
    number: usize,
    struck: Option<String>,
}

impl Director for At {
    fn before(&mut self, call: &Call) -> Fate {
        if call.number != self.number {
            return Fate::Pass;
        }
        self.struck = Some(call.to_string());
        Fate::Die
    }
}

/// An image with a name that no other one has: where two workers name theirs alike, mount may
/// take the loop device of the other one.
struct Image(PathBuf);

impl Image {
    fn copy(base: &Path, lab: &Lab) -> Verdict<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let image = Self(lab.home().join(format!("disk-{number}.img")));
        command(Command::new("cp").arg("--sparse=always").args([base, &image.0]))?;
        Ok(image)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn attempt(stage: &Stage<'_>, lab: &Lab, base: &Path, name: &str, at: &mut At) -> Verdict {
    let image = Image::copy(base, lab)?;
    let mounted = Mounted::new(&image.0, &lab.state(), name)?;
    let outcome = stage.run(lab, false, at)?;
    let image = if name == "btrfs" {
        Image::copy(&image.0, lab)?
    } else {
        cut(&lab.state()).map_err(|error| format!("the power cannot be cut: {error}"))?;
        image
    };
    mounted.end()?;
    let mounted = Mounted::new(&image.0, &lab.state(), name)?;
    let survived = stage.survived(lab, &outcome);
    mounted.end()?;
    survived
}

fn command(command: &mut Command) -> Verdict {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// An image that is mounted, until it is dropped.
struct Mounted {
    mount: Option<PathBuf>,
}

impl Mounted {
    fn new(image: &Path, mount: &Path, name: &str) -> Verdict<Self> {
        // Copies of one image have one identity, which only XFS minds.
        let options = if name == "xfs" { "loop,nouuid" } else { "loop" };
        command(Command::new("mount").args(["-t", name, "-o", options]).args([image, mount]))?;
        Ok(Self { mount: Some(mount.to_owned()) })
    }

    /// A process that the other worker is just starting may hold a handle of ours for a
    /// moment longer than we do: then it is tried again.
    fn end(mut self) -> Verdict {
        let Some(mount) = self.mount.take() else { return Ok(()) };
        let mut tries = 100;
        loop {
            tries -= 1;
            match command(Command::new("umount").arg(&mount)) {
                Err(reason) if reason.contains("busy") && tries > 0 => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(reason) => {
                    self.mount = Some(mount);
                    return Err(reason);
                }
                Ok(()) => return Ok(()),
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(mount) = &self.mount {
            let _ = command(Command::new("umount").arg("--lazy").arg(mount));
        }
    }
}
