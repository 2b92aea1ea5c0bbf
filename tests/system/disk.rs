//! File systems for tests: small, full, read-only; gone when they are dropped.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::verbs::{READING, TAKING, answer};
use crate::common::{Lab, Tree, cannot, is_root, system, tool, tree};

/// What a file of a tmpfs takes at least.
pub(crate) const PAGE: u64 = 4096;

/// Something that is mounted as long as this lives.
pub(crate) struct Disk {
    place: PathBuf,
}

/// Whether file systems can be mounted here; a line says so when not.
pub(crate) fn can_mount() -> bool {
    let place = tempfile::tempdir().unwrap();
    if !is_root() || tool("mount").is_none() || tool("umount").is_none() {
        return false;
    }
    let tried = Command::new("mount").args(["-t", "tmpfs", "none"]).arg(place.path()).output();
    let mounted = tried.is_ok_and(|output| output.status.success());
    if mounted {
        drop(Disk { place: place.path().to_owned() });
    } else {
        cannot("this root may not mount file systems");
    }
    mounted
}

impl Disk {
    /// A file system in memory of so many bytes, over a directory that is made if need be.
    pub(crate) fn small(place: &Path, bytes: u64) -> Self {
        Self::with(place, &format!("size={bytes}"))
    }

    /// A file system in memory with mount options of its own.
    pub(crate) fn with(place: &Path, options: &str) -> Self {
        fs::create_dir_all(place).unwrap();
        system(Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(place));
        Self { place: place.to_owned() }
    }

    /// What is there already, seen read-only.
    pub(crate) fn read_only(place: &Path) -> Self {
        system(Command::new("mount").arg("--bind").arg(place).arg(place));
        let disk = Self { place: place.to_owned() };
        disk.remount("bind,ro");
        disk
    }

    /// Changes its options, its size among them.
    pub(crate) fn remount(&self, options: &str) {
        system(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.place));
    }

    pub(crate) fn free_bytes(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.place).unwrap();
        stat.f_bfree * stat.f_frsize
    }

    /// Fills it up to so many free bytes. The file that does it is given back.
    pub(crate) fn fill(&self, leave: u64) -> PathBuf {
        let path = self.place.join("ballast");
        let mut ballast = fs::File::create(&path).unwrap();
        let blocks = self.free_bytes().saturating_sub(leave) / PAGE;
        for _ in 0..blocks {
            ballast.write_all(&[1; PAGE as usize]).unwrap();
        }
        assert!(self.free_bytes() <= leave, "{} bytes are free", self.free_bytes());
        path
    }

    /// Makes empty files until there can be no more of them.
    pub(crate) fn use_up_files(&self) -> PathBuf {
        let directory = self.place.join("files");
        fs::create_dir(&directory).unwrap();
        let full = (0..100_000).map(|number| fs::write(directory.join(number.to_string()), []));
        let error = full.into_iter().find_map(Result::err).unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
        directory
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // At once for everybody, and in the end for whoever still has something open.
        let _ = Command::new("umount").arg("-l").arg(&self.place).status();
    }
}

/// An event whose bytes cannot be made much smaller, from its number alone.
pub(crate) fn dense_event(day: u32, number: u32, payload_bytes: usize) -> (String, Vec<u8>) {
    let mut state = u64::from(number) << 32 | u64::from(day) << 8 | 1;
    let mut text = String::with_capacity(payload_bytes);
    while text.len() < payload_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        text.push(char::from(letters[(state >> 40) as usize % 64]));
    }
    let (hour, minute, second) = (number / 3600 % 24, number / 60 % 60, number % 60);
    let path = format!(
        "2026-05-{day:02}/nas/202605{day:02}T{hour:02}{minute:02}{second:02}.000000Z_node_online_\
         0196d8a2-{day:04}-7000-9000-{number:012}.json"
    );
    let bytes = format!(
        "{{\"timestamp\":\"2026-05-{day:02}T{hour:02}:{minute:02}:{second:02}.000000Z\",\
         \"node\":\"nas\",\"type\":\"node_online\",\"severity\":\"info\",\"source\":\"s\",\
         \"service\":\"all\",\"correlation_id\":\"dense\",\"payload\":{{\"text\":\"{text}\"}}}}\n"
    );
    (path, bytes.into_bytes())
}

/// The temporary files and the segments of an archive.
pub(crate) fn temporary_and_segments(archive: &Path) -> (Vec<String>, Vec<String>) {
    let files: Tree = tree(archive);
    let of =
        |fits: &dyn Fn(&str) -> bool| files.keys().filter(|name| fits(name)).cloned().collect();
    (of(&|name| name.contains(".hlarchive-tmp-")), of(&|name| name.ends_with(".tar.zst")))
}

/// What every command says that changes nothing, with its exit code: to be the same before and
/// after. The lab is one that is ready for them.
pub(crate) fn all_answers(lab: &Lab) -> Vec<(&'static [&'static str], i32, String)> {
    let lines = [&READING[..], &TAKING].concat();
    let answers: Vec<_> = lines.into_iter().map(|words| answer((words, lab.run(words)))).collect();
    for place in ["restored", "evidence", "exported"] {
        let place = lab.path("free").join(place);
        assert!(!tree(&place).is_empty(), "{answers:?}");
        fs::remove_dir_all(place).unwrap();
    }
    answers
}

/// Whether a command line was answered; in a history like this there is somebody to be seen to.
pub(crate) fn is_answered((words, code, _): &(&[&str], i32, String)) -> bool {
    let may_miss = ["attempts", "outages", "status"].contains(&words[0]);
    *code == 0 || (may_miss && *code == 1)
}
