use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::common::{Lab, NOW, Tree, me, tree};
use crate::support::{EVENT, Event, assert_untouched, json, sentence};

/// Three archived days, nothing live; and the tree as it was.
fn lab() -> (Lab, Tree) {
    let lab = Lab::new();
    let before = lab.seed(3, 4);
    lab.rotate();
    (lab, before)
}

fn only(tree: &Tree, keep: impl Fn(&str) -> bool) -> Tree {
    tree.iter().filter(|(path, _)| keep(path)).map(|(a, b)| (a.clone(), b.clone())).collect()
}

#[test]
fn a_day_comes_back_byte_for_byte_with_its_times() {
    let (lab, before) = lab();
    let run = lab.run(["restore", "2026-05-11", "--to", "out"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(run.stdout, "2026-05-11  12 events (2.3 KiB) into out\n");
    let out = tree(&lab.path("out"));
    assert!(out == only(&before, |path| path.starts_with("2026-05-11/")) && out.len() == 12);
    for (path, bytes) in &out {
        let metadata = fs::metadata(lab.path("out").join(path)).unwrap();
        let time: hlarchive::Timestamp = json(std::str::from_utf8(bytes).unwrap())["timestamp"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(metadata.mtime(), time.micros().div_euclid(1_000_000), "{path}");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o444, "{path}");
    }
    assert!(tree(&lab.root()).is_empty(), "nothing went into the live tree");
    assert_eq!(lab.ok(["manifest", "show"]).lines().count(), 3, "and nothing into the manifest");
}

#[test]
fn several_days_and_late_segments_come_back_together() {
    let (lab, mut before) = lab();
    let late = Event { time: "2026-05-10T09:00:00.000000Z", ..EVENT };
    before.insert(late.write(&lab), (late.line() + "\n").into_bytes());
    lab.rotate();
    let report =
        json(&lab.ok(["restore", "2026-05-12", "2026-05-10", "2026-05-10", "--to=out", "-ojson"]));
    let wanted = only(&before, |path| !path.starts_with("2026-05-11/"));
    assert!(tree(&lab.path("out")) == wanted && wanted.len() == 25);
    let day = |date: &str| {
        wanted
            .iter()
            .filter(|(path, _)| path.starts_with(date))
            .map(|(_, bytes)| bytes.len())
            .sum::<usize>()
    };
    assert_eq!(
        report,
        serde_json::json!({
            "target": "out",
            "days": [
                { "date": "2026-05-10", "segments": ["2026/2026-05-10.tar.zst", "2026/2026-05-10.1.tar.zst"],
                  "events": 13, "event_bytes": day("2026-05-10"), "restored": 13, "already_there": 0 },
                { "date": "2026-05-12", "segments": ["2026/2026-05-12.tar.zst"],
                  "events": 12, "event_bytes": day("2026-05-12"), "restored": 12, "already_there": 0 },
            ],
            "expired": null, "recovered": [], "findings": [], "stopped": false, "left_days": [],
        })
    );
}

#[test]
fn filters_choose_what_comes_back() {
    let (lab, before) = lab();
    let listed = |flags: &[&str]| -> Vec<String> {
        let text = lab.ok(["list", "--since=2000-01-01", "-opath"].iter().chain(flags));
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    for (number, flags) in [
        &["--node=nas"][..],
        &["--min-severity=error"],
        &["--type=node_offline", "--type=deployment_failed", "--node=pi4"],
        &["--correlation-id=run-11-0"],
        &["--since=2026-05-11T03:00:00Z", "--until=2026-05-12T08:00:00Z"],
        &["--service=grafana"],
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out{number}");
        lab.ok(["restore", "--to", &out].iter().chain(flags));
        let got = tree(&lab.path(&out));
        // `list` has --since of its own above; the last one given counts for neither.
        let wanted = if flags[0].starts_with("--since") {
            let text = lab.ok(["list", "-opath"].iter().chain(flags));
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        } else {
            listed(flags)
        };
        assert!(!wanted.is_empty() && wanted.len() < 36, "{flags:?}");
        assert_eq!(got.keys().cloned().collect::<Vec<_>>(), wanted, "{flags:?}");
        assert!(got == only(&before, |path| got.contains_key(path)));
    }
    let run = lab.fails(1, ["restore", "--node=nobody", "--to=none"]);
    let told = "no event matches\nno event has node \"nobody\"\nsearched the whole history: ";
    assert!(run.stdout.is_empty() && run.stderr.starts_with(told), "{run:?}");
}

#[test]
fn a_dry_run_says_what_would_come_and_writes_nothing() {
    let (lab, _) = lab();
    for target in [&["--to=out"][..], &["--live"], &[]] {
        let arguments = ["restore", "2026-05-11", "--dry-run"];
        let run = assert_untouched(&lab, || lab.run(arguments.iter().chain(target)));
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.stdout, "2026-05-11  12 events (2.3 KiB) from 2026/2026-05-11.tar.zst\n");
        assert_eq!(run.stderr, "a dry run: nothing was written\n");
    }
}

#[test]
fn what_exists_is_never_overwritten() {
    let (lab, before) = lab();
    lab.ok(["restore", "2026-05-11", "--to=out"]);
    let again = lab.ok(["restore", "2026-05-11", "--to=out"]);
    assert_eq!(again, "2026-05-11  12 events (2.3 KiB) into out; 12 of them were there already\n");
    // Another file in the place of one, a folder in the place of a second, one missing.
    let day = only(&before, |path| path.starts_with("2026-05-11/"));
    let paths: Vec<&String> = day.keys().collect();
    let at = |number: usize| lab.path("out").join(paths[number]);
    fs::remove_file(at(0)).unwrap();
    fs::write(at(0), "mine").unwrap();
    fs::remove_file(at(1)).unwrap();
    fs::create_dir(at(1)).unwrap();
    fs::remove_file(at(2)).unwrap();
    fs::remove_file(at(3)).unwrap();
    std::os::unix::fs::symlink(lab.path("policy.toml"), at(3)).unwrap();
    let run = lab.fails(1, ["restore", "2026-05-11", "--to=out"]);
    assert_eq!(run.stdout, again.replace("12 of them were", "8 of them were"));
    let mut told: Vec<&str> = run.stderr.lines().collect();
    told.sort_unstable();
    let wanted: Vec<String> = [0, 1, 3]
        .iter()
        .map(|number| {
            format!(
                "hlarchive: warning: out/{}: something else is here already and was left as it \
                 is; restore into another directory to have both",
                paths[*number]
            )
        })
        .collect();
    assert_eq!(told, wanted);
    assert_eq!(fs::read(at(0)).unwrap(), b"mine");
    assert!(at(1).is_dir() && at(3).is_symlink());
    assert_eq!(fs::read(at(2)).unwrap(), day[paths[2]]);
}

#[test]
fn a_day_goes_back_into_the_live_tree_and_away_again() {
    let (lab, before) = lab();
    let listed = lab.list_all();
    let run = lab.run(["restore", "2026-05-11", "--live"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        run.stdout,
        format!("2026-05-11  12 events (2.3 KiB) into {}\n", lab.root().display())
    );
    assert_eq!(
        run.stderr,
        "the next rotate of these days recognises the files as archived and removes them\n"
    );
    assert!(tree(&lab.root()) == only(&before, |path| path.starts_with("2026-05-11/")));
    assert_eq!(lab.list_all(), listed, "each event is still given once");
    let records: Vec<_> = lab.ok(["manifest", "show", "-ondjson"]).lines().map(json).collect();
    let last = records.last().unwrap();
    assert_eq!(
        (&last["op"], &last["date"], &last["events"], &last["by"]["user"]),
        (&"restore".into(), &"2026-05-11".into(), &12.into(), &me().into())
    );
    assert!(lab.ok(["verify"]).starts_with("checked "));
    lab.rotate();
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(lab.list_all(), listed);
}

#[test]
fn a_day_that_is_not_there_is_exit_code_66_and_nothing_is_made() {
    let (lab, _) = lab();
    for flags in [&["--to=out"][..], &["--live"], &["--to=out", "-n"]] {
        let arguments = ["restore", "2026-05-11", "2026-01-01"];
        let run = assert_untouched(&lab, || lab.fails(66, arguments.iter().chain(flags)));
        let live = if flags[0] == "--live" { "" } else { "it is not live, and " };
        assert_eq!(
            sentence(&run),
            format!(
                "2026-01-01: {live}the archive has no segment of this day; \"hlarchive manifest \
                 show\" names those it has"
            )
        );
    }
    let run = lab.fails(66, ["restore", "2026-05-11", "--to=out", "--archive=nowhere"]);
    assert_eq!(
        sentence(&run),
        "nowhere: there is no archive here; name it with --archive or HLARCHIVE_ARCHIVE"
    );
    assert!(!lab.path("out").exists());
}

#[test]
fn a_damaged_frame_costs_only_its_own_events() {
    let lab = Lab::new();
    crate::support::policy(&lab, "version = 1\n[rotate]\nframe_size = \"4KiB\"\n");
    let before = lab.seed(1, 60);
    lab.rotate();
    let path = lab.archive().join("2026/2026-05-10.tar.zst");
    let frames =
        json(&lab.ok(["inspect", "2026-05-10", "-ojson"]))["segments"][0]["frames"].as_u64();
    assert!(frames.unwrap() > 10);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let run = lab.fails(1, ["restore", "2026-05-10", "--to=out"]);
    let told: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(
        told[0],
        "hlarchive: warning: 2026/2026-05-10.tar.zst: its bytes differ from the manifest's \
         record; what can still be read is restored"
    );
    assert_eq!(told.len(), 2, "{run:?}");
    let out = tree(&lab.path("out"));
    let lost = before.len() - out.len();
    assert!(lost > 0 && lost < before.len() / 5, "{lost} of {} lost", before.len());
    assert!(out == only(&before, |path| out.contains_key(path)));
    // list gives the same events, and says the same.
    let run = lab.fails(74, ["list", "--since=2000-01-01", "-opath"]);
    let mut listed: Vec<&str> = run.stdout.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, out.keys().collect::<Vec<_>>());
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    // The live tree is restored from it as far as possible, too, and rotate then keeps it.
    lab.fails(1, ["restore", "2026-05-10", "--live"]);
    assert!(tree(&lab.root()) == out);
}

#[test]
fn invalid_files_come_back_with_their_day_but_meet_no_filter() {
    let lab = Lab::new();
    EVENT.write(&lab);
    lab.write("2026-05-16/pi4/broken.json", b"\0\xff");
    let before = tree(&lab.root());
    lab.fails(1, ["rotate", "--now", NOW]);
    lab.ok(["restore", "2026-05-16", "--to=all"]);
    assert!(tree(&lab.path("all")) == before);
    lab.ok(["restore", "2026-05-16", "--min-severity=info", "--to=some"]);
    assert_eq!(tree(&lab.path("some")).into_keys().collect::<Vec<_>>(), [EVENT.path()]);
}

#[test]
fn the_live_tree_is_no_directory_to_restore_to() {
    let (lab, _) = lab();
    let link = lab.path("link");
    std::os::unix::fs::symlink(lab.root(), &link).unwrap();
    for to in ["events", "./events/", "link", "events/../events"] {
        let run = assert_untouched(&lab, || lab.fails(2, ["restore", "2026-05-11", "--to", to]));
        assert_eq!(
            sentence(&run),
            format!("{to}: this is the live tree; restore into it with --live")
        );
    }
    let run = lab.fails(2, ["restore", "2026-05-11", "--to=out", "--live"]);
    assert!(run.stderr.contains("cannot be used with"), "{run:?}");
}

#[test]
fn a_day_that_is_still_live_is_given_as_one_that_is_archived() {
    let (lab, _) = lab();
    let live = Event { time: "2026-05-30T10:00:00.000000Z", ..EVENT };
    let path = live.write(&lab);
    lab.write("2026-05-30/pi4/broken.json", b"\0\xff");
    let plan = assert_untouched(&lab, || lab.ok(["restore", "2026-05-30", "-n"]));
    assert!(plan.starts_with("2026-05-30  2 events ("), "{plan}");
    let told = lab.ok(["restore", "2026-05-30", "--to=out"]);
    assert!(told.ends_with(" into out; 2 of them are still live\n"), "{told}");
    assert!(
        tree(&lab.path("out")) == only(&tree(&lab.root()), |path| path.starts_with("2026-05-30/"))
    );
    let metadata = fs::metadata(lab.path("out").join(&path)).unwrap();
    assert_eq!(metadata.mtime(), fs::metadata(lab.root().join(&path)).unwrap().mtime());
    // Again, it is there already; and back into the live tree it does not go.
    let told = lab.ok(["restore", "2026-05-30", "--to=out"]);
    assert!(told.contains("; 2 of them were there already"), "{told}");
    let run = lab.fails(66, ["restore", "2026-05-30", "--live"]);
    assert!(sentence(&run).starts_with("2026-05-30: the archive has no segment of this day"));
}

#[test]
fn a_chain_that_is_half_archived_comes_whole_and_each_event_once() {
    let (lab, _) = lab();
    let mut wanted = Tree::new();
    for (number, time) in
        ["2026-05-12T23:00:00.000000Z", "2026-05-13T01:00:00.000000Z"].iter().enumerate()
    {
        let event = Event { time, number: number as u32, correlation: "night", ..EVENT };
        wanted.insert(event.write(&lab), (event.line() + "\n").into_bytes());
    }
    lab.rotate_day("2026-05-12");
    // Both live and archived, as between a rotation's record and its removing; and copied.
    lab.ok(["restore", "--correlation-id=night", "--live"]);
    let first = wanted.keys().next().unwrap().clone();
    lab.write(&first.replace(".json", " (1).json"), &wanted[&first]);
    let report = json(&lab.ok(["restore", "--correlation-id=night", "--to=out", "-ojson"]));
    assert!(tree(&lab.path("out")) == wanted);
    assert_eq!(
        (&report["days"][0]["events"], &report["days"][1]["events"]),
        (&1.into(), &1.into())
    );
    assert!(report["days"][0]["live"].is_null(), "{report}");
    assert_eq!(report["days"][1]["live"], 1);
    let report = json(&lab.ok(["restore", "2026-05-12", "--to=day", "-ojson"]));
    assert_eq!((&report["days"][0]["events"], &report["findings"]), (&13.into(), &json("[]")));
    assert_eq!(tree(&lab.path("day")).len(), 13);
}

#[test]
fn a_live_event_cannot_take_the_place_of_an_archived_one_of_its_name() {
    let (lab, before) = lab();
    let path = before.keys().next().unwrap();
    lab.write(path, "forged");
    let run = lab.fails(1, ["restore", "2026-05-10", "--to=out"]);
    assert!(run.stderr.contains("another event of this name is archived"), "{run:?}");
    assert!(tree(&lab.path("out"))[path] == before[path]);
}

#[test]
fn without_an_archive_live_days_are_given_and_with_one_that_is_away_what_is_live() {
    let lab = Lab::new();
    let before = lab.seed(2, 2);
    lab.ok(["restore", "2026-05-10", "2026-05-11", "--to=out"]);
    assert!(tree(&lab.path("out")) == before);
    lab.rotate_day("2026-05-10");
    fs::rename(lab.archive(), lab.path("disk")).unwrap();
    let run = lab.fails(75, ["restore", "2026-05-11", "--to=away"]);
    assert!(run.stderr.contains("is its disk mounted?"), "{run:?}");
    assert_eq!(tree(&lab.path("away")).len(), 6);
    lab.fails(75, ["restore", "2026-05-10", "--to=nothing"]);
    assert!(!lab.path("nothing").exists());
}

#[test]
fn a_misspelt_value_that_restores_nothing_is_named_with_what_was_likely_meant() {
    let lab = Lab::new();
    let time = ["--timestamp", "2026-05-10T10:00:00Z"];
    lab.ok([&["emit", "node_online", "--service", "mosquitto"][..], &time].concat());
    lab.rotate();
    let told = "no event has service \"mosquito\"; did you mean \"mosquitto\"?";
    for target in [&["--to", "out"][..], &["--live"], &["--to", "out", "--dry-run"]] {
        let words = [&["restore", "--service", "mosquito"][..], target].concat();
        assert!(lab.fails(1, &words).stderr.contains(told), "{target:?}");
        let run = lab.fails(1, [&words[..], &["-o", "json"]].concat());
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(report["searched"]["unknown"][0]["did_you_mean"], "mosquitto", "{target:?}");
    }
    let run = lab.ok(["restore", "--service", "mosquitto", "--to", "out", "-o", "json"]);
    assert!(!run.contains("searched"));
}
