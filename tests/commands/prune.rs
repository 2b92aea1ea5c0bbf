use std::fs;

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use crate::common::{Lab, NOW, me, tree};
use crate::support::{EVENT, Event, assert_untouched, json, policy, sentence};

/// Later than [`NOW`], when with `keep = "20d"` the first two of six days are over.
const LATER: &str = "2026-06-01T04:00:00Z";

/// Six archived days from 2026-05-10 on, kept for 20 days, incidents for ever.
fn archived() -> Lab {
    let lab = Lab::new();
    rules(&lab, "keep = \"20d\"");
    lab.seed(6, 5);
    lab.rotate();
    lab
}

fn rules(lab: &Lab, retain: &str) {
    policy(
        lab,
        &format!(
            "version = 1\n[retain]\ngrace = \"0d\"\n{retain}\n[[retain.class]]\nname = \"incidents\"\n\
             match = {{ severity = [\"error\", \"critical\"] }}\nkeep = \"forever\"\n"
        ),
    );
}

fn segments(lab: &Lab) -> Vec<String> {
    tree(&lab.archive()).into_keys().filter(|path| path.ends_with(".tar.zst")).collect()
}

fn records(lab: &Lab) -> Vec<Value> {
    json(&lab.ok(["manifest", "show", "-o", "json"])).as_array().unwrap().clone()
}

#[test]
fn days_whose_time_is_over_go_with_all_their_files_and_the_rest_stays() {
    let lab = archived();
    let before = lab.list_all();
    let told = lab.ok(["prune", "--now", LATER]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    for (line, day) in lines.iter().zip(["2026-05-10", "2026-05-11"]) {
        let start = format!("2026/{day}.tar.zst  9 events, ");
        assert!(line.starts_with(&start), "{line}");
        assert!(line.ends_with(": retain.keep = \"20d\""), "{line}");
    }
    let left = tree(&lab.archive());
    assert!(!left.contains_key("2026/2026-05-10.tar.zst"));
    assert!(!left.contains_key("2026/2026-05-10.tar.zst.sha256"));
    assert!(left.contains_key("2026/2026-05-10.incidents.tar.zst"));
    let is_gone = |line: &&String| {
        let severe = line.contains("\"error\"") || line.contains("\"critical\"");
        !severe
            && (line.contains("\"_path\":\"2026-05-10") || line.contains("_path\":\"2026-05-11"))
    };
    let expected: Vec<String> = before.iter().filter(|line| !is_gone(line)).cloned().collect();
    assert_eq!(before.len() - expected.len(), 18);
    assert_eq!(lab.list_all(), expected);
    lab.ok(["verify"]);
    let again = lab.run(["prune", "--now", LATER]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""));
    assert!(again.stderr.starts_with("nothing to prune\n"), "{again:?}");
}

#[test]
fn a_record_says_of_each_segment_what_it_was_and_by_which_rule_it_went() {
    let lab = archived();
    let rotated = records(&lab);
    lab.ok(["prune", "--now", LATER]);
    let all = records(&lab);
    let pruned: Vec<&Value> = all.iter().filter(|record| record["op"] == "prune").collect();
    assert_eq!(pruned.len(), 2);
    for record in pruned {
        let was = rotated.iter().find(|was| was["segment"] == record["segment"]).unwrap();
        for same in ["date", "sha256", "bytes", "events", "invalid", "first", "last", "content"] {
            assert_eq!(record[same], was[same], "{same}");
        }
        assert_eq!(record["reason"], "retain.keep = \"20d\"");
        assert_eq!(record["by"]["user"], me());
        assert_eq!(record["time"], "2026-06-01T04:00:00.000000Z");
    }
}

#[test]
fn rotation_records_the_class_and_what_was_promised() {
    let lab = archived();
    for record in records(&lab) {
        let incidents = record["segment"].as_str().unwrap().contains(".incidents.");
        let (class, keep) = if incidents { ("incidents", "forever") } else { ("", "20d") };
        assert_eq!(record.get("class").and_then(Value::as_str).unwrap_or_default(), class);
        assert_eq!(record["keep"], keep);
        assert_eq!(record.get("yields"), None);
    }
    let roomy = Lab::new();
    rules(&roomy, "keep = \"20d\"\nmax_size = \"1GiB\"");
    roomy.seed(1, 1);
    roomy.rotate();
    assert_eq!(records(&roomy)[0]["yields"], true);
    // Nobody chose the built-in policy: it keeps everything and promises nothing.
    let built_in = Lab::new();
    built_in.seed(1, 1);
    let mut command = built_in.command(["rotate", "--now", NOW]);
    assert!(command.env_remove("HLARCHIVE_POLICY").status().unwrap().success());
    assert_eq!(records(&built_in)[0].get("keep"), None);
}

#[test]
fn events_are_split_by_each_of_the_five_fields_and_the_first_class_takes_them() {
    let lab = Lab::new();
    let class = |name: &str, field: &str, value: &str| {
        format!(
            "[[retain.class]]\nname = \"{name}\"\nkeep = \"7y\"\nmatch = {{ {field} = \"{value}\" }}\n"
        )
    };
    let mut text = "version = 1\n".to_owned();
    for (name, field, value) in [
        ("a-severity", "severity", "critical"),
        ("b-type", "type", "node_offline"),
        ("c-node", "node", "nas"),
        ("d-service", "service", "mosquitto"),
        ("e-source", "source", "backup.sh"),
    ] {
        text.push_str(&class(name, field, value));
    }
    policy(&lab, &text);
    let of = |class: &str, event: Event<'_>| (class.to_owned(), event.write(&lab));
    let expected = [
        of("a-severity", Event { severity: "critical", number: 1, ..EVENT }),
        of("b-type", Event { kind: "node_offline", number: 2, ..EVENT }),
        of("c-node", Event { node: "nas", number: 3, ..EVENT }),
        of("d-service", Event { service: "mosquitto", number: 4, ..EVENT }),
        of("e-source", Event { source: "backup.sh", number: 5, ..EVENT }),
        of("", Event { number: 6, ..EVENT }),
        // Those that match several belong to the first.
        of("a-severity", Event { severity: "critical", node: "nas", number: 7, ..EVENT }),
        of("c-node", Event { node: "nas", source: "backup.sh", number: 8, ..EVENT }),
    ];
    lab.rotate();
    let listed = lab.ok(["list", "--date", "2026-05-16", "-o", "ndjson"]);
    for (class, path) in expected {
        let line = listed.lines().find(|line| line.contains(&path)).unwrap();
        let dot = if class.is_empty() { "" } else { "." };
        let segment = format!("\"_segment\":\"2026/2026-05-16{dot}{class}.tar.zst\"");
        assert!(line.contains(&segment), "{line}");
    }
}

#[test]
fn a_dry_run_shows_what_would_go_and_changes_nothing() {
    let lab = archived();
    let run = assert_untouched(&lab, || lab.run(["prune", "--dry-run", "--now", LATER]));
    assert_eq!((run.code, run.stdout.lines().count()), (0, 2), "{run:?}");
    assert_eq!(run.stderr, "a dry run: nothing was changed\n");
    let text = assert_untouched(&lab, || lab.ok(["prune", "-n", "-o", "json", "--now", LATER]));
    let plan = json(&text);
    assert_eq!(plan["dry_run"], true);
    let first = &plan["expiring"][0];
    assert_eq!(first["segment"], "2026/2026-05-10.tar.zst");
    assert_eq!((&first["events"], &first["class"]), (&Value::from(9), &Value::Null));
    assert_eq!(first["rule"], "retain.keep = \"20d\"");
    assert_eq!(plan["needs_consent"], Value::Null);
    assert_eq!(lab.ok(["prune", "--now", LATER]), run.stdout);
    let report = json(&lab.ok(["prune", "-o", "json", "--now", LATER]));
    let fields: Vec<&String> = report.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        ["differences", "expired", "findings", "held", "left_days", "recovered", "stopped"]
    );
}

#[test]
fn all_or_most_of_it_at_once_is_refused_until_somebody_means_it() {
    let lab = archived();
    rules(&lab, "keep = \"10d\"");
    for (now, reason) in [
        ("2026-06-05", "4 of the 6 archived days would expire at once"),
        ("2026-07-01", "6 of the 6 archived days would expire at once"),
    ] {
        let run = lab.fails(77, ["prune", "--now", now, "--shorten"]);
        let way_out =
            "; look at \"hlarchive prune --dry-run\", and give --yes-really if it is intended";
        let told = sentence(&run);
        assert!(told.ends_with(way_out), "{told}");
        let is_first = told.starts_with(reason) || told.starts_with("5 of the 6");
        assert!(is_first || now == "2026-06-05", "{told}");
        let dry = lab.fails(1, ["prune", "-n", "--now", now, "--shorten"]);
        assert!(dry.stderr.contains("this would need --yes-really"), "{dry:?}");
    }
    assert_eq!(segments(&lab).len(), 12);
    lab.ok(["prune", "--now", "2026-07-01", "--yes-really"]);
    assert_eq!(segments(&lab).len(), 6);
    assert!(segments(&lab).iter().all(|path| path.contains(".incidents.")));
    lab.ok(["verify"]);
}

#[test]
fn a_clock_that_may_have_jumped_is_not_believed() {
    let lab = archived();
    // The real clock is months after the history's last day, or before its newest record.
    let run = lab.run(["prune"]);
    assert!(matches!(run.code, 75 | 77), "{run:?}");
    assert!(run.stderr.contains("the clock says "), "{run:?}");
    assert_eq!(segments(&lab).len(), 12);
}

#[test]
fn a_prune_beside_another_run_is_turned_away() {
    let lab = archived();
    let lock = fs::File::open(lab.archive().join("lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let run = assert_untouched(&lab, || lab.fails(75, ["prune", "--now", LATER]));
    assert!(sentence(&run).contains("another hlarchive is at work"), "{run:?}");
    for words in [&["hold", "add", "2026-05-10", "--reason=x"][..], &["hold", "release", "1"]] {
        assert_untouched(&lab, || lab.fails(75, words));
    }
    flock(&lock, FlockOperation::Unlock).unwrap();
    lab.ok(["prune", "--now", LATER]);
}

#[test]
fn where_there_is_no_archive_there_is_nothing_to_prune() {
    let lab = Lab::new();
    let run = assert_untouched(&lab, || lab.run(["prune"]));
    assert_eq!((run.code, run.stderr.as_str()), (0, "nothing to prune\n"));
}

#[test]
fn what_expired_is_told_by_all_who_could_have_found_it() {
    let lab = archived();
    let show = lab.list_all();
    let path = |day: &str| {
        let line = show
            .iter()
            .find(|line| line.contains(&format!("\"_path\":\"{day}")) && line.contains("\"info\""));
        line.unwrap().split_once("\"_path\":\"").unwrap().1.trim_end_matches("\"}").to_owned()
    };
    let (gone, there) = (path("2026-05-10"), path("2026-05-14"));
    lab.ok(["prune", "--now", LATER]);
    let said = "hlarchive: events of 2 days from 2026-05-10 to 2026-05-11 have expired; they \
                could have held an answer\n";
    let list = |words: &[&str]| lab.run(["list"].iter().chain(words));
    assert_eq!(list(&["--since", "2026-05-01"]).stderr, said);
    assert_eq!(list(&["--since", "2026-05-01", "-q"]).stderr, "");
    assert_eq!(list(&["--since", "2026-05-13"]).stderr, "");
    let none = "searched from 2026-05-01T00:00:00.000000Z on: 0 days live, 0 days archived\n";
    assert_eq!(list(&["--since", "2026-05-01", "--live-only"]).stderr, none);
    let one = "hlarchive: events of 2026-05-11 have expired; they could have held an answer\n";
    assert_eq!(list(&["--date", "2026-05-11"]).stderr, one);

    let trace = lab.fails(1, ["trace", "nobody"]);
    let none = "no event has the correlation id \"nobody\"\nsearched the whole history: ";
    assert!(trace.stderr.starts_with(&format!("{said}{none}")), "{trace:?}");
    let traced = json(&lab.fails(1, ["trace", "nobody", "-o", "json"]).stdout);
    assert_eq!(
        traced["expired"],
        serde_json::json!({
            "days": 2, "segments": 2, "events": 18,
            "first_day": "2026-05-10", "last_day": "2026-05-11",
        })
    );

    let shown = lab.fails(66, ["show", &gone]);
    assert!(
        sentence(&shown).ends_with(
            "no such event, neither live nor archived; but events of 2026-05-10 have expired, \
             and could have held it"
        ),
        "{shown:?}"
    );
    lab.ok(["show", &there]);
    let unknown = lab.fails(66, ["show", "0196d8a2-0000-7000-8000-000000099999"]);
    assert!(unknown.stderr.contains("events of 2 days from "), "{unknown:?}");

    let inspected = lab.run(["inspect", "2026-05-10"]);
    assert!(
        inspected.stderr.contains("2026/2026-05-10.tar.zst with 9 events expired at 2026-06-01")
    );
    let picture = json(&lab.ok(["inspect", "2026-05-10", "-o", "json"]));
    assert_eq!(picture["expired"][0]["rule"], "retain.keep = \"20d\"");

    let verified = json(&lab.ok(["verify", "-o", "json"]));
    assert_eq!(
        (&verified["expired_segments"], &verified["expired_events"]),
        (&2.into(), &18.into())
    );
    let report = lab.ok(["verify"]);
    assert!(report.contains("note: "), "{report}");
    assert!(report.contains("have expired: 2 segments, 18 events"), "{report}");
}

#[test]
fn a_day_that_expired_whole_is_no_unknown_day() {
    let lab = Lab::new();
    policy(&lab, "version = 1\n[retain]\ngrace = \"0d\"\nkeep = \"20d\"\n");
    lab.seed(4, 2);
    lab.rotate();
    lab.ok(["prune", "--now", LATER]);
    for words in [&["inspect", "2026-05-10"][..], &["restore", "2026-05-10", "--to", "out"]] {
        let run = lab.fails(66, words);
        let wanted = "2026-05-10: this day expired, and was removed at 2026-06-01T04:00:00.000000Z";
        assert_eq!(sentence(&run), wanted);
    }
}

#[test]
fn late_arrivals_of_an_expired_day_get_a_number_that_no_segment_ever_had() {
    let lab = archived();
    lab.ok(["prune", "--now", LATER]);
    let late = Event { time: "2026-05-10T05:00:00.000000Z", ..EVENT };
    let path = late.write(&lab);
    lab.ok(["rotate", "--now", LATER]);
    assert!(tree(&lab.root()).is_empty());
    assert!(segments(&lab).contains(&"2026/2026-05-10.1.tar.zst".to_owned()));
    assert!(!segments(&lab).contains(&"2026/2026-05-10.tar.zst".to_owned()));
    assert!(lab.ok(["list", "--date", "2026-05-10", "-o", "path"]).contains(&path));
    lab.ok(["verify"]);
    // Its time is over, too.
    assert!(lab.ok(["prune", "--now", LATER]).starts_with("2026/2026-05-10.1.tar.zst  1 event"));
    let again = Event { number: 1, ..late };
    again.write(&lab);
    lab.ok(["rotate", "--now", LATER]);
    assert!(segments(&lab).contains(&"2026/2026-05-10.2.tar.zst".to_owned()));
}

#[test]
fn what_a_stopped_run_left_is_finished_by_the_next_prune_or_rotate() {
    for finisher in ["prune", "rotate"] {
        let lab = archived();
        let name = "2026/2026-05-10.tar.zst";
        let bytes = fs::read(lab.archive().join(name)).unwrap();
        let other = "2026/2026-05-13.tar.zst.sha256";
        let checksum = fs::read(lab.archive().join(other)).unwrap();
        lab.ok(["prune", "--now", LATER]);
        // Recorded and not yet removed; and the checksum file of one that was not recorded.
        fs::write(lab.archive().join(name), &bytes).unwrap();
        // (Before it goes, the catalogue does.)
        fs::remove_file(lab.archive().join(other)).unwrap();
        fs::remove_file(lab.archive().join("catalogue")).unwrap();
        let before = lab.list_all();
        let run = lab.fails(1, ["verify"]);
        assert!(run.stdout.contains("the manifest records it as gone"), "{run:?}");
        let told = lab.run([finisher, "--now", LATER]);
        assert_eq!(told.code, 0, "{told:?}");
        assert!(
            told.stderr.contains("recorded as gone by an interrupted run; removed"),
            "{told:?}"
        );
        assert!(told.stderr.contains("its checksum file was missing; written again"), "{told:?}");
        assert!(!lab.archive().join(name).exists());
        assert_eq!(fs::read(lab.archive().join(other)).unwrap(), checksum);
        assert_eq!(lab.list_all(), before);
        lab.ok(["verify"]);
    }
}

#[test]
fn the_catalogue_is_made_anew_without_what_went() {
    let lab = archived();
    let sha256 = |record: &Value| {
        let text = record["sha256"].as_str().unwrap();
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..64).step_by(2).map(byte).collect::<Vec<u8>>()
    };
    let has = |record: &Value| {
        let catalogue = fs::read(lab.archive().join("catalogue")).unwrap();
        catalogue.windows(32).any(|bytes| bytes == sha256(record))
    };
    assert!(records(&lab).iter().all(has));
    lab.ok(["prune", "--now", LATER]);
    let (gone, there): (Vec<Value>, Vec<Value>) =
        records(&lab).into_iter().partition(|record| record["op"] == "prune");
    assert_eq!(gone.len(), 2);
    for record in there {
        let is_gone = gone.iter().any(|gone| gone["sha256"] == record["sha256"]);
        assert_eq!(has(&record), !is_gone, "{record}");
    }
    lab.ok(["verify"]);
}
