//! Pruning where no byte is free: the day that is to go makes the room for its own record.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Lab, NOW, cannot, system, tool, tree};
use crate::disk::{Disk, can_mount, temporary_and_segments};

/// When with `keep = "20d"` the first two days of a lab are over.
const LATER: &str = "2026-06-01T04:00:00Z";

fn rules(lab: &Lab) {
    let policy = "version = 1\n[retain]\ngrace = \"0d\"\nkeep = \"20d\"\n";
    fs::write(lab.path("policy.toml"), policy).unwrap();
}

/// Prunes the first two days at no byte free, and asserts that all is as it should be.
#[track_caller]
fn prune_without_room(lab: &Lab, days: usize, told: &str) {
    let kept: Vec<String> = lab
        .list_all()
        .into_iter()
        .filter(|line| {
            !line.contains("\"_path\":\"2026-05-10") && !line.contains("_path\":\"2026-05-11")
        })
        .collect();
    let run = lab.run(["prune", "--now", LATER]);
    assert_eq!(run.code, 0, "{told}: {run:?}");
    assert_eq!(run.stdout.lines().count(), 2, "{told}: {run:?}");
    let (temporary, segments) = temporary_and_segments(&lab.archive());
    assert_eq!((temporary.len(), segments.len()), (0, days - 2), "{told}");
    assert_eq!(lab.list_all(), kept, "{told}");
    fs::remove_file(lab.archive().join("ballast")).unwrap();
    lab.ok(["verify"]);
}

#[test]
fn days_expire_with_no_byte_free_on_a_disk_in_memory() {
    if !can_mount() {
        return;
    }
    // The manifest's last block has more or less room left, and there is a catalogue to be
    // removed, or nothing but the checksum file.
    for days in 4..10_u32 {
        for catalogue in [true, false] {
            let lab = Lab::new();
            rules(&lab);
            let disk = Disk::small(&lab.archive(), 1 << 20);
            lab.seed(days, 4);
            lab.rotate();
            if !catalogue {
                fs::remove_file(lab.archive().join("catalogue")).unwrap();
            }
            disk.fill(0);
            let told = format!("{days} days, catalogue: {catalogue}");
            prune_without_room(&lab, days as usize, &told);
            drop(disk);
        }
    }
}

#[test]
fn a_torn_manifest_is_mended_and_days_expire_with_no_byte_free() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    rules(&lab);
    let disk = Disk::small(&lab.archive(), 1 << 20);
    lab.seed(5, 4);
    lab.rotate();
    let path = lab.archive().join("manifest.jsonl");
    let whole = fs::metadata(&path).unwrap().len();
    // Up to the end of its last block, so that the record that says so needs another one.
    let torn = "x".repeat((4096 - whole % 4096) as usize);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn.as_bytes()).unwrap();
    disk.fill(0);
    prune_without_room(&lab, 5, "torn");
    assert!(lab.ok(["manifest", "show"]).contains("a torn last line was dropped"));
}

/// A file system on an image, mounted as long as this lives.
struct Image {
    place: PathBuf,
    _folder: tempfile::TempDir,
}

impl Image {
    /// `None`, and a line that says so, where it cannot be had.
    fn mount(place: &Path, kind: &str) -> Option<Self> {
        let make = tool(&format!("mkfs.{kind}"))?;
        let shm = Path::new("/dev/shm");
        let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::tempdir_in(parent).unwrap();
        let image = folder.path().join("image");
        fs::File::create(&image)
            .unwrap()
            .set_len(if kind == "ext4" { 16 } else { 320 } << 20)
            .unwrap();
        let quiet = if kind == "ext4" { "-qF" } else { "-qf" };
        system(Command::new(make).arg(quiet).arg(&image));
        fs::create_dir_all(place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", kind, "-o", "loop"])
            .arg(&image)
            .arg(place)
            .output()
            .unwrap();
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
            cannot(&format!("{kind} cannot be mounted here: {why}"));
            return None;
        }
        Some(Self { place: place.to_owned(), _folder: folder })
    }

    /// Fills it until not even a byte can be added, also after a sync.
    fn fill(&self) {
        let mut refused = 0;
        for number in 0.. {
            let path = self.place.join(format!("ballast-{number}"));
            let Ok(mut file) = fs::File::create(path) else { break };
            let mut written = 0;
            for size in [1 << 20, 1 << 16, 4096, 512, 1] {
                while file.write_all(&vec![7; size]).is_ok() {
                    written += size;
                }
            }
            // What a failed sync could not keep is not there.
            let _ = file.sync_all();
            let _ = Command::new("sync").arg("-f").arg(&self.place).status();
            refused = if written < 4096 { refused + 1 } else { 0 };
            if refused == 3 {
                break;
            }
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.place).status();
    }
}

#[test]
fn days_expire_with_no_byte_free_on_file_systems_as_they_are() {
    if !can_mount() {
        return;
    }
    for kind in ["ext4", "xfs", "btrfs"] {
        let lab = Lab::new();
        rules(&lab);
        let Some(image) = Image::mount(&lab.archive(), kind) else { continue };
        // Else the folder of ext4 would be named as a stranger.
        let _ = fs::remove_dir(lab.archive().join("lost+found"));
        lab.seed(6, 40);
        lab.rotate();
        image.fill();
        let full = fs::write(lab.archive().join("more"), vec![7; 1 << 20]);
        assert!(full.is_err(), "{kind} is not full");
        let _ = fs::remove_file(lab.archive().join("more"));
        let before = tree(&lab.archive()).into_keys().filter(|path| path.ends_with(".zst")).count();
        let run = lab.run(["prune", "--now", LATER]);
        assert_eq!(run.code, 0, "{kind}: {run:?}");
        assert_eq!(run.stdout.lines().count(), 2, "{kind}: {run:?}");
        let after = tree(&lab.archive()).into_keys().filter(|path| path.ends_with(".zst")).count();
        assert_eq!((before, after), (6, 4), "{kind}");
        for ballast in tree(&lab.archive()).into_keys().filter(|path| path.contains("ballast")) {
            fs::remove_file(lab.archive().join(ballast)).unwrap();
        }
        lab.ok(["rotate", "--now", NOW.replace("03:", "05:").as_str()]);
        lab.ok(["verify"]);
        drop(image);
    }
}
