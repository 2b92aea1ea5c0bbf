use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use crate::common::{Lab, NOW};
use crate::support::{EVENT, Event};

/// A running `list --follow` and the lines it prints.
struct Follower {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Follower {
    fn start(lab: &Lab, flags: &[&str]) -> Self {
        let mut arguments = vec!["list", "--follow", "--since=2000-01-01"];
        arguments.extend(flags);
        let mut command = lab.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Asks it to stop; what it printed since, its errors and its exit code.
    fn stop(mut self) -> (String, String, Option<i32>) {
        let id = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let (mut rest, mut errors) = (String::new(), String::new());
        self.lines.read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (rest, errors, self.child.wait().unwrap().code())
    }
}

#[test]
fn new_events_are_printed_as_they_come_and_only_once() {
    let lab = Lab::new();
    let old = Event { time: "2026-05-10T00:00:00.000000Z", ..EVENT };
    old.write(&lab);
    lab.rotate();
    let live = Event { number: 1, ..EVENT };
    live.write(&lab);
    let mut follower = Follower::start(&lab, &["-o", "ndjson"]);
    assert_eq!(follower.next(), old.archived_line("2026/2026-05-10.tar.zst"));
    assert_eq!(follower.next(), live.live_line());
    for number in 2..6 {
        // Another node, another day, an old day, the same directory: wherever it comes.
        let days = [
            "2026-05-16T10:11:12.000000Z",
            "2026-05-17T00:00:00.000000Z",
            "2026-05-01T00:00:00.000000Z",
        ];
        let event = Event {
            number,
            time: days[number as usize % 3],
            node: ["a", "pi4"][number as usize % 2],
            ..EVENT
        };
        // As emit does it: whole, and then by its name.
        lab.write(&format!("{}.part", event.path()), event.line() + "\n");
        let at = |suffix: &str| lab.root().join(event.path() + suffix);
        std::fs::rename(at(".part"), at("")).unwrap();
        assert_eq!(follower.next(), event.live_line());
    }
    // Rotation takes files away; that is no news. The next event is the next line.
    lab.ok(["rotate", "--now", NOW]);
    let last = lab.ok(["emit", "node_online", "--node=last"]);
    assert!(follower.next().contains("\"node\":\"last\""), "{last}");
    assert_eq!(follower.stop(), (String::new(), String::new(), Some(143)));
}

#[test]
fn only_events_that_meet_the_filters_are_printed() {
    let lab = Lab::new();
    let mut follower = Follower::start(&lab, &["-o", "path", "--min-severity=error", "--node=n"]);
    let emit = |severity: &str, node: &str| {
        lab.ok(["emit", "node_online", "--severity", severity, "--node", node])
    };
    emit("info", "n");
    emit("error", "other");
    let first = emit("error", "n");
    let line = follower.next();
    assert!(first.trim_end().ends_with(&line) && !line.is_empty(), "{first} {line}");
    // Whole at once: the follower may look at any moment.
    std::fs::create_dir_all(lab.root().join("2026-05-16/n")).unwrap();
    std::fs::write(lab.path("broken"), "x").unwrap();
    std::fs::rename(lab.path("broken"), lab.root().join("2026-05-16/n/broken.json")).unwrap();
    let second = emit("critical", "n");
    let line = follower.next();
    assert!(second.trim_end().ends_with(&line) && !line.is_empty(), "{second} {line}");
    let (rest, errors, code) = follower.stop();
    assert_eq!((rest.as_str(), code), ("", Some(143)));
    assert_eq!(
        errors,
        "hlarchive: warning: 2026-05-16/n/broken.json: not an event, passed over: an event is a JSON \
         object; this is not one\n"
    );
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let lab = Lab::new();
    EVENT.write(&lab);
    let mut follower = Follower::start(&lab, &["-o", "path"]);
    assert_eq!(follower.next(), EVENT.path());
    let Follower { mut child, lines } = follower;
    drop(lines);
    lab.ok(["emit", "node_online"]);
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""));
}

#[test]
fn what_has_no_end_cannot_be_reversed_or_limited_or_one_array() {
    let lab = Lab::new();
    for flags in
        [&["--reverse"][..], &["--limit=1"], &["--archived-only"], &["--until=today"], &["-ojson"]]
    {
        let run = lab.fails(2, ["list", "--follow"].iter().chain(flags));
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains("--follow"), "{run:?}");
    }
}
