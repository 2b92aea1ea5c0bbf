use std::fs;
use std::path::Path;

use crate::common::{Lab, NOW, Tree, tree};
use crate::support::{EVENT, Event, assert_untouched, json, picture, policy};

fn root(lab: &Lab) -> String {
    lab.root().display().to_string()
}

/// Every event of a lab, live and archived, by identity.
fn all(lab: &Lab) -> Vec<String> {
    let mut lines = lab.list_all();
    lines.sort();
    lines
}

#[test]
fn what_the_destination_lacks_arrives_live_and_the_source_stays_as_it_was() {
    let (here, there) = (Lab::new(), Lab::new());
    let wanted = there.seed(3, 4);
    there.rotate_day("2026-05-10");
    let before = picture(&there.path(""));
    let told = here.ok(["sync", &root(&there)]);
    assert_eq!(told, "36 events copied (6.9 KiB); 0 of 1 segment known by content\n");
    assert!(tree(&here.root()) == wanted);
    assert!(picture(&there.path("")) == before, "the source changed");
    let again = assert_untouched(&here, || here.ok(["sync", &root(&there)]));
    assert_eq!(again, "0 events copied (0 B), 36 live already; 0 of 1 segment known by content\n");
    here.ok(["verify"]);
}

#[test]
fn an_event_that_is_archived_on_either_side_does_not_travel_again() {
    let (here, there) = (Lab::new(), Lab::new());
    here.seed(2, 4);
    here.rotate();
    there.seed(2, 4);
    // Archived here, live there.
    let told = here.ok(["sync", &root(&there)]);
    assert_eq!(told, "0 events copied (0 B), 24 archived already\n");
    // Archived on both sides: nothing is read.
    there.rotate();
    let told = assert_untouched(&here, || json(&here.ok(["sync", &root(&there), "-o", "json"])));
    assert_eq!(
        (&told["segments"], &told["segments_known"], &told["events"]),
        (&2.into(), &2.into(), &0.into())
    );
    // Live here, archived there.
    let third = Lab::new();
    third.seed(2, 4);
    assert_eq!(
        third.ok(["sync", &root(&there)]),
        "0 events copied (0 B), 24 live already; 0 of 2 segments known by content\n"
    );
}

#[test]
fn late_arrivals_of_an_archived_day_are_taken_once_and_then_known_by_content() {
    let (here, there) = (Lab::new(), Lab::new());
    here.seed(1, 4);
    here.rotate();
    there.seed(1, 6);
    there.rotate();
    let told = here.ok(["sync", &root(&there)]);
    assert_eq!(
        told,
        "6 events copied (1.1 KiB), 12 archived already; 0 of 1 segment known by content\n"
    );
    let told = assert_untouched(&here, || here.ok(["sync", &root(&there)]));
    assert_eq!(told, "0 events copied (0 B); 1 of 1 segment known by content\n");
    here.rotate();
    assert_eq!(all(&here), all(&there));
    let told = assert_untouched(&here, || here.ok(["sync", &root(&there)]));
    assert_eq!(told, "0 events copied (0 B); 1 of 1 segment known by content\n");
    here.ok(["verify"]);
    let records = json(&here.ok(["manifest", "show", "-o", "json"]));
    let note = records[1]["note"].as_str().unwrap();
    assert_eq!(note, format!("events of 2026/2026-05-10.tar.zst synced from {}", root(&there)));
}

#[test]
fn three_roots_that_sync_round_about_hold_the_same() {
    let labs = [Lab::new(), Lab::new(), Lab::new()];
    for (number, lab) in labs.iter().enumerate() {
        for day in 10..16 {
            for event in 0..4 {
                let number = number as u32;
                let time = format!("2026-05-{day}T0{event}:00:0{number}.000000Z");
                let node = ["nas", "pi4", "pi5"][number as usize];
                Event { time: &time, node, number: day * 100 + event * 10 + number, ..EVENT }
                    .write(lab);
            }
        }
        // Each archives other days.
        for day in 10 + number..12 + number {
            lab.rotate_day(&format!("2026-05-{day}"));
        }
    }
    for _ in 0..2 {
        for number in 0..3 {
            labs[number].ok(["sync", &root(&labs[(number + 1) % 3])]);
        }
        labs[0].rotate();
    }
    assert_eq!(all(&labs[0]).len(), 72);
    for lab in &labs {
        assert_eq!(all(lab), all(&labs[0]));
        lab.rotate();
        lab.ok(["verify"]);
        assert_eq!(all(lab), all(&labs[0]));
    }
}

#[test]
fn of_two_events_with_one_name_both_stay_where_they_are() {
    let (here, there) = (Lab::new(), Lab::new());
    let path = EVENT.write(&here);
    Event { service: "mqtt", ..EVENT }.write(&there);
    Event { number: 1, ..EVENT }.write(&there);
    let (mine, theirs) = (tree(&here.root()), tree(&there.root()));
    for _ in 0..2 {
        let run = here.fails(1, ["sync", &root(&there)]);
        assert!(run.stdout.contains("1 in conflict with another of the same name"), "{run:?}");
        assert!(
            run.stderr.contains(&format!("{path}: another event of this name is live here")),
            "{run:?}"
        );
    }
    assert_eq!(tree(&here.root())[&path], mine[&path]);
    assert!(tree(&there.root()) == theirs);
    // Once it is archived here, there is room for the other.
    here.ok(["rotate", "--now", NOW]);
    here.fails(1, ["sync", &root(&there)]);
    assert_eq!(all(&here).len(), 3);
    here.fails(1, ["rotate", "--now", NOW]);
    here.ok(["sync", &root(&there)]);
    assert_eq!(all(&here).len(), 3);
}

#[test]
fn roots_and_archives_in_other_places_are_named() {
    let (here, there) = (Lab::new(), Lab::new());
    let wanted = there.seed(1, 4);
    there.rotate();
    fs::rename(there.archive(), there.path("attic")).unwrap();
    let attic = there.path("attic").display().to_string();
    let to = here.path("other/events").display().to_string();
    here.ok(["sync", &root(&there), &to, "--src-archive", &attic]);
    assert!(tree(Path::new(&to)) == wanted);
    assert!(tree(&here.root()).is_empty());
    // An archive named for the destination counts; the one of the environment is not its.
    fs::create_dir(here.path("other/away")).unwrap();
    let away = here.path("other/away").display().to_string();
    let second = here.path("second/events").display().to_string();
    here.ok(["sync", &to, &second, "--archive", &away]);
    assert!(tree(Path::new(&away)).contains_key("manifest.jsonl"));
    assert!(!here.archive().exists());
}

#[test]
fn a_dry_run_tells_the_same_and_writes_nothing() {
    let (here, there) = (Lab::new(), Lab::new());
    there.seed(2, 4);
    there.rotate_day("2026-05-10");
    here.seed(1, 2);
    let planned =
        assert_untouched(&here, || json(&here.ok(["sync", &root(&there), "-n", "-o", "json"])));
    let done = json(&here.ok(["sync", &root(&there), "-o", "json"]));
    for field in ["events", "copied", "copied_bytes", "already_live", "segments", "segments_read"] {
        assert_eq!(planned[field], done[field], "{field}");
    }
    assert_eq!((&done["copied"], &done["already_live"]), (&18.into(), &6.into()));
}

#[test]
fn what_is_no_event_or_damaged_is_named_and_the_rest_is_taken() {
    let (here, there) = (Lab::new(), Lab::new());
    // One event is the day's only frame.
    let (below, bytes) = crate::common::event(10, 0, "nas", 0);
    there.write(&below, bytes);
    there.rotate_day("2026-05-10");
    let wanted: Tree = (0..40).map(|number| crate::common::event(11, 0, "nas", number)).collect();
    for (below, bytes) in &wanted {
        there.write(below, bytes);
    }
    there.write("2026-05-11/nas/odd.json", "{");
    let segment = there.archive().join("2026/2026-05-10.tar.zst");
    let mut bytes = fs::read(&segment).unwrap();
    fs::set_permissions(&segment, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    bytes[40] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let run = here.fails(1, ["sync", &root(&there)]);
    for named in [
        "2026-05-11/nas/odd.json: not an event",
        "2026/2026-05-10.tar.zst: its bytes differ",
        "frame 0",
    ] {
        assert!(run.stderr.contains(named), "{named}: {run:?}");
    }
    assert!(tree(&here.root()) == wanted);
}

#[test]
fn nothing_happens_without_a_source_or_with_two_remote_ends() {
    let lab = Lab::new();
    lab.seed(1, 1);
    assert_untouched(&lab, || {
        let run = lab.fails(66, ["sync", "/no/such/events"]);
        assert!(run.stderr.contains("neither an event tree here nor an archive"), "{run:?}");
        lab.fails(2, ["sync", &root(&lab)]);
        lab.fails(2, ["sync", "pi4:/events", "pi5:/events"]);
        lab.fails(2, ["sync", "-oProxyCommand=touch${IFS}x:/events"]);
        lab.fails(2, ["sync", "--", "-oProxyCommand=x:/events"]);
    });
}

#[test]
fn while_another_run_holds_the_archive_events_arrive_and_only_the_record_waits() {
    let (here, there) = (Lab::new(), Lab::new());
    here.seed(1, 1);
    here.rotate();
    there.seed(2, 4);
    there.rotate_day("2026-05-10");
    let lock = fs::File::open(here.archive().join("lock")).unwrap();
    lock.lock().unwrap();
    let run = here.run(["sync", &root(&there)]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("the manifest does not record this sync"), "{run:?}");
    assert_eq!(all(&here), all(&there));
    lock.unlock().unwrap();
    here.ok(["sync", &root(&there)]);
    assert!(here.ok(["sync", &root(&there)]).ends_with("1 of 1 segment known by content\n"));
}

/// A hub that keeps thirty days, and a node that keeps all: what the node makes of its segments
/// brings nothing back.
#[test]
fn what_expired_here_stays_away_in_whatever_company_it_comes() {
    let (hub, node) = (Lab::new(), Lab::new());
    let rules = "version = 1\n[retain]\nkeep = \"30d\"\ngrace = \"0d\"\n[[retain.class]]\n\
                 name = \"incidents\"\nmatch = { service = [\"vault\"] }\nkeep = \"9y\"\n";
    policy(&hub, rules);
    node.seed(2, 4);
    node.rotate();
    hub.ok(["sync", &root(&node)]);
    hub.rotate();
    hub.ok(["prune", "--yes-really", "--now", "2026-07-01T04:00:00Z"]);
    assert!(hub.list_all().is_empty());
    let time = "2026-05-10T20:00:00.000000Z";
    let late = Event { time, node: "nas", ..EVENT };
    // Of another node, and of another class, nothing expired.
    let other_node = Event { time, node: "new", ..EVENT };
    let other_class = Event { time, node: "nas", service: "vault", number: 1, ..EVENT };
    let paths = [late, other_node, other_class].map(|event| event.write(&node));
    let told = hub.ok(["sync", &root(&node)]);
    assert_eq!(
        told,
        "2 events copied (334 B), 1 skipped as expired; 2 of 2 segments known by content; 1 of \
         the new ones is older than the policy keeps them\n"
    );
    node.rotate();
    let dry =
        json(&assert_untouched(&hub, || hub.ok(["sync", &root(&node), "--dry-run", "-o", "json"])));
    assert_eq!((&dry["copied"], &dry["expired"]), (&0.into(), &1.into()));
    node.ok(["compact"]);
    for _ in 0..2 {
        hub.ok(["sync", &root(&node)]);
        hub.rotate();
    }
    let there = hub.ok(["list", "--since=2026-05-01", "-opath"]);
    assert_eq!(there, format!("{}\n{}\n", paths[2], paths[1]));
    let segments = tree(&hub.archive()).into_keys().filter(|path| path.ends_with(".zst"));
    assert_eq!(segments.count(), 2);
    // Who wants it back says so.
    let run = hub.run(["sync", &root(&node), "--expired"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.starts_with("25 events copied"), "{run:?}");
    assert_eq!(all(&hub).len(), all(&node).len());
}
