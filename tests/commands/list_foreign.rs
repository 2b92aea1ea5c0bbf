//! Trees that others wrote into: foreign names, files in odd places, files that are no events.

use std::fs;

use crate::common::{Lab, NOW};
use crate::support::{EVENT, Event};

const EVER: [&str; 3] = ["list", "--since=2000-01-01", "-opath"];

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
        let run = lab.run(["rotate", "--now", NOW]);
        let named = run.stderr.contains("23:59:59.000000Z is not of this day; archived as is");
        assert_eq!(named, run.code == 1, "{run:?}");
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
        "hlarchive: warning: 15 more files were skipped; --verbose names them, and \
         \"hlarchive verify\" says what is wrong with them"
    );
    assert_eq!(lab.run(EVER.iter().chain(&["-v"])).stderr.lines().count(), 25);
}

#[test]
fn a_history_that_is_nowhere_is_not_an_empty_answer() {
    let lab = Lab::new();
    let run = lab.run(["list", "--root=nowhere", "--archive=nowhere-archive"]);
    assert_eq!((run.code, run.stdout.as_str()), (66, ""));
    assert_eq!(
        run.stderr,
        "hlarchive: nowhere: there is neither an event tree here nor an archive at \
         nowhere-archive; name them with --root and --archive\n"
    );
}
