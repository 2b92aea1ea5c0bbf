use std::fs;
use std::process::Command;

use crate::common::{HLARCHIVE, Lab, system, tool};
use crate::support::{EVENT, Event};

/// Twelve events over three days, the first two of them archived; in time order.
fn lab() -> (Lab, Vec<Event<'static>>) {
    let lab = Lab::new();
    let events = vec![
        Event {
            time: "2026-05-15T00:00:00.000000Z",
            kind: "node_offline",
            severity: "critical",
            ..EVENT
        },
        Event {
            time: "2026-05-15T12:00:00.000000Z",
            node: "nas",
            service: "grafana",
            number: 1,
            ..EVENT
        },
        Event { time: "2026-05-15T12:00:00.000000Z", service: "grafana", number: 2, ..EVENT },
        Event { time: "2026-05-15T23:59:59.999999Z", source: "deploy.sh", number: 3, ..EVENT },
        Event {
            time: "2026-05-16T00:00:00.000000Z",
            node: "nas",
            severity: "warning",
            number: 4,
            ..EVENT
        },
        Event { time: "2026-05-16T00:00:00.000001Z", correlation: "run-2", number: 5, ..EVENT },
        Event {
            time: "2026-05-16T08:00:00.000000Z",
            kind: "deployment_failed",
            severity: "error",
            correlation: "run-2",
            number: 6,
            ..EVENT
        },
        Event {
            time: "2026-05-16T09:00:00.000000Z",
            node: "pi5",
            service: "mosquitto",
            number: 7,
            ..EVENT
        },
        Event {
            time: "2026-05-17T06:00:00.000000Z",
            node: "nas",
            kind: "deployment_failed",
            severity: "error",
            number: 8,
            ..EVENT
        },
        Event {
            time: "2026-05-17T07:00:00.000000Z",
            node: "pi5",
            severity: "warning",
            number: 9,
            ..EVENT
        },
        Event {
            time: "2026-05-17T08:00:00.000000Z",
            service: "grafana",
            source: "deploy.sh",
            number: 10,
            ..EVENT
        },
        Event { time: "2026-05-17T09:00:00.000000Z", kind: "weird_type", number: 11, ..EVENT },
    ];
    for event in &events[..8] {
        event.write(&lab);
    }
    lab.rotate();
    for event in &events[8..] {
        event.write(&lab);
    }
    (lab, events)
}

const EVER: [&str; 3] = ["list", "--since=2000-01-01", "-opath"];

/// The numbers of the events that are listed, in their order.
#[track_caller]
fn numbers(text: &str) -> Vec<u32> {
    text.lines()
        .map(|line| line.strip_suffix(".json").unwrap()[line.len() - 17..].parse().unwrap())
        .collect()
}

#[test]
fn every_filter_alone_combined_and_repeated() {
    let (lab, events) = lab();
    let all: Vec<u32> = (0..12).collect();
    assert_eq!(events.len(), 12);
    let cases: Vec<(&[&str], Vec<u32>)> = vec![
        (&[], all.clone()),
        (&["--node=nas"], vec![1, 4, 8]),
        (&["--node=nas", "--node=pi5"], vec![1, 4, 7, 8, 9]),
        (&["--type=deployment_failed"], vec![6, 8]),
        (&["--type=Deployment-Failed", "--type=weird_type"], vec![6, 8, 11]),
        (&["--severity=error"], vec![6, 8]),
        (&["--severity=ERROR", "--severity=critical"], vec![0, 6, 8]),
        (&["--min-severity=info"], all),
        (&["--min-severity=warning"], vec![0, 4, 6, 8, 9]),
        (&["--min-severity=error"], vec![0, 6, 8]),
        (&["--min-severity=critical"], vec![0]),
        (&["--severity=warning", "--severity=critical", "--min-severity=error"], vec![0]),
        (&["--service=grafana"], vec![1, 2, 10]),
        (&["--service=grafana", "--service=mosquitto"], vec![1, 2, 7, 10]),
        (&["--source=deploy.sh"], vec![3, 10]),
        (&["--correlation-id=run-2"], vec![5, 6]),
        (&["--correlation-id=run-2", "--severity=error"], vec![6]),
        (&["--node=nas", "--severity=error", "--type=deployment_failed"], vec![8]),
        (&["--node=nas", "--service=grafana", "--date=2026-05-15"], vec![1]),
        (&["--date=2026-05-16"], vec![4, 5, 6, 7]),
        (&["--date=2026-05-15", "--date=2026-05-17"], vec![0, 1, 2, 3, 8, 9, 10, 11]),
        (&["--live-only"], vec![8, 9, 10, 11]),
        (&["--archived-only"], vec![0, 1, 2, 3, 4, 5, 6, 7]),
        (&["--archived-only", "--node=nas"], vec![1, 4]),
        (&["--live-only", "--node=nas"], vec![8]),
        (&["--limit=3"], vec![0, 1, 2]),
        (&["--limit=3", "--reverse"], vec![11, 10, 9]),
        (&["--limit=0"], vec![]),
        (&["--limit=100"], (0..12).collect()),
        (&["--reverse"], (0..12).rev().collect()),
        (&["--reverse", "--min-severity=error"], vec![8, 6, 0]),
        (&["--min-severity=error", "--limit=2"], vec![0, 6]),
    ];
    for (flags, wanted) in cases {
        let mut arguments = EVER.to_vec();
        arguments.extend(flags);
        let run = lab.run(&arguments);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{flags:?}");
        assert_eq!(numbers(&run.stdout), wanted, "{flags:?}");
    }
}

#[test]
fn since_is_inclusive_until_is_not_and_a_date_means_the_whole_day() {
    let (lab, _) = lab();
    let cases: Vec<(&[&str], Vec<u32>)> = vec![
        (&["--since=2026-05-16T00:00:00.000001Z", "--until=2026-05-16"], vec![5, 6, 7]),
        (&["--since=2026-05-16", "--until=2026-05-16T00:00:00.000001Z"], vec![4]),
        (&["--since=2026-05-15T23:59:59.999999Z", "--until=2026-05-16T08:00:00Z"], vec![3, 4, 5]),
        (&["--until=2026-05-15"], vec![0, 1, 2, 3]),
        (&["--since=2026-05-17"], vec![8, 9, 10, 11]),
        (&["--since=2026-05-16T10:00:00+02:00", "--until=2026-05-16T11:00:00+02:00"], vec![6]),
        (&["--since=2026-05-16", "--until=2026-05-16"], vec![4, 5, 6, 7]),
        (&["--since=2026-05-16T08:00:00Z", "--date=2026-05-16"], vec![6, 7]),
    ];
    for (flags, wanted) in cases {
        let mut arguments = vec!["list", "-opath"];
        arguments.extend(flags);
        assert_eq!(numbers(&lab.ok(&arguments)), wanted, "{flags:?}");
    }
}

#[test]
fn without_a_time_today_is_listed() {
    let (lab, _) = lab();
    let run = lab.run(["list"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    assert_eq!(run.stderr, "no such event today; choose other days with --date or --since\n");
    let path = lab.ok(["emit", "node_online"]);
    let listed = lab.ok(["list", "-opath"]);
    assert!(path.trim_end().ends_with(listed.trim_end()) && listed.lines().count() == 1);
    assert_eq!(lab.ok(["list", "-opath", "--date=today"]), listed);
    assert_eq!(lab.ok(["list", "-opath", "--since=1h ago"]), listed);
}

#[test]
fn the_exit_code_tells_whether_a_filter_matched() {
    let (lab, _) = lab();
    for flags in [&["--node=nobody"][..], &["--severity=info", "--min-severity=error"]] {
        let mut arguments = EVER.to_vec();
        arguments.extend(flags);
        let run = lab.fails(1, &arguments);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    }
    // Nothing was asked for but a time: an empty stretch of time is a good answer.
    assert_eq!(lab.ok(["list", "--since=2001-01-01", "--until=2001-01-02"]), "");
    assert_eq!(lab.ok(["list", "--since=2001-01-01", "--until=2001-01-02", "-ojson"]), "[]\n");
}

#[test]
fn events_of_one_instant_come_in_the_order_of_their_paths() {
    let lab = Lab::new();
    let mut wanted = Vec::new();
    for node in ["a", "b"] {
        for number in [3, 1, 2] {
            Event { node, number, ..EVENT }.write(&lab);
        }
        for number in [1, 2, 3] {
            wanted.push(Event { node, number, ..EVENT }.path());
        }
    }
    let listed = lab.ok(EVER);
    assert_eq!(listed.lines().collect::<Vec<_>>(), wanted);
    let reversed = lab.ok(EVER.iter().chain(&["--reverse"]));
    wanted.reverse();
    assert_eq!(reversed.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let Some(bash) = tool("bash") else { return };
    let lab = Lab::new();
    let payload = format!("{{\"t\":\"{}\"}}", "x".repeat(900));
    for number in 0..3000 {
        Event { number, payload: &payload, ..EVENT }.write(&lab);
    }
    for (format, head) in
        [("ndjson", "head -1"), ("table", "head -1"), ("json", "head -c 10"), ("path", "true")]
    {
        let script = format!(
            "set -o pipefail; \"$0\" list --since 2000-01-01 -o {format} 2>stderr.txt | {head} \
             >/dev/null; echo \"${{PIPESTATUS[0]}}\"; cat stderr.txt"
        );
        let mut shell = Command::new(&bash);
        shell.args(["-c", &script, HLARCHIVE]).current_dir(lab.path(""));
        shell.env("HLARCHIVE_ROOT", lab.root());
        let told = String::from_utf8(system(&mut shell)).unwrap();
        assert_eq!(told, "0\n", "{format} | {head}");
    }
}

#[test]
fn events_filed_under_a_neighbour_day_are_found_by_their_time_and_by_their_day() {
    let lab = Lab::new();
    let late = Event { time: "2026-05-16T23:59:59.000000Z", ..EVENT };
    let path = late.path().replace("2026-05-16/", "2026-05-17/");
    lab.write(&path, late.line());
    let here = Event { time: "2026-05-17T00:00:00.000000Z", number: 1, ..EVENT }.write(&lab);
    for _ in 0..2 {
        let list = |flags: &[&str]| lab.ok(["list", "-opath"].iter().chain(flags));
        assert_eq!(list(&["--since=2026-05-16", "--until=2026-05-16"]), format!("{path}\n"));
        assert_eq!(list(&["--since=2026-05-17", "--until=2026-05-17"]), format!("{here}\n"));
        assert_eq!(list(&["--date=2026-05-17"]), format!("{path}\n{here}\n"));
        assert_eq!(list(&["--date=2026-05-16"]), "");
        lab.rotate();
    }
}

#[test]
fn foreign_names_and_contents_are_read_like_our_own() {
    let lab = Lab::new();
    let v4 = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    let event = Event { kind: "Some.Thing", ..EVENT };
    let pretty =
        event.line().replace(',', ",\n    ").replace("\"node\"", "\"extra\": [1, {}],\n \"node\"");
    let names = [
        format!("2026-05-16T10:11:12Z_Some.Thing_{v4}.json"),
        format!("2026-05-16T12:11:12+02:00_x_{}.json", v4.replace('-', "")),
        format!("20260516T1011Z_x_y_z_{v4}.json"),
        "no-such-form.json".to_owned(),
        "ünïcode name.json".to_owned(),
    ];
    for name in &names {
        lab.write(&format!("2026-05-16/küche 1/{name}"), &pretty);
    }
    let mut wanted: Vec<String> =
        names.iter().map(|name| format!("2026-05-16/küche 1/{name}")).collect();
    wanted.sort_unstable();
    for (segment, scope) in
        [("", "--live-only"), (",\"_segment\":\"2026/2026-05-16.tar.zst\"", "--archived-only")]
    {
        let run = lab.run(EVER.iter().chain(&["--type=Some.Thing", scope]));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert_eq!(run.stdout.lines().collect::<Vec<_>>(), wanted);
        let line = lab.ok(["list", "--since=2000-01-01", "-ondjson", "--limit=1", scope]);
        let compact = event.line().replace("\"node\"", "\"extra\":[1,{}],\"node\"");
        let (own, _) = compact.rsplit_once('}').unwrap();
        assert_eq!(line, format!("{own},\"_path\":\"{}\"{segment}}}\n", wanted[0]));
        lab.rotate();
    }
}

#[test]
fn what_is_no_event_is_named_and_changes_nothing_for_the_others() {
    let lab = Lab::new();
    let good = EVENT.write(&lab);
    let bad = |name: &str| format!("2026-05-16/pi4/20260516T101112Z_{name}_{}.json", EVENT.id());
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("a", b"".to_vec(), "the file is empty"),
        ("b", b"[1]".to_vec(), "an event is a JSON object; this is not one"),
        ("c", EVENT.line()[..60].into(), "the JSON ends too early, at line 1"),
        (
            "d",
            EVENT.line().replace("\"node\":\"pi4\",", "").into(),
            "the field \"node\" is missing",
        ),
        (
            "e",
            EVENT.line().replace("{}}", "[]}").into(),
            "the payload is an array; an object is expected",
        ),
        ("f", b"{\"timestamp\":\"\xff\"}".to_vec(), "the text is not UTF-8 at byte 14"),
    ];
    for (name, bytes, _) in &cases {
        lab.write(&bad(name), bytes);
    }
    fs::create_dir(lab.root().join("2026-05-16/pi4/folder.json")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", lab.root().join("2026-05-16/pi4/link.json")).unwrap();
    lab.write("2026-05-16/pi4/notes.txt", "x");
    lab.write("2026-05-16/stray.json", "x");
    lab.write("readme", "x");
    for archived in [false, true] {
        let run = lab.run(EVER.iter().chain(&["--verbose"]));
        assert_eq!((run.code, run.stdout.as_str()), (0, format!("{good}\n").as_str()), "{run:?}");
        let mut told: Vec<&str> = run.stderr.lines().collect();
        told.sort_unstable();
        let inside = if archived { " in 2026/2026-05-16.tar.zst" } else { "" };
        let mut wanted: Vec<String> = cases
            .iter()
            .map(|(name, _, reason)| {
                format!("{}{inside}: not an event, passed over: {reason}", bad(name))
            })
            .collect();
        wanted.extend([
            "2026-05-16/pi4/folder.json: not an event: a directory; events are files that end in .json".to_owned(),
            "2026-05-16/pi4/link.json: not an event: a symbolic link; events are files that end in .json".to_owned(),
            "2026-05-16/pi4/notes.txt: not an event: a file; events are files that end in .json".to_owned(),
            "2026-05-16/stray.json: not an event: a file; nodes have directories".to_owned(),
            "readme: not an event: a file; days have directories YYYY-MM-DD".to_owned(),
        ]);
        let mut wanted: Vec<String> =
            wanted.into_iter().map(|line| format!("hlarchive: warning: {line}")).collect();
        wanted.sort_unstable();
        assert_eq!(told, wanted);
        assert_eq!(lab.run(EVER.iter().chain(&["--quiet"])).stderr, "");
        lab.fails(1, ["rotate", "--now", crate::common::NOW]);
    }
}

#[test]
fn many_invalid_files_are_counted_where_they_are_not_named() {
    let lab = Lab::new();
    EVENT.write(&lab);
    for number in 0..25 {
        lab.write(&format!("2026-05-16/pi4/{number}.json"), "x");
    }
    let run = lab.run(EVER);
    assert_eq!(run.stdout.lines().count(), 1);
    let told: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(told.len(), 11, "{}", run.stderr);
    assert_eq!(
        told[10],
        "hlarchive: warning: 15 more files were passed over; --verbose names them, and \
         \"hlarchive verify\" says what is wrong with them"
    );
    assert_eq!(lab.run(EVER.iter().chain(&["-v"])).stderr.lines().count(), 25);
}

#[test]
fn a_history_that_is_nowhere_is_a_warning_not_an_empty_answer() {
    let lab = Lab::new();
    let run = lab.run(["list", "--root=nowhere", "--archive=nowhere-archive"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    assert_eq!(
        run.stderr,
        "hlarchive: warning: nowhere: there is neither an event tree here nor an archive at \
         nowhere-archive; name them with --root and --archive\n"
    );
}
