//! A segment is an ordinary tarball: whoever has no `hlarchive` gets everything back.
//!
//! Each test uses the real tool, and three independent readers of the zstd seekable format
//! read single members out of the middle: one in Rust, which is always there, one in Python,
//! and one that mounts the file.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use zeekstd::{DecodeOptions, SeekTable};

use crate::common::{Lab, Run, Tree, cannot, missing, python, system, tool, tree};
use crate::fixtures::sha256;

/// Five days of three nodes, in frames of 4 KiB, so that there are many.
fn rotated() -> (Lab, Tree) {
    let lab = Lab::new();
    fs::write(lab.path("policy.toml"), "version = 1\n[rotate]\nframe_size = \"4KiB\"\n").unwrap();
    let before = lab.seed(5, 20);
    lab.rotate();
    assert!(tree(&lab.root()).is_empty());
    (lab, before)
}

fn segments(lab: &Lab) -> Vec<PathBuf> {
    (10..15).map(|day| lab.archive().join(format!("2026/2026-05-{day}.tar.zst"))).collect()
}

/// What unpacking must give: the bytes, and for each file its event's second.
#[track_caller]
fn is_unpacked(directory: &Path, before: &Tree) {
    assert!(tree(directory) == *before, "the files that were unpacked are not those archived");
    for (path, bytes) in before {
        let event = hlarchive::Event::parse(bytes).unwrap();
        let metadata = fs::metadata(directory.join(path)).unwrap();
        assert_eq!(metadata.mtime(), event.timestamp.micros().div_euclid(1_000_000), "{path}");
        assert_eq!(metadata.mode() & 0o777, 0o444, "{path}");
    }
}

fn new_directory(lab: &Lab, name: &str) -> PathBuf {
    let directory = lab.path(name);
    fs::create_dir(&directory).unwrap();
    directory
}

#[test]
fn tar_unpacks_every_segment_byte_for_byte() {
    let (Some(tar), Some(_)) = (tool("tar"), tool("zstd")) else { return };
    let (lab, before) = rotated();
    let to = new_directory(&lab, "unpacked");
    for segment in segments(&lab) {
        system(Command::new(&tar).arg("--zstd").arg("-xf").arg(segment).arg("-C").arg(&to));
    }
    is_unpacked(&to, &before);
}

#[test]
fn bsdtar_lists_and_unpacks_every_segment() {
    let Some(bsdtar) = tool("bsdtar") else { return };
    let (lab, before) = rotated();
    let to = new_directory(&lab, "unpacked");
    let mut listed = Vec::new();
    for segment in segments(&lab) {
        let names = system(Command::new(&bsdtar).arg("-tf").arg(&segment));
        listed.extend(String::from_utf8(names).unwrap().lines().map(str::to_owned));
        system(Command::new(&bsdtar).arg("-xf").arg(segment).arg("-C").arg(&to));
    }
    listed.sort();
    assert_eq!(listed, before.keys().cloned().collect::<Vec<_>>());
    is_unpacked(&to, &before);
}

#[test]
fn long_and_foreign_names_are_unpacked_by_tar_and_bsdtar() {
    let lab = crate::fixtures::lab("v1");
    let segment = lab.archive().join("2026/2026-05-16.tar.zst");
    for (program, flags) in [("tar", ["--zstd", "-xf"]), ("bsdtar", ["-x", "-f"])] {
        let (Some(tar), Some(_)) = (tool(program), tool("zstd")) else { continue };
        let to = new_directory(&lab, program);
        // Names that are not ASCII need a locale that is not, at least for bsdtar.
        let mut command = Command::new(tar);
        system(command.env("LC_ALL", "C.UTF-8").args(flags).arg(&segment).arg("-C").arg(&to));
        let unpacked = tree(&to);
        let files = crate::fixtures::files("v1");
        for (path, bytes) in &unpacked {
            assert!(files[path].contains(&sha256(bytes)), "{program}: {path}");
        }
        assert_eq!(unpacked.len(), 31, "{program}");
        assert!(unpacked.keys().any(|path| path.contains("/küche/")), "{program}");
        let longest = unpacked.keys().map(String::len).max().unwrap();
        assert!(longest > 140, "{program}: a path with a PAX header is among them");
    }
}

#[test]
fn sha256sum_checks_the_archive_in_its_folder() {
    let Some(sha256sum) = tool("sha256sum") else { return };
    let (lab, _) = rotated();
    let folder = lab.archive().join("2026");
    let check = || {
        let mut command = Command::new(&sha256sum);
        command.current_dir(&folder).args(["--strict", "-c"]);
        for segment in segments(&lab) {
            command.arg(format!("{}.sha256", segment.file_name().unwrap().to_str().unwrap()));
        }
        command.output().unwrap()
    };
    let output = check();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches(": OK\n").count(), 5);
    let segment = &segments(&lab)[2];
    let mut bytes = fs::read(segment).unwrap();
    bytes[100] ^= 1;
    fs::remove_file(segment).unwrap();
    fs::write(segment, bytes).unwrap();
    assert!(!check().status.success());
}

#[test]
fn zstd_tests_and_describes_every_segment() {
    let Some(zstd) = tool("zstd") else { return };
    let (lab, _) = rotated();
    for segment in segments(&lab) {
        system(Command::new(&zstd).arg("-tq").arg(&segment));
        let told = String::from_utf8(system(Command::new(&zstd).arg("-lv").arg(&segment))).unwrap();
        assert!(told.contains("# Skippable Frames: 2"), "{told}");
        assert!(told.contains("Check: XXH64"), "{told}");
        let tar = system(Command::new(&zstd).arg("-dcq").arg(&segment));
        assert!(told.contains(&format!("({} B)", tar.len())), "{told}");
        assert!(tar.ends_with(&[0; 1024]) && tar.len().is_multiple_of(512));
    }
}

#[test]
fn the_tarfile_module_of_python_reads_every_segment() {
    let Some(python) = python("zstandard") else { return };
    let (lab, before) = rotated();
    let script = "
import hashlib, sys, tarfile, zstandard
for path in sys.argv[1:]:
    with open(path, 'rb') as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        with tarfile.open(fileobj=reader, mode='r|') as tar:
            for member in tar:
                assert member.isreg() and member.uid == member.gid == 0, member
                data = tar.extractfile(member).read()
                print(hashlib.sha256(data).hexdigest(), member.name)
";
    let output = system(Command::new(python).args(["-c", script]).args(segments(&lab)));
    is_told(&output, &before);
}

/// Lines `HASH PATH`, one for each file, in any order.
#[track_caller]
fn is_told(output: &[u8], before: &Tree) {
    let mut found: Vec<&str> = std::str::from_utf8(output).unwrap().lines().collect();
    let mut wanted: Vec<String> =
        before.iter().map(|(path, bytes)| format!("{} {path}", sha256(bytes))).collect();
    found.sort_unstable();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[test]
fn a_seekable_reader_in_rust_reads_any_frame_alone() {
    let (lab, _) = rotated();
    for segment in segments(&lab) {
        let whole = zstd::decode_all(File::open(&segment).unwrap()).unwrap();
        let mut file = File::open(&segment).unwrap();
        let table = SeekTable::from_seekable(&mut file).unwrap();
        let frames = table.num_frames();
        assert!(frames > 10, "{frames}");
        assert_eq!(table.size_decomp(), whole.len() as u64);
        let index = frames - 1;
        assert_eq!(table.frame_size_decomp(index).unwrap(), 0, "the index");
        assert_eq!(table.frame_size_decomp(index - 1).unwrap(), 1024, "the tar's end");
        // Backwards, so that each one is a jump.
        for frame in (0..index).rev() {
            let start = table.frame_start_decomp(frame).unwrap() as usize;
            let end = table.frame_end_decomp(frame).unwrap() as usize;
            let options = DecodeOptions::new(File::open(&segment).unwrap());
            let mut decoder = options.lower_frame(frame).upper_frame(frame).into_decoder().unwrap();
            let mut content = Vec::new();
            decoder.read_to_end(&mut content).unwrap();
            assert!(content == whole[start..end], "frame {frame}");
            assert!(frame == index - 1 || &content[257..262] == b"ustar", "frame {frame}");
        }
    }
}

#[test]
fn a_seekable_reader_in_python_reads_from_the_middle() {
    let Some(python) = python("pyzstd") else { return };
    let (lab, _) = rotated();
    let script = "
import sys, pyzstd
path, tar = sys.argv[1], open(sys.argv[2], 'rb').read()
assert pyzstd.SeekableZstdFile.is_seekable_format_file(path)
with pyzstd.SeekableZstdFile(path) as file:
    assert file.seek(0, 2) == len(tar)
    for start in range(len(tar) - 512, -1, -512 * 7):
        file.seek(start)
        assert file.read(700) == tar[start:start + 700], start
    frames, compressed, decompressed = file.seek_table_info
    assert decompressed == len(tar) and frames > 10, file.seek_table_info
";
    for segment in segments(&lab) {
        let tar = lab.path("whole.tar");
        fs::write(&tar, zstd::decode_all(File::open(&segment).unwrap()).unwrap()).unwrap();
        system(Command::new(&python).args(["-c", script]).arg(&segment).arg(&tar));
    }
}

#[test]
fn ratarmount_mounts_a_segment() {
    let (Some(ratarmount), Some(unmount)) = (tool("ratarmount"), tool("fusermount3")) else {
        return;
    };
    // What stands in the path may be the stub of a version manager.
    let version = Command::new(&ratarmount).arg("--version").output().unwrap();
    if !version.status.success() {
        missing("ratarmount");
        return;
    }
    if !Path::new("/dev/fuse").exists() {
        cannot("there is no /dev/fuse");
        return;
    }
    let (lab, before) = rotated();
    let segment = &segments(&lab)[1];
    let mount_point = new_directory(&lab, "mounted");
    let mut command = Command::new(ratarmount);
    command.args(["--index-file", ":memory:"]).arg(segment).arg(&mount_point);
    let mounted = Run::of(&command.output().unwrap());
    let refused = mounted.stderr.contains("Operation not permitted");
    if mounted.code != 0 && refused {
        // What a container may not do is not the segment's fault.
        cannot("this machine does not let ratarmount mount anything");
        return;
    }
    assert_eq!(mounted.code, 0, "{mounted:?}");
    let found = tree(&mount_point);
    system(Command::new(unmount).arg("-u").arg(&mount_point));
    let mut wanted = before;
    wanted.retain(|path, _| path.starts_with("2026-05-11/"));
    assert!(found == wanted, "{} of {} files", found.len(), wanted.len());
}
