//! What the machine allows: the same system calls without the work between them.
//!
//! The benchmark starts itself with these words as a process of its own.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

/// Does what `words` ask for, if they ask for a floor.
pub fn run(words: &[&str]) -> bool {
    match words {
        ["floor-nothing"] => {}
        ["floor-read", day] => read_all(&files(Path::new(day))),
        ["floor-emit", directory] => emit(Path::new(directory), 1),
        ["floor-batch", directory, events] => emit(Path::new(directory), events.parse().unwrap()),
        ["floor-rotate", day, to] => rotate(Path::new(day), Path::new(to)),
        _ => return false,
    }
    true
}

/// The files of a day, node by node.
fn files(day: &Path) -> Vec<Vec<PathBuf>> {
    let names = |path: &Path| -> Vec<PathBuf> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    names(day).iter().map(|node| names(node)).collect()
}

fn read_all(files: &[Vec<PathBuf>]) {
    let bytes: usize = files.par_iter().flatten().map(|path| fs::read(path).unwrap().len()).sum();
    assert!(bytes > 0);
}

/// Creates files and brings them and their directory onto the disk; sixteen wait at once.
fn emit(directory: &Path, events: u32) {
    let next = std::sync::atomic::AtomicU32::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if number >= events {
                break;
            }
            let name = format!("{}-{number}", std::process::id());
            let mut file = File::create_new(directory.join(name)).unwrap();
            file.write_all(&[b'x'; 300]).unwrap();
            file.sync_all().unwrap();
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..events.min(16) {
            scope.spawn(work);
        }
        work();
    });
    File::open(directory).unwrap().sync_all().unwrap();
}

/// Reads, compresses and unlinks on all processors, and checks nothing.
fn rotate(day: &Path, to: &Path) {
    let files = files(day);
    let all: Vec<&PathBuf> = files.iter().flatten().collect();
    let frames: Vec<Vec<u8>> = all
        .par_chunks(512)
        .map(|paths| {
            let mut tar = Vec::with_capacity(512 << 10);
            for path in paths {
                tar.extend_from_slice(&[0; 512]);
                tar.extend_from_slice(&fs::read(path).unwrap());
                tar.resize(tar.len().next_multiple_of(512), 0);
            }
            zstd::bulk::compress(&tar, 9).unwrap()
        })
        .collect();
    let mut file = File::create(to).unwrap();
    for frame in frames {
        file.write_all(&frame).unwrap();
    }
    file.sync_all().unwrap();
    files.par_iter().for_each(|node| node.iter().for_each(|path| fs::remove_file(path).unwrap()));
}
