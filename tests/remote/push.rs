//! What a push sends, in which order, and what it leaves alone.

use std::collections::BTreeSet;

use crate::common::NOW;
use crate::garage::shared;
use crate::proxy::{Fault, Proxy};
use crate::site::Site;

/// The path of a request without its query.
fn plain(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

#[test]
fn a_rotation_sends_each_segment_reads_it_back_and_then_records_it() {
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    let mut site = Site::new(garage, "push-order", "nas");
    site.endpoint.clone_from(&proxy.address);
    site.lab.seed(2, 4);
    let expected = site.events();
    proxy.take();
    let told = site.ok(["rotate", "--now", NOW]);
    assert_eq!(told.lines().filter(|line| line.contains("copied")).count(), 2, "{told}");
    let requests = proxy.take();
    let shape: Vec<&str> = requests.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(shape, ["GET", "PUT", "GET", "PUT", "GET", "PUT", "GET"], "{requests:?}");
    for (sent, read) in [(1, 2), (3, 4), (5, 6)] {
        assert_eq!(plain(&requests[sent].1), plain(&requests[read].1));
    }
    // Names say whose it is and what is in it.
    for record in site.manifest().iter().filter(|record| record["op"] == "upload") {
        let (object, sha256) = (&record["object"], record["sha256"].as_str().unwrap());
        assert!(object.as_str().unwrap().starts_with("nas/2026/2026-05-1"), "{object}");
        assert!(object.as_str().unwrap().ends_with(&format!(".{sha256}.tar.zst")), "{object}");
    }
    assert_eq!(site.records("upload"), 2);
    assert!(requests[5].1.contains("/nas/manifest/"), "{requests:?}");
    site.is_sound(&expected);
    proxy.take();
    let again = site.run(["remote", "push"]);
    assert_eq!((again.code, &*again.stdout), (0, ""), "{again:?}");
    let requests = proxy.take();
    assert!(requests.iter().all(|(method, _)| method == "GET"), "{requests:?}");
}

#[test]
fn nothing_counts_as_copied_that_does_not_come_back_as_it_was() {
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    let mut site = Site::new(garage, "push-back", "nas");
    site.endpoint.clone_from(&proxy.address);
    site.lab.seed(1, 4);
    site.rotate_alone();
    // The list, what is sent, and then what comes back.
    proxy.spoil(2, Fault::Changed);
    let run = site.run(["remote", "push"]);
    assert_eq!(site.records("upload"), 0, "recorded before it was read back");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("read-back verification of the sent copy failed"), "{run:?}");
    proxy.take();
    site.ok(["remote", "push"]);
    assert_eq!(site.records("upload"), 1);
}

#[test]
fn a_large_segment_goes_in_parts_and_comes_back() {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    let mut site = Site::new(garage, "push-large", "nas");
    site.endpoint.clone_from(&proxy.address);
    let mut state = 88_172_645_463_325_252_u64;
    for (below, bytes) in (0..26).map(|number| crate::common::event(10, 0, "nas", number)) {
        let noise: String = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(DIGITS[(state % 64) as usize])
        })
        .take(900_000)
        .collect();
        let text = String::from_utf8(bytes).unwrap();
        let text = text.replace("\"payload\":{", &format!("\"payload\":{{\"noise\":\"{noise}\","));
        site.lab.write(&below, text);
    }
    let expected = site.events();
    site.ok(["rotate", "--now", NOW]);
    let requests = proxy.take();
    let parts = requests.iter().filter(|(_, path)| path.contains("partNumber=")).count();
    assert!(parts >= 3, "{requests:?}");
    assert_eq!(site.records("upload"), 1);
    site.is_sound(&expected);
    // One that is cut off in the middle is begun again.
    let mut other = site.beside("pi4");
    other.endpoint.clone_from(&proxy.address);
    other.become_like(&site);
    proxy.spoil(3, Fault::Gone);
    other.rules = "timeout = \"1s\"\n".to_owned();
    other.policy("");
    other.fails(75, ["remote", "push"]);
    proxy.take();
    other.ok(["remote", "push"]);
    other.is_sound(&expected);
}

#[test]
fn no_object_is_ever_written_twice() {
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    let mut site = Site::new(garage, "push-once", "nas");
    site.endpoint.clone_from(&proxy.address);
    site.lab.seed(2, 2);
    site.ok(["rotate", "--now", NOW]);
    for number in [20, 21] {
        let (below, bytes) = crate::common::event(10, 0, "nas", number);
        site.lab.write(&below, bytes);
        site.ok(["rotate", "--now", NOW]);
    }
    site.ok(["compact"]);
    site.ok(["remote", "push"]);
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    site.ok(["remote", "push"]);
    let sent: Vec<String> =
        proxy.take().into_iter().filter(|(method, _)| method == "PUT").map(|sent| sent.1).collect();
    let names: BTreeSet<&String> = sent.iter().collect();
    assert_eq!(names.len(), sent.len(), "{sent:?}");
}

#[test]
fn many_small_pieces_of_the_manifest_become_one_that_is_enough() {
    let Some(garage) = shared() else { return };
    let site = Site::new(garage, "push-pieces", "nas");
    site.lab.seed(1, 1);
    site.ok(["rotate", "--now", NOW]);
    for number in 0..34 {
        site.ok(["hold", "add", "2026-05-10", "--reason", &format!("reason {number}")]);
        site.ok(["remote", "push"]);
    }
    let before = site.archive_files();
    site.lose();
    site.ok(["remote", "rebuild"]);
    assert_eq!(site.archive_files(), before);
}

#[test]
fn two_machines_of_one_name_do_not_write_into_each_others_copies() {
    let Some(garage) = shared() else { return };
    let site = Site::new(garage, "push-namesake", "nas");
    site.lab.seed(2, 2);
    site.ok(["rotate", "--now", NOW]);
    let namesake = site.beside("nas");
    namesake.lab.seed(1, 3);
    namesake.rotate_alone();
    let before = namesake.archive_files();
    let run = namesake.fails(75, ["remote", "push"]);
    assert!(run.stderr.contains("[remote] host"), "{run:?}");
    assert_eq!(namesake.archive_files(), before);
    site.ok(["remote", "verify"]);
}
