use crate::common::{Lab, me, tree};
use crate::support::{EVENT, Event, assert_untouched, json, policy, sentence};

/// When with `keep = "20d"` all of six days are over.
const LATER: &str = "2026-07-01T04:00:00Z";

fn archived() -> Lab {
    let lab = Lab::new();
    policy(&lab, "version = 1\n[retain]\ngrace = \"0d\"\nkeep = \"20d\"\n");
    lab.seed(6, 5);
    lab.rotate();
    lab
}

fn days(lab: &Lab) -> Vec<String> {
    tree(&lab.archive())
        .into_keys()
        .filter(|path| path.ends_with(".tar.zst"))
        .map(|path| path[13..15].to_owned())
        .collect()
}

fn prune(lab: &Lab) {
    lab.ok(["prune", "--now", LATER, "--yes-really", "--shorten"]);
}

#[test]
fn nothing_that_is_held_expires_whatever_the_policy_or_flag() {
    let lab = archived();
    let told = lab.ok(["hold", "add", "2026-05-12", "--reason", "the outage"]);
    let start = format!("hold 7 on 2026-05-12 holds 1 segment: the outage ({}@", me());
    assert!(told.starts_with(&start), "{told}");
    lab.ok(["hold", "add", "2026-05-14..2026-05-15", "--reason", "audit"]);
    let run = lab.run(["prune", "-n", "--now", LATER]);
    assert!(run.stderr.contains("2026/2026-05-12.tar.zst stays: hold 7 keeps it (the outage)"));
    prune(&lab);
    assert_eq!(days(&lab), ["12", "14", "15"]);
    policy(
        &lab,
        "version = 1\n[retain]\ngrace = \"0d\"\nkeep = \"10d\"\nmax_size = \"1MiB\"\nmin_free = \"90%\"\n",
    );
    let run = lab.run(["prune", "--now", LATER, "--yes-really", "--shorten"]);
    assert!(matches!(run.code, 0 | 1), "{run:?}");
    assert_eq!(days(&lab), ["12", "14", "15"]);
    lab.ok(["hold", "release", "7", "--reason", "over"]);
    policy(&lab, "version = 1\n[retain]\ngrace = \"0d\"\nkeep = \"20d\"\n");
    prune(&lab);
    assert_eq!(days(&lab), ["14", "15"]);
    lab.ok(["verify"]);
}

#[test]
fn a_hold_on_an_id_keeps_each_segment_that_has_it_also_later_ones() {
    let lab = archived();
    let report = json(&lab.ok([
        "hold",
        "add",
        "--correlation-id",
        "run-11-0",
        "--reason",
        "audit",
        "-o",
        "json",
    ]));
    assert_eq!(report["holds"][0]["on"], "correlation id run-11-0");
    assert_eq!(report["holds"][0]["segments"], serde_json::json!(["2026/2026-05-11.tar.zst"]));
    let late = Event { time: "2026-05-13T05:00:00.000000Z", correlation: "run-11-0", ..EVENT };
    late.write(&lab);
    lab.ok(["rotate", "--now", LATER]);
    prune(&lab);
    let left: Vec<String> =
        tree(&lab.archive()).into_keys().filter(|path| path.ends_with(".zst")).collect();
    assert_eq!(left, ["2026/2026-05-11.tar.zst", "2026/2026-05-13.1.tar.zst"]);
    assert!(lab.ok(["trace", "run-11-0", "-o", "path"]).lines().count() > 1);
}

#[test]
fn a_segment_that_cannot_be_read_may_have_the_id_and_stays() {
    let lab = archived();
    std::fs::remove_file(lab.archive().join("catalogue")).unwrap();
    lab.ok(["hold", "add", "--correlation-id", "run-11-0", "--reason", "audit"]);
    let path = lab.archive().join("2026/2026-05-13.tar.zst");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "no segment at all").unwrap();
    prune(&lab);
    assert_eq!(days(&lab), ["11", "13"]);
}

#[test]
fn holds_are_listed_with_what_they_keep_and_lifted_by_number() {
    let lab = archived();
    assert_eq!(lab.run(["hold", "list"]).stderr, "nothing is held\n");
    lab.ok(["hold", "add", "2026-05-12", "--reason", "one"]);
    lab.ok(["hold", "add", "2026-05-01..2026-05-11", "--reason", "two"]);
    let text = assert_untouched(&lab, || lab.ok(["hold", "list"]));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("hold 7 on 2026-05-12 holds 1 segment: one ("), "{text}");
    assert!(lines[1].starts_with("hold 8 on 2026-05-01..2026-05-11 holds 2 segments: two ("));
    let list = json(&lab.ok(["hold", "list", "-o", "json"]));
    assert_eq!((&list[0]["id"], &list[1]["reason"]), (&7.into(), &"two".into()));
    let told = lab.ok(["hold", "release", "7"]);
    assert!(told.starts_with("hold 7 on 2026-05-12 held 1 segment: one ("), "{told}");
    for gone in ["7", "1", "99"] {
        let run = lab.fails(66, ["hold", "release", gone]);
        assert!(sentence(&run).starts_with(&format!("hold {gone}: no such hold")));
    }
    assert_eq!(lab.ok(["hold", "list"]).lines().count(), 1);
    let shown = lab.ok(["manifest", "show"]);
    assert!(
        shown.contains(&format!("hold      2026-05-01..2026-05-11  two  ({}@", me())),
        "{shown}"
    );
    assert!(shown.contains(&format!("release   hold 7  ({}@", me())), "{shown}");
    lab.ok(["verify"]);
}

#[test]
fn holding_a_day_that_expired_says_so() {
    let lab = archived();
    lab.ok(["prune", "--now", "2026-06-01T04:00:00Z"]);
    let run = lab.run(["hold", "add", "2026-05-10..2026-05-12", "--reason", "late"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("holds 1 segment: late"), "{run:?}");
    assert_eq!(
        run.stderr,
        "hlarchive: warning: events of 2 days from 2026-05-10 to 2026-05-11 have expired already, \
         and cannot be held\n"
    );
}

#[test]
fn what_is_no_hold_is_refused() {
    let lab = archived();
    for words in [
        &["hold", "add"][..],
        &["hold", "add", "2026-05-10"],
        &["hold", "add", "2026-05-10", "--reason", " "],
        &["hold", "add", "2026-05-12..2026-05-10", "--reason", "x"],
        &["hold", "add", "2026-05-32", "--reason", "x"],
        &["hold", "add", "--correlation-id", "", "--reason", "x"],
    ] {
        assert_untouched(&lab, || lab.fails(2, words));
    }
    let run = lab.fails(66, ["hold", "list", "--archive", "nowhere"]);
    assert!(sentence(&run).starts_with("nowhere: there is no archive here"), "{run:?}");
}

#[test]
fn each_action_is_told_as_an_event_where_the_policy_says_so() {
    let lab = Lab::new();
    policy(&lab, "version = 1\n[retain]\ngrace = \"0d\"\nkeep = \"20d\"\n[audit]\nemit = true\n");
    lab.seed(6, 5);
    let heads = |lab: &Lab| lab.ok(["manifest", "head"]).trim().to_owned();
    let mut expected = Vec::new();
    let mut act = |kind: &str, words: &[&str]| {
        let run = lab.run(words);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(!run.stderr.contains("warning"), "{run:?}");
        expected.push((kind.to_owned(), heads(&lab)));
    };
    let now = "2026-06-01T04:00:00Z";
    act("archive_rotated", &["rotate", "--now", now]);
    act("archive_held", &["hold", "add", "2026-05-10", "--reason", "x"]);
    act("archive_released", &["hold", "release", "7"]);
    act("archive_pruned", &["prune", "--now", "now", "--yes-really"]);
    let late = Event { time: "2026-05-13T05:00:00.000000Z", ..EVENT };
    late.write(&lab);
    act("archive_rotated", &["rotate", "--now", "now", "--date", "2026-05-13"]);
    act("archive_restored", &["restore", "2026-05-13", "--live"]);
    act("archive_rebuilt", &["manifest", "rebuild"]);
    // Nothing done, nothing told.
    lab.ok(["prune", "--now", now]);
    let listed = lab.ok(["list", "--since", "2026-05-20", "--source", "hlarchive", "-o", "json"]);
    let mut told: Vec<(String, String)> = json(&listed)
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (text(&event["type"]), text(&event["payload"]["head"]))
        })
        .collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    // They are known types.
    policy(&lab, "version = 1\n[events]\nunknown_types = \"reject\"\n");
    lab.ok(["emit", "archive_pruned"]);
}

#[test]
fn an_action_that_cannot_be_told_is_done_and_named() {
    let lab = Lab::new();
    policy(&lab, "version = 1\n[retain]\ngrace = \"0d\"\nkeep = \"20d\"\n[audit]\nemit = true\n");
    lab.seed(1, 5);
    // A file where the day's directory would be.
    std::fs::write(lab.root().join("2026-06-01"), "").unwrap();
    let run = lab.fails(1, ["rotate", "--now", "2026-06-01T04:00:00Z"]);
    assert!(run.stderr.contains("archive_rotated: could not emit the audit event"));
    assert_eq!(days(&lab), ["10"]);
    assert_eq!(lab.ok(["manifest", "show"]).lines().count(), 1);
}

#[test]
fn a_rebuilt_manifest_takes_over_holds_promises_and_what_expired() {
    let lab = archived();
    lab.ok(["hold", "add", "2026-05-12", "--reason", "the outage"]);
    lab.ok(["hold", "add", "2026-05-13", "--reason", "another"]);
    lab.ok(["hold", "release", "8"]);
    lab.ok(["prune", "--now", "2026-06-01T04:00:00Z"]);
    // A damaged line costs itself.
    let path = lab.archive().join("manifest.jsonl");
    let text =
        std::fs::read_to_string(&path).unwrap().replacen("\"invalid\":0", "\"invalid\":1", 1);
    std::fs::write(&path, text).unwrap();
    lab.fails(65, ["hold", "list"]);
    lab.ok(["manifest", "rebuild"]);
    lab.ok(["verify"]);
    let text = lab.ok(["hold", "list"]);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains(&format!(" on 2026-05-12 holds 1 segment: the outage ({}@", me())),
        "{text}"
    );
    let records = json(&lab.ok(["manifest", "show", "-o", "json"]));
    let of = |op: &str| {
        let all = records.as_array().unwrap().iter().filter(|record| record["op"] == op);
        all.cloned().collect::<Vec<_>>()
    };
    assert!(of("import").iter().all(|record| record["keep"] == "20d"), "{records}");
    assert_eq!(of("prune").len(), 2);
    assert_eq!(
        of("rebuild")[0]["note"].as_str().unwrap().split(';').next(),
        Some("rebuilt from 4 segments")
    );
    // So the number of what expired is not used again.
    Event { time: "2026-05-10T05:00:00.000000Z", ..EVENT }.write(&lab);
    lab.ok(["rotate", "--now", LATER]);
    assert!(lab.archive().join("2026/2026-05-10.1.tar.zst").exists());
    prune(&lab);
    assert_eq!(days(&lab), ["12"]);
}

#[test]
fn a_day_that_is_still_live_is_held_from_the_moment_it_is_archived() {
    let lab = Lab::new();
    policy(&lab, "version = 1\n[retain]\ngrace = \"0d\"\nkeep = \"20d\"\n");
    lab.seed(6, 5);
    let chain = Event { time: "2026-05-13T05:00:00.000000Z", correlation: "night", ..EVENT };
    chain.write(&lab);
    let run = lab.run(["hold", "add", "2026-05-11", "--reason", "case"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.starts_with("hold 1 on 2026-05-11 holds 1 live day: case ("), "{run:?}");
    assert_eq!(run.stderr, "2026-05-11 is still live; it is held from the moment it is archived\n");
    let run = lab.run(["hold", "add", "2026-05-14..2026-05-20", "--reason", "case"]);
    assert_eq!(
        run.stderr,
        "2 days from 2026-05-14 to 2026-05-15 are still live; each is held from the moment it is \
         archived\n"
    );
    let run =
        lab.run(["hold", "add", "--correlation-id", "night", "--reason", "case", "-o", "json"]);
    assert_eq!(json(&run.stdout)["holds"][0]["live_days"], json("[\"2026-05-13\"]"));
    let run = lab.run(["hold", "add", "2027-01-01", "--reason", "case"]);
    assert!(run.stderr.starts_with("no event of it is here yet; new ones are held"), "{run:?}");
    lab.rotate();
    prune(&lab);
    assert_eq!(days(&lab), ["11", "13", "14", "15"]);
    let told = lab.ok(["hold", "list"]);
    assert!(told.contains("hold 1 on 2026-05-11 holds 1 segment: case"), "{told}");
    lab.ok(["verify"]);
}

#[test]
fn a_hold_on_an_id_that_no_event_has_names_the_one_that_was_likely_meant() {
    let lab = Lab::new();
    lab.ok(["emit", "node_online", "--correlation-id", "deploy-882"]);
    let hold = |id: &str| lab.run(["hold", "add", "--correlation-id", id, "--reason", "x"]).stderr;
    let held = "no event of it is here yet; new ones are held from the moment they are archived";
    assert_eq!(hold("deploy-8882"), format!("{held}; did you mean \"deploy-882\"?\n"));
    assert_eq!(hold("backup-1"), format!("{held}\n"));
}
