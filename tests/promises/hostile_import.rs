//! Tars and directories that were made to do harm, imported: nothing leaves the tree, nothing
//! takes more memory than it should, and what is good in them is taken all the same.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::common::{Lab, Run, tree};

const ID: &str = "0196d8a2-0000-7000-8000-0000000000";

fn body(number: u32) -> Vec<u8> {
    format!(
        "{{\"timestamp\":\"2026-05-16T10:11:12Z\",\"node\":\"pi4\",\"type\":\"node_online\",\
         \"severity\":\"info\",\"source\":\"s\",\"service\":\"all\",\"correlation_id\":\"c\",\
         \"payload\":{{\"number\":{number}}}}}\n"
    )
    .into_bytes()
}

fn path(number: u32) -> String {
    format!("2026-05-16/pi4/20260516T101112Z_node_online_{ID}{number:02}.json")
}

/// A tar made header by header: a type, a name, a size as claimed, and what follows.
#[derive(Default)]
struct Forged(Vec<u8>);

impl Forged {
    fn member(mut self, kind: u8, name: &str, claimed: u64, content: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len().min(100)]
            .copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
        header.set_mode(0o644);
        header.set_size(claimed);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.member(b'0', name, content.len() as u64, content)
    }

    fn good(self, number: u32) -> Self {
        self.file(&path(number), &body(number))
    }

    fn pax(self, records: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (key, value) in records {
            let rest = format!(" {key}={value}\n");
            let mut length = rest.len();
            while rest.len() + length.to_string().len() != length {
                length = rest.len() + length.to_string().len();
            }
            text.push_str(&format!("{length}{rest}"));
        }
        self.member(b'x', "PaxHeader", text.len() as u64, text.as_bytes())
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// Imports a tar into a fresh lab, which must end with 65, name each of these, and hold the
/// events of these numbers and nothing else.
#[track_caller]
fn imported(tar: &[u8], named: &[&str], numbers: &[u32]) -> Run {
    let lab = Lab::new();
    fs::write(lab.path("a.tar"), tar).unwrap();
    let run = lab.fails(65, ["import", "a.tar"]);
    for named in named {
        assert!(run.stderr.contains(named), "{named}: {run:?}");
    }
    let mut wanted: Vec<String> = numbers.iter().map(|number| path(*number)).collect();
    wanted.sort();
    assert_eq!(tree(&lab.root()).into_keys().collect::<Vec<_>>(), wanted);
    let around: Vec<String> = fs::read_dir(lab.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(around.len(), 3, "{around:?}");
    run
}

#[test]
fn names_that_lead_elsewhere_are_refused_and_the_rest_is_taken() {
    let tar = Forged::default()
        .good(1)
        .file("../../2026-05-16/pi4/evil.json", &body(2))
        .file("/2026-05-16/pi4/evil.json", &body(2))
        .file("2026-05-16/../../evil.json", &body(2))
        .pax(&[("path", "../2026-05-16/pi4/evil.json")])
        .good(3)
        .good(4)
        .end();
    imported(&tar, &["leads out of its directory", "is an absolute path"], &[1, 4]);
}

#[test]
fn links_devices_and_sparse_files_are_named_and_never_made() {
    let mut tar = Forged::default();
    for kind in [b'1', b'2', b'3', b'4', b'6', b'V'] {
        tar = tar.member(kind, &path(50), 0, b"");
    }
    tar = tar.good(1).pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")]).good(2).good(3);
    let kinds = [
        "a hard link",
        "a symbolic link",
        "a character device",
        "a block device",
        "a FIFO",
        "a sparse file",
        "not an entry type",
    ];
    imported(&tar.end(), &kinds, &[1, 3]);
}

#[test]
fn an_old_sparse_file_with_a_long_map_does_not_hide_what_follows() {
    let mut tar = Forged::default().good(1).member(b'S', "2026-05-16/pi4/s.json", 512, b"").0;
    let at = tar.len() - 512;
    tar[at + 257..at + 265].copy_from_slice(b"ustar  \0");
    tar[at + 482] = 1;
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&tar[at..]);
    header.set_cksum();
    tar[at..].copy_from_slice(header.as_bytes());
    // One block of its map, one of its content.
    tar.resize(tar.len() + 1024, 0);
    let tar = Forged(tar).good(2).end();
    imported(&tar, &["a sparse file"], &[1, 2]);
}

#[test]
fn sizes_that_nothing_has_end_the_reading_before_they_take_memory() {
    for tar in [
        Forged::default().good(1).member(b'0', &path(2), 8 << 30, b"").good(3),
        Forged::default().good(1).member(b'L', "x", 1 << 30, b"").good(3),
        Forged::default().good(1).member(b'x', "x", 1 << 30, b"").good(3),
        Forged::default().good(1).pax(&[("size", "99999999999")]).good(2).good(3),
        Forged::default().good(1).pax(&[("size", "much")]).good(2).good(3),
    ] {
        imported(&tar.end(), &["what follows"], &[1]);
    }
    // A size in PAX counts, as for every tar program.
    let size = body(2).len().to_string();
    let tar = Forged::default().pax(&[("size", &size)]).member(b'0', &path(2), 0, &body(2)).end();
    let lab = Lab::new();
    fs::write(lab.path("a.tar"), tar).unwrap();
    lab.ok(["import", "a.tar"]);
    assert_eq!(tree(&lab.root())[&path(2)], body(2));
}

#[test]
fn a_file_larger_than_any_event_is_passed_over() {
    let large = vec![b'x'; (64 << 20) + 1];
    let tar = Forged::default().good(1).file(&path(2), &large).good(3).end();
    imported(&tar, &["it has 67108865 bytes, more than any event"], &[1, 3]);
}

#[test]
fn what_is_cut_off_or_overwritten_costs_what_comes_after() {
    let whole = Forged::default().good(1).good(2).good(3).end();
    for (at, numbers) in [(512 * 3 + 100, &[1][..]), (512 * 4 + 10, &[1, 2])] {
        imported(&whole[..at], &["it is cut off after 2026-05-16"], numbers);
    }
    let mut damaged = whole.clone();
    damaged[512 * 2 + 5] ^= 1;
    imported(&damaged, &["is damaged; what follows was not read"], &[1]);
    imported(b"PK\x03\x04 is no tar", &["neither a tar"], &[]);
    // Without the zeros at its end it is whole.
    let lab = Lab::new();
    fs::write(lab.path("a.tar"), &whole[..512 * 6]).unwrap();
    lab.ok(["import", "a.tar"]);
}

#[test]
fn a_compressed_tar_whose_checksum_is_wrong_gives_nothing() {
    let tar = Forged::default().good(1).good(2).end();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(&tar).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    zstd.include_checksum(true).unwrap();
    zstd.write_all(&tar).unwrap();
    let zstd = zstd.finish().unwrap();
    // In gzip without compression, a digit of a payload is a byte of the file.
    let mut flipped = gzip.clone();
    let at = memchr::memmem::find(&flipped, b"\"number\":1").unwrap() + 9;
    flipped[at] = b'7';
    imported(&flipped, &["it is damaged"], &[]);
    let mut flipped = zstd.clone();
    *flipped.last_mut().unwrap() ^= 1;
    imported(&flipped, &["it is damaged"], &[]);
    // Cut off, what was there counts.
    imported(&gzip[..gzip.len() - 1500], &["it is cut off"], &[1]);
}

#[test]
fn a_bomb_goes_off_in_bounded_time_and_memory() {
    let header = Forged::default().good(1).member(b'0', "zeros", 8 << 30, b"").0;
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    zstd.write_all(&header).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..3 << 10 {
        zstd.write_all(&zeros).unwrap();
    }
    imported(&zstd.finish().unwrap(), &["claims to have 8589934592 bytes"], &[1]);
}

#[test]
fn duplicates_nested_tars_and_odd_files_are_told_apart() {
    let inner = Forged::default().good(9).end();
    let tar = Forged::default()
        .good(1)
        .good(1)
        .file(&path(1), &body(2))
        .file("inner.tar", &inner)
        .file("2026-05-16/pi4/inner.json", &inner)
        .member(b'5', "2026-05-16/pi4/", 0, b"")
        .member(b'g', "global", 0, b"")
        .end();
    let run =
        imported(&tar, &["it came twice, with different bytes", "inner.tar: not an event"], &[1]);
    assert!(run.stdout.starts_with("3 events: 1 is new"), "{run:?}");
}

#[test]
fn in_a_directory_nothing_is_followed_and_nothing_blocks() {
    let lab = Lab::new();
    let outside = Lab::new();
    outside.write(&path(7), body(7));
    let from = lab.path("from/2026-05-16/pi4");
    fs::create_dir_all(&from).unwrap();
    let name = |number: u32| Path::new(&path(number)).file_name().unwrap().to_owned();
    fs::write(from.join(name(1)), body(1)).unwrap();
    symlink(outside.root().join(path(7)), from.join(name(7))).unwrap();
    symlink(outside.root().join("2026-05-16"), lab.path("from/2026-05-17")).unwrap();
    symlink("..", lab.path("from/loop")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        from.join(name(8)),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    fs::write(from.join(".hlarchive-tmp-0000000000000000"), body(5)).unwrap();
    let run = lab.fails(65, ["import", "from"]);
    for named in
        ["it is a FIFO", "2026-05-17: it is a symbolic link", "loop: it is a symbolic link"]
    {
        assert!(run.stderr.contains(named), "{named}: {run:?}");
    }
    assert_eq!(tree(&lab.root()).into_keys().collect::<Vec<_>>(), [path(1)]);
}
