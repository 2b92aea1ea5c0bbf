//! A tree with everything odd in it that we could think of.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode};

use crate::common::{Lab, cannot, event};
use crate::hostile::{SECRET, guarded};

/// A tree with everything odd in it that we could think of.
pub(super) struct Jungle {
    pub(super) lab: Lab,
    /// Every valid event's identity.
    pub(super) valid: BTreeSet<String>,
    /// What `verify --live` must name, as it is shown.
    pub(super) odd: Vec<String>,
}

/// A valid event's bytes, told apart by its correlation id.
pub(super) fn body(id: &str, payload: &str) -> Vec<u8> {
    let (_, bytes) = event(10, 1, "pi4", 0);
    let text = String::from_utf8(bytes).unwrap();
    text.replace("run-10-0", id).replace("{\"number\":0}", payload).into_bytes()
}

pub(super) fn name(number: u32) -> String {
    format!("20260510T120000.{number:06}Z_node_online_0196d8a2-0010-7000-9000-{number:012}.json")
}

impl Jungle {
    pub(super) fn new() -> Self {
        let lab = Lab::new();
        let valid = lab.seed(2, 4).into_keys().collect();
        let outside = lab.path("outside");
        fs::create_dir_all(outside.join("day/pi4")).unwrap();
        fs::write(outside.join("secret.json"), body(SECRET, "{}")).unwrap();
        for number in 0..4 {
            let (below, _) = event(10, 1, "pi4", number);
            let file = outside.join("day/pi4").join(below.rsplit('/').next().unwrap());
            fs::write(file, body(SECRET, "{}")).unwrap();
        }
        let mut jungle = Self { lab, valid, odd: Vec::new() };
        let root = jungle.lab.root();
        jungle.specials(&root, "", |number| format!("2026-04-{number:02}"));
        jungle.specials(&root, "2026-05-10/", |number| format!("node-{number}"));
        jungle.specials(&root, "2026-05-10/pi4/", |number| name(900 + number));
        jungle.names(&root);
        jungle.bodies();
        jungle
    }

    /// Everything that is no directory and no file, at one level of the tree.
    fn specials(&mut self, root: &Path, level: &str, name: impl Fn(u32) -> String) {
        let outside = self.lab.path("outside");
        let depth = level.matches('/').count();
        let targets = [
            outside.join(["day", "day/pi4", "secret.json"][depth]),
            PathBuf::from(name(2)),
            PathBuf::from("nowhere"),
            PathBuf::from("../".repeat(depth + 1) + "outside/secret.json"),
        ];
        for (number, target) in targets.iter().enumerate() {
            symlink(target, root.join(level).join(name(number as u32 + 1))).unwrap();
        }
        let at = |number| root.join(level).join(name(number));
        let special = |path: &Path, kind, device| {
            rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o644), device)
        };
        special(&at(5), FileType::Fifo, 0).unwrap();
        drop(UnixListener::bind(socket_path(&at(6))).unwrap());
        fs::rename(socket_path(&at(6)), at(6)).unwrap();
        let mut made = 6;
        // /dev/zero never ends. Only root can make one.
        if special(&at(7), FileType::CharacterDevice, rustix::fs::makedev(1, 5)).is_ok() {
            made = 7;
        } else {
            cannot("device nodes, which only root can make");
        }
        self.odd.extend((1..=made).map(|number| format!("{level}{}", name(number))));
        if depth < 2 {
            fs::write(at(8), "a file where a directory belongs").unwrap();
        } else {
            fs::create_dir(at(8)).unwrap();
            fs::write(at(8).join(name(1)), body("too-deep", "{}")).unwrap();
        }
        self.odd.push(format!("{level}{}", name(8)));
    }

    fn names(&mut self, root: &Path) {
        let valid = body("odd-name", "{}");
        // Days that do not exist, and one that has not come yet.
        self.lab.write(&format!("2026-02-30/pi4/{}", name(1)), &valid);
        self.lab.write(&format!(".stversions/pi4/{}", name(1)), &valid);
        self.lab.write(&format!("2026-05-10~/pi4/{}", name(1)), &valid);
        self.odd.extend(["2026-02-30", ".stversions", "2026-05-10~"].map(str::to_owned));
        let future = format!("2099-01-01/pi4/{}", name(2));
        self.lab
            .write(&future, String::from_utf8_lossy(&valid).replace("2026-05-10", "2099-01-01"));
        self.valid.insert(future);
        let long_node = format!("2026-05-10/{}/{}", "n".repeat(255), name(3));
        let long_name = format!("2026-05-10/nas/{}.json", "e".repeat(250));
        let accents = format!("2026-05-10/küche ☃/{}", name(4));
        for below in [long_node, long_name, accents] {
            self.lab.write(&below, &valid);
            self.valid.insert(below);
        }
        let raw: [(&str, &[u8], &str); 6] = [
            ("", b"line\nbreak", "line\\nbreak"),
            ("", b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("2026-05-10/", b"red\x1b[31m", "2026-05-10/red\\u{1b}[31m"),
            ("2026-05-10/", b"bad\xc3", "2026-05-10/bad\u{fffd}"),
            ("2026-05-10/pi4/", b"a\n2026-05-10.json", "2026-05-10/pi4/a\\n2026-05-10.json"),
            ("2026-05-10/pi4/", b"\xf0\x28.json", "2026-05-10/pi4/\u{fffd}(.json"),
        ];
        for (level, bytes, shown) in raw {
            let path = root.join(level).join(OsStr::from_bytes(bytes));
            if level.ends_with("pi4/") {
                fs::write(&path, &valid).unwrap();
            } else {
                fs::create_dir(&path).unwrap();
                fs::write(path.join(name(5)), &valid).unwrap();
            }
            self.odd.push(shown.to_owned());
        }
        // What editors and rsync leave while they work.
        let stem = name(6);
        for temporary in [
            format!(".{stem}"),
            format!(".{stem}.swp"),
            format!("{stem}~"),
            format!("{stem}.tmp"),
            format!(".#{stem}"),
            format!(".{stem}.AbC123"),
            "#x.json#".to_owned(),
            ".json".to_owned(),
        ] {
            let below = format!("2026-05-10/pi4/{temporary}");
            self.lab.write(&below, &valid);
            self.odd.push(below);
        }
    }

    fn bodies(&mut self) {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(50 << 20));
        let good = [
            body("huge", &huge),
            body("deep", &deep),
            body("pretty", "{\n  \"a\" : 1e999 ,\r\n\t\"b\":{}}"),
            body("payload-key-twice", "{\"a\":1,\"a\":2}"),
            body("zero", "{\"a\":\"\\u0000\\ud83d\\ude00\"}"),
        ];
        for (number, bytes) in good.into_iter().enumerate() {
            let below = format!("2026-05-11/nas/{}", name(100 + number as u32));
            self.lab.write(&below, bytes);
            self.valid.insert(below);
        }
        // The name and the place say one thing and the body another: read, and named.
        let (_, of_other_day) = event(11, 2, "pi5", 3);
        for (below, bytes) in [
            (format!("2026-05-11/nas/{}", name(110)), body("other-day", "{}")),
            ("2026-05-10/pi4/20250101T000000Z_node_offline_0196d8a2-0010-7000-9000-000000000111.json".to_owned(), of_other_day),
            // One UUID on two nodes.
            (format!("2026-05-10/pi4/{}", name(777)), body("twin-1", "{}")),
            (format!("2026-05-10/pi5/{}", name(777)), body("twin-2", "{}")),
        ] {
            self.lab.write(&below, bytes);
            self.valid.insert(below);
        }
        let whole = body("bad", "{}");
        let text = String::from_utf8(whole.clone()).unwrap();
        let bad: [Vec<u8>; 12] = [
            Vec::new(),
            b" \n".to_vec(),
            whole[..whole.len() / 2].to_vec(),
            text.replace("{}", "{\"a\":NaN}").into_bytes(),
            text.replace("{}", "[]").into_bytes(),
            text.replace("\"node\":", "\"node\":\"x\",\"node\":").into_bytes(),
            format!("\u{feff}{text}").into_bytes(),
            text.replace("pi4", "\u{7f}").replace('\u{7f}', "\\ud800").into_bytes(),
            whole.iter().map(|byte| if *byte == b'4' { 0xff } else { *byte }).collect(),
            format!("{text}{text}").into_bytes(),
            "[".repeat(100_000).into_bytes(),
            vec![0; 4096],
        ];
        for (number, bytes) in bad.into_iter().enumerate() {
            let below = format!("2026-05-10/nas/{}", name(200 + number as u32));
            self.lab.write(&below, bytes);
            self.odd.push(below);
        }
        // Larger than any event; sparse, so that it costs nothing.
        let below = format!("2026-05-10/nas/{}", name(300));
        self.lab.write(&below, "");
        File::options()
            .write(true)
            .open(self.lab.root().join(&below))
            .and_then(|file| file.set_len(1 << 40))
            .unwrap();
        self.odd.push(below);
    }

    #[track_caller]
    pub(super) fn assert_all_there(&self) {
        let run = guarded(&self.lab, &["list", "--since", "2000-01-01", "-o", "path"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let listed: Vec<&str> = run.stdout.lines().collect();
        let set: BTreeSet<String> = listed.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(listed.len(), set.len(), "an event is listed twice");
        assert_eq!(set, self.valid);
    }
}

/// A socket's path must be short; it is moved to its place afterwards.
fn socket_path(target: &Path) -> PathBuf {
    let root = target.ancestors().find(|path| path.ends_with("events")).unwrap();
    root.with_file_name("s")
}
