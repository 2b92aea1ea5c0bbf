//! Nobody who may emit takes more memory or time from the readers than a few of the largest
//! events need, however many of them there are.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{HLARCHIVE, Lab, NOW, tool};

/// The limit on what a reader takes in these tests: four of the events below, and the program.
const BYTES: u64 = 256 << 20;

/// The payload's text of a huge event.
const HUGE: usize = 40 << 20;

/// What a command printed, of which only this is kept: it may be gigabytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Printed {
    code: Option<i32>,
    lines: usize,
    bytes: usize,
    first: Vec<u8>,
    last: Vec<u8>,
    stderr: String,
}

/// Runs the command under a limit of `prlimit`.
fn limited(lab: &Lab, limit: &str, words: &[&str]) -> Printed {
    let inner = lab.command(words);
    let mut command = Command::new("prlimit");
    command.arg(limit).arg(HLARCHIVE).args(words).env_clear().env("RAYON_NUM_THREADS", "2");
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(lab.path("")).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut printed = Printed::default();
    let mut out = child.stdout.take().unwrap();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = out.read(&mut buffer).unwrap();
        let piece = &buffer[..count];
        if piece.is_empty() {
            break;
        }
        let room = 1000_usize.saturating_sub(printed.first.len()).min(count);
        printed.first.extend_from_slice(&piece[..room]);
        printed.last = piece[count.saturating_sub(2)..].to_vec();
        printed.lines += piece.split(|byte| *byte == b'\n').count() - 1;
        printed.bytes += count;
    }
    let ended = child.wait_with_output().unwrap();
    printed.code = ended.status.code();
    printed.stderr = String::from_utf8_lossy(&ended.stderr).chars().take(2000).collect();
    printed
}

fn in_little_memory(lab: &Lab, words: &[&str]) -> Printed {
    limited(lab, &format!("--data={BYTES}"), words)
}

/// An event of a day whose payload is this object.
fn event(timestamp: &str, payload: &str) -> String {
    format!(
        "{{\"timestamp\":\"{timestamp}\",\"node\":\"evil\",\"type\":\"t\",\"severity\":\"info\",\
         \"source\":\"s\",\"service\":\"v\",\"correlation_id\":\"c\",\"payload\":{payload}}}\n"
    )
}

/// Eight huge events of one day: four of one instant, and four of other ones.
fn eight_huge_events(lab: &Lab) {
    for number in 0..8 {
        let second = if number < 4 { 0 } else { number };
        let timestamp = format!("2026-05-01T10:00:{second:02}Z");
        let text = event(&timestamp, &format!("{{\"text\":\"{}\"}}", "x".repeat(HUGE)));
        lab.write(&format!("2026-05-01/evil/{number}.json"), text);
    }
}

fn each_reader_takes_little(lab: &Lab) {
    let day = ["--date", "2026-05-01"];
    for (words, lines) in [
        (vec!["list"], 9),
        (vec!["list", "-ondjson"], 8),
        (vec!["list", "-ojson"], 10),
        (vec!["list", "-opath", "--reverse"], 8),
        (vec!["list", "-ondjson", "--limit", "3", "--reverse"], 3),
    ] {
        let words: Vec<&str> = words.into_iter().chain(day).collect();
        let printed = in_little_memory(lab, &words);
        assert_eq!((printed.code, printed.lines), (Some(0), lines), "{words:?} {printed:?}");
    }
    for words in [&["trace", "c"][..], &["trace", "c", "-ojson"], &["attempts"], &["status"]] {
        let printed = in_little_memory(lab, words);
        assert!(matches!(printed.code, Some(0 | 1)), "{words:?} {printed:?}");
        assert!(!printed.stderr.contains("memory"), "{words:?} {printed:?}");
    }
}

#[test]
fn eight_huge_live_events_are_read_in_the_memory_of_a_few() {
    if tool("prlimit").is_none() {
        return;
    }
    let lab = Lab::new();
    eight_huge_events(&lab);
    each_reader_takes_little(&lab);
    let whole = in_little_memory(&lab, &["list", "-ojson", "--date", "2026-05-01"]);
    assert!(whole.bytes > 8 * HUGE);
    assert_eq!((&whole.first[..3], &*whole.last), (&b"[\n{"[..], &b"]\n"[..]));
    let cursor = ["list", "-opath", "--cursor-file", "c", "--after", "start", "--since=2026-05-01"];
    for _ in 0..2 {
        let printed = in_little_memory(&lab, &cursor);
        assert_eq!((printed.code, printed.lines), (Some(0), 8), "{printed:?}");
    }
}

#[test]
fn eight_huge_archived_events_are_read_in_the_memory_of_a_few() {
    if tool("prlimit").is_none() {
        return;
    }
    let lab = Lab::new();
    eight_huge_events(&lab);
    lab.ok(["rotate", "--now", NOW]);
    each_reader_takes_little(&lab);
}

#[test]
fn an_event_of_five_million_members_takes_no_more_memory_than_any_of_its_size() {
    if tool("prlimit").is_none() {
        return;
    }
    let lab = Lab::new();
    let members: Vec<String> = (0..5_000_000).map(|number| format!("\"{number}\":0")).collect();
    let members = members.join(",");
    let payload = event("2026-05-01T10:00:00Z", &format!("{{{members},\"error\":\"it broke\"}}"));
    lab.write("2026-05-01/evil/payload.json", payload);
    let beside = event("2026-05-02T10:00:00Z", &format!("{{}},{members}"));
    lab.write("2026-05-02/evil/beside.json", beside);
    let printed = in_little_memory(&lab, &["list", "--since", "2026-05-01"]);
    assert_eq!((printed.code, printed.lines), (Some(0), 3), "{printed:?}");
    let table = String::from_utf8_lossy(&printed.first);
    assert!(table.contains("it broke 0=0 1=0"), "{table}");
    for words in [&["trace", "c"][..], &["trace", "c", "-ohtml"], &["attempts"], &["status"]] {
        let printed = in_little_memory(&lab, words);
        assert!(matches!(printed.code, Some(0 | 1)), "{words:?} {printed:?}");
        assert!(!printed.stderr.contains("memory"), "{words:?} {printed:?}");
    }
    for format in ["csv", "ndjson", "cloudevents"] {
        let to = format!("--to={format}");
        let words = ["export", "--format", format, &to];
        let printed = limited(&lab, &format!("--data={}", 2 * BYTES), &words);
        assert_eq!(printed.code, Some(0), "{format} {printed:?}");
    }
}

/// Both texts would keep an export busy for minutes if it looked at the rest of them for each
/// piece that it writes.
#[test]
fn the_time_of_a_csv_export_grows_with_its_bytes_and_not_with_their_square() {
    if tool("prlimit").is_none() {
        return;
    }
    let lab = Lab::new();
    let texts = [format!(",{}", "x".repeat(60 << 20)), "\\\"".repeat(15 << 20)];
    for (number, text) in texts.iter().enumerate() {
        let event = event("2026-05-01T10:00:00Z", &format!("{{\"text\":\"{text}\"}}"));
        lab.write(&format!("2026-05-01/evil/{number}.json"), event);
    }
    let printed = limited(&lab, "--cpu=40", &["export", "--format", "csv", "--to", "csv"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let file = lab.path("csv/date=2026-05-01/node=evil/part-0.csv");
    let csv = fs::read_to_string(file).unwrap();
    for text in texts {
        let payload = format!("{{\"text\":\"{text}\"}}").replace('"', "\"\"");
        assert!(csv.contains(&format!(",\"{payload}\",")));
    }
}

#[test]
fn an_export_hears_a_stop_between_any_two_of_many_huge_files() {
    if tool("strace").is_none() {
        return;
    }
    let lab = Lab::new();
    let directory = lab.root().join("2026-05-01/evil");
    fs::create_dir_all(&directory).unwrap();
    for number in 0..200 {
        sparse(&directory.join(format!("{number}.json")));
    }
    let inner = lab.command(["export", "--format", "csv", "--to", "csv"]);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=openat", "-e", "signal=none", "-o", "/dev/stdout"]);
    command.arg(inner.get_program()).args(inner.get_args()).env_clear();
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(lab.path("")).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // All of them are measured together first, and then read one by one.
    let mut opened = (&mut lines).filter(|line| line.contains(".json\""));
    assert_eq!((&mut opened).take(202).count(), 202);
    let pid = child.id().to_string();
    let inner = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
    let inner = String::from_utf8(inner.stdout).unwrap();
    assert!(Command::new("kill").args(["-TERM", inner.trim()]).status().unwrap().success());
    let after = lines.filter(|line| line.contains(".json\"")).count();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(143), "{ended:?}");
    assert!(after < 10, "{after} more were read");
}

/// A file of the largest size that an event may have, which takes no room on the disk.
fn sparse(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(b"{").unwrap();
    file.set_len(64 << 20).unwrap();
}
