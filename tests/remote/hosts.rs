//! Several machines with one bucket.

use std::fs;

use crate::common::{NOW, event, without_segment};
use crate::garage::shared;
use crate::proxy::{Fault, Proxy};
use crate::site::Site;

#[test]
fn an_event_that_two_machines_archived_is_one_event() {
    let Some(garage) = shared() else { return };
    let nas = Site::new(garage, "hosts-two", "nas");
    let pi4 = nas.beside("pi4");
    nas.lab.seed(2, 3);
    pi4.lab.seed(1, 3);
    let (own, bytes) = event(13, 1, "pi4", 7);
    pi4.lab.write(&own, bytes);
    let mut expected: Vec<String> = [nas.events(), pi4.events()].concat();
    expected.sort();
    expected.dedup();
    assert_eq!(expected.len(), 19);
    for site in [&nas, &pi4] {
        site.ok(["rotate", "--now", NOW]);
    }
    // Also of what is not on the other machine any more.
    pi4.evicts();
    pi4.ok(["prune", "--now", NOW]);
    for site in [&nas, &pi4] {
        site.ok(["remote", "pull"]);
        let mut events = site.events();
        assert!(events.is_sorted_by_key(|line| line[14..40].to_owned()));
        events.sort();
        assert_eq!(events, expected);
        let shown = site.ok(["show", &own]);
        assert!(shown.contains("\"number\":7"), "{shown}");
        site.ok(["verify"]);
        site.ok(["remote", "verify", "--all-hosts"]);
    }
    let line = nas.ok(["list", "--since", "2026-05-13", "--until", "2026-05-14", "-o", "ndjson"]);
    assert_eq!(line.lines().map(without_segment).count(), 1);
    assert!(line.contains("\"_segment\":\"remote/pi4/2026/2026-05-13.tar.zst\""), "{line}");
    let status = nas.json(["remote", "status", "-o", "json"]);
    let hosts = status["hosts"].as_array().unwrap();
    assert_eq!(hosts.len(), 2, "{status}");
    assert_eq!((&hosts[0]["host"], &hosts[0]["own"]), (&"nas".into(), &true.into()));
    assert_eq!((&hosts[0]["objects"], &hosts[0]["not_copied"]), (&2.into(), &0.into()));
    assert_eq!((&hosts[1]["segments"], &hosts[1]["records_behind"]), (&2.into(), &0.into()));
    // What comes there later is known after the next pull.
    let (late, bytes) = event(14, 1, "pi4", 3);
    pi4.lab.write(&late, bytes);
    pi4.ok(["rotate", "--now", NOW]);
    assert_eq!(nas.events().len(), 19);
    let told = nas.json(["remote", "pull", "-o", "json"]);
    assert_eq!(told["hosts"][0]["new_stubs"], 1, "{told}");
    assert_eq!(nas.events().len(), 20);
}

#[test]
fn what_expired_on_its_machine_is_gone_from_the_mirrors_after_a_pull() {
    let Some(garage) = shared() else { return };
    let nas = Site::new(garage, "hosts-expired", "nas");
    let pi4 = nas.beside("pi4");
    pi4.lab.seed(3, 2);
    pi4.ok(["rotate", "--now", NOW]);
    nas.ok(["remote", "pull"]);
    assert_eq!(nas.events().len(), 18);
    pi4.policy("grace = \"0d\"\nkeep = \"5d\"");
    pi4.ok(["hold", "add", "2026-05-11", "--reason", "x"]);
    pi4.ok(["prune", "--now", NOW, "--shorten", "--yes-really"]);
    // Until then the mirror promises what is not there: that is no silence. What was fetched
    // before would still be at hand.
    fs::remove_dir_all(nas.cache()).unwrap();
    let run = nas.run(["list", "--since", "2000-01-01", "-o", "ndjson"]);
    assert_ne!(run.code, 0, "{run:?}");
    nas.ok(["remote", "pull"]);
    assert_eq!(nas.events().len(), 6);
    nas.ok(["verify"]);
    nas.ok(["remote", "verify", "--all-hosts"]);
}

#[test]
fn a_mirror_that_is_damaged_costs_itself_and_is_made_again() {
    let Some(garage) = shared() else { return };
    let nas = Site::new(garage, "hosts-damaged", "nas");
    let pi4 = nas.beside("pi4");
    nas.lab.seed(1, 2);
    for number in 30..36 {
        let (below, bytes) = event(15, 1, "pi4", number);
        pi4.lab.write(&below, bytes);
    }
    for site in [&nas, &pi4] {
        site.ok(["rotate", "--now", NOW]);
    }
    nas.ok(["remote", "pull"]);
    let expected = nas.events();
    assert_eq!(expected.len(), 12);
    let mirror = nas.lab.archive().join("remote/pi4");
    for file in ["manifest.jsonl", "2026/2026-05-15.tar.zst.stub"] {
        let path = mirror.join(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 2;
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let run = nas.fails(74, ["list", "--since", "2000-01-01", "-o", "ndjson"]);
        assert_eq!(run.stdout.lines().count(), 6, "{run:?}");
        nas.ok(["remote", "pull"]);
        assert_eq!(nas.events(), expected);
    }
    fs::remove_dir_all(&mirror).unwrap();
    nas.ok(["remote", "pull"]);
    assert_eq!(nas.events(), expected);
}

#[test]
fn an_index_that_came_damaged_is_told_of_and_fetched_again() {
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    let mut nas = Site::new(garage, "hosts-tail", "nas");
    let pi4 = nas.beside("pi4");
    pi4.lab.seed(1, 8);
    pi4.ok(["rotate", "--now", NOW]);
    nas.endpoint.clone_from(&proxy.address);
    nas.ok(["remote", "pull"]);
    let requests = proxy.take();
    let tail = requests.iter().rposition(|(_, path)| path.contains(".tar.zst")).unwrap();
    let mirror = nas.lab.archive().join("remote");
    let stub = mirror.join("pi4/2026/2026-05-10.tar.zst.stub");
    let sound = fs::read(&stub).unwrap();
    let expected = nas.events();
    fs::remove_dir_all(mirror).unwrap();
    // There the index is.
    proxy.spoil(tail, Fault::ChangedLate);
    let run = nas.fails(1, ["remote", "pull"]);
    assert!(run.stderr.contains("damaged"), "{run:?}");
    assert!(!stub.exists());
    proxy.take();
    nas.ok(["remote", "pull"]);
    assert_eq!(fs::read(&stub).unwrap(), sound);
    assert_eq!(nas.events(), expected);
}
