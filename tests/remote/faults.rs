//! Each fault at each request of each command: a run without faults then finds everything,
//! and every event is there exactly once.

use crate::common::{NOW, event};
use crate::garage::shared;
use crate::proxy::{FAULTS, Fault, Proxy};
use crate::site::Site;

/// A command, and the state that it meets.
struct Scene {
    name: &'static str,
    words: &'static [&'static str],
    /// Makes the state, without faults. Other machines with it are kept.
    prepare: fn(&Site) -> Vec<Site>,
    /// What the run may end with beside 0; 75 it may always.
    codes: &'static [i32],
}

fn rotated(site: &Site) -> Vec<Site> {
    site.lab.seed(2, 2);
    site.rotate_alone();
    Vec::new()
}

fn copied(site: &Site) -> Vec<Site> {
    rotated(site);
    site.ok(["remote", "push"]);
    site.evicts();
    Vec::new()
}

fn evicted(site: &Site) -> Vec<Site> {
    copied(site);
    site.ok(["prune", "--now", NOW]);
    assert!(site.segments().is_empty());
    Vec::new()
}

fn beside(site: &Site) -> Vec<Site> {
    let other = site.beside("pi4");
    for number in 0..3 {
        let (below, bytes) = event(15, 1, "pi4", number);
        other.lab.write(&below, bytes);
    }
    other.ok(["rotate", "--now", NOW]);
    vec![other]
}

fn lost(site: &Site) -> Vec<Site> {
    copied(site);
    site.ok(["hold", "add", "2026-05-10", "--reason", "x"]);
    site.ok(["prune", "--now", NOW]);
    site.lose();
    Vec::new()
}

/// Spoils the requests of a command one after the other.
fn each_request(scene: &Scene) {
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    for fault in FAULTS {
        for at in 0.. {
            let what = format!("{} with {fault:?} at request {at}", scene.name);
            let prefix = format!("faults-{}-{fault:?}-{at}", scene.name);
            let mut site = Site::new(garage, &prefix, "nas");
            "timeout = \"1s\"\n".clone_into(&mut site.rules);
            site.policy("");
            let others = (scene.prepare)(&site);
            let expected = expected(&site, scene);
            site.endpoint.clone_from(&proxy.address);
            proxy.spoil(at, fault);
            let run = site.run(scene.words);
            let asked = proxy.take().len();
            let last = asked <= at;
            let may = run.code == 0 || !last && (run.code == 75 || scene.codes.contains(&run.code));
            assert!(may, "{what}: {run:?}");
            assert!(run.code == 0 || !run.stderr.is_empty(), "{what}: {run:?}");
            let again = site.run(scene.words);
            // An archive that is there again is left alone.
            let is_back = scene.name == "rebuild" && run.code == 0;
            assert_eq!(again.code, if is_back { 75 } else { 0 }, "{what}, and again: {again:?}");
            if scene.name != "trace" {
                site.ok(["remote", "push"]);
            }
            for words in [&["verify"][..], &["remote", "verify", "--all-hosts"]] {
                let run = site.run(words);
                assert_eq!(run.code, 0, "{what}: {run:?}");
            }
            let events = site.events();
            assert_eq!(events.len(), expected, "{what}");
            assert!(events.windows(2).all(|pair| pair[0] != pair[1]), "{what}");
            drop(others);
            if last {
                break;
            }
        }
    }
}

fn expected(site: &Site, scene: &Scene) -> usize {
    match scene.name {
        "pull" => site.events().len() + 3,
        _ => 12,
    }
}

#[test]
fn at_each_request_of_a_push() {
    each_request(&Scene {
        name: "push",
        words: &["remote", "push"],
        prepare: rotated,
        codes: &[1, 65, 74, 77],
    });
}

#[test]
fn at_each_request_of_a_prune_that_evicts() {
    each_request(&Scene {
        name: "prune",
        words: &["prune", "--now", NOW],
        prepare: copied,
        codes: &[1, 65, 74, 77],
    });
}

#[test]
fn at_each_request_of_a_pull() {
    each_request(&Scene {
        name: "pull",
        words: &["remote", "pull"],
        prepare: beside,
        codes: &[1, 65, 74],
    });
}

#[test]
fn at_each_request_of_a_rebuild() {
    each_request(&Scene {
        name: "rebuild",
        words: &["remote", "rebuild"],
        prepare: lost,
        codes: &[1, 65, 66, 74],
    });
}

#[test]
fn at_each_request_of_a_trace() {
    each_request(&Scene {
        name: "trace",
        words: &["trace", "run-10-0"],
        prepare: evicted,
        codes: &[74],
    });
}

#[test]
fn a_frame_that_came_damaged_is_not_kept() {
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    let mut site = Site::new(garage, "faults-kept", "nas");
    evicted(&site);
    site.endpoint.clone_from(&proxy.address);
    proxy.spoil(0, Fault::Changed);
    let told = site.run(["trace", "run-10-0", "-o", "json"]);
    assert!(told.code == 0 || told.code == 74, "{told:?}");
    proxy.take();
    let told = site.json(["trace", "run-10-0", "-o", "json"]);
    assert_eq!(told["events"], 6, "{told}");
}
