//! The bucket cannot be reached: what is here is told, and what is missing is named.

use crate::common::{NOW, Run};
use crate::garage::{free_port, shared};
use crate::site::Site;

/// Two days that lie elsewhere, one archived here and not copied yet, and nobody who answers.
fn cut_off(prefix: &str) -> Option<Site> {
    let garage = shared()?;
    let mut site = Site::new(garage, prefix, "nas");
    "timeout = \"1s\"\n".clone_into(&mut site.rules);
    site.lab.seed(2, 4);
    site.evicts();
    site.ok(["rotate", "--now", NOW]);
    site.ok(["prune", "--now", NOW]);
    assert!(site.segments().is_empty());
    for number in 0..4 {
        let (below, bytes) = crate::common::event(12, 0, "nas", number);
        // All in one chain with those of the days before.
        let text = String::from_utf8(bytes).unwrap();
        site.lab.write(&below, text.replace("run-12-", "run-11-"));
    }
    site.rotate_alone();
    site.endpoint = format!("127.0.0.1:{}", free_port());
    Some(site)
}

#[track_caller]
fn names_what_is_missing(run: &Run, days: &str) {
    let told = run.stderr.lines().filter(|line| line.contains("could not be reached")).count();
    assert_eq!(told, 1, "{run:?}");
    assert!(run.stderr.contains(days), "{run:?}");
}

#[test]
fn lists_and_chains_end_with_75_and_the_days_that_are_missing() {
    let Some(site) = cut_off("offline-list") else { return };
    let run = site.fails(75, ["list", "--since", "2000-01-01", "-o", "ndjson"]);
    assert_eq!(run.stdout.lines().count(), 4);
    names_what_is_missing(&run, "2026-05-10 to 2026-05-11");
    let run = site.fails(75, ["trace", "run-11-0"]);
    assert!(run.stdout.contains("as far as it could be read"), "{run:?}");
    names_what_is_missing(&run, "2026-05-11");
    let run = site.fails(75, ["trace", "run-11-0", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(told["steps"].as_array().unwrap().len(), 4, "{told}");
    assert_eq!(told["unreached"]["days"], serde_json::json!(["2026-05-11"]), "{told}");
    names_what_is_missing(&run, "2026-05-11");
    // Nothing of it is here at all.
    let run = site.fails(75, ["trace", "run-10-0", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(told["unreached"]["days"], serde_json::json!(["2026-05-10"]), "{told}");
    // Nobody could tell anything of this one.
    site.fails(1, ["trace", "run-77-0"]);
}

#[test]
fn attempts_show_and_restore_say_that_they_could_not_look() {
    let Some(site) = cut_off("offline-rest") else { return };
    // A service recovered on this day, which may be the end of an attempt.
    names_what_is_missing(&site.fails(75, ["attempts", "--since", "2026-05-11"]), "2026-05-11");
    // No day elsewhere has this one, and their indexes are here to say so.
    site.fails(1, ["attempts", "--since", "2026-05-01", "--node", "pi9"]);
    let (elsewhere, _) = crate::common::event(10, 0, "nas", 0);
    let run = site.fails(75, ["show", &elsewhere]);
    assert_eq!(run.stdout, "");
    let (here, _) = crate::common::event(12, 0, "nas", 0);
    site.ok(["show", &here]);
    let target = site.lab.path("restored");
    let run = site.run(["restore", "2026-05-10", "--to", target.to_str().unwrap()]);
    assert_eq!(run.code, 75, "{run:?}");
    site.ok(["restore", "2026-05-12", "--to", target.to_str().unwrap()]);
    // What is known without asking is told: nodes are offline.
    site.fails(1, ["status", "--now", NOW]);
    site.ok(["verify"]);
    site.ok(["inspect", "2026-05-10"]);
    let run = site.fails(75, ["remote", "status"]);
    assert!(run.stdout.contains("nas (this machine)  not asked"), "{run:?}");
    for words in [["remote", "push"], ["remote", "pull"], ["remote", "verify"]] {
        site.fails(75, words);
    }
}

#[test]
fn attempts_that_lie_elsewhere_are_missed_aloud() {
    let Some(garage) = shared() else { return };
    let mut site = Site::new(garage, "offline-attempts", "nas");
    "timeout = \"1s\"\n".clone_into(&mut site.rules);
    for (day, id) in [(10, 1), (11, 2)] {
        let text = format!(
            "{{\"timestamp\":\"2026-05-{day}T01:00:00Z\",\"node\":\"nas\",\"type\":\
             \"remediation_started\",\"severity\":\"info\",\"source\":\"x\",\"service\":\"all\",\
             \"correlation_id\":\"fix-{day}\",\"payload\":{{}}}}\n"
        );
        let name = format!(
            "202605{day}T010000Z_remediation_started_0196d8a2-0000-7000-8000-00000000000{id}.json"
        );
        site.lab.write(&format!("2026-05-{day}/nas/{name}"), text);
        if day == 10 {
            site.evicts();
            site.ok(["rotate", "--now", NOW]);
            site.ok(["prune", "--now", NOW]);
        }
    }
    site.endpoint = format!("127.0.0.1:{}", free_port());
    let run = site.fails(75, ["attempts", "--since", "2026-05-01", "-o", "json"]);
    names_what_is_missing(&run, "2026-05-10");
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(told["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(told["unreached"]["days"], serde_json::json!(["2026-05-10"]), "{told}");
}

#[test]
fn a_rotation_without_the_bucket_is_done_and_says_what_is_not() {
    let Some(garage) = shared() else { return };
    let mut site = Site::new(garage, "offline-rotate", "nas");
    "timeout = \"1s\"\n".clone_into(&mut site.rules);
    site.policy("");
    site.lab.seed(2, 2);
    let expected = site.events();
    let endpoint = std::mem::replace(&mut site.endpoint, format!("127.0.0.1:{}", free_port()));
    let run = site.fails(75, ["rotate", "--now", NOW]);
    assert!(run.stderr.contains("the archive here is as it should be"), "{run:?}");
    assert_eq!(site.segments().len(), 2);
    site.ok(["verify"]);
    site.endpoint = endpoint;
    site.ok(["rotate", "--now", NOW]);
    assert_eq!(site.records("upload"), 2);
    site.is_sound(&expected);
}
