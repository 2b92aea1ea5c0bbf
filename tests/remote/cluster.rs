//! Three servers, one of which dies while segments are on their way.

use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::NOW;
use crate::garage::{BUCKET, cluster};
use crate::proxy::Proxy;
use crate::site::Site;

#[test]
fn a_node_that_dies_in_the_middle_of_a_push_costs_nothing() {
    let Some([first, second, third]) = cluster() else { return };
    let proxy = Proxy::before(&first.address);
    let mut site = Site::at(&format!("s3://{BUCKET}/x"), &proxy.address, "nas");
    site.rules = "timeout = \"30s\"\n".to_owned();
    site.policy("");
    site.lab.seed(4, 4);
    let expected = site.events();
    let (died, dead) = mpsc::channel();
    let victim = Pid::from_raw(third.process).unwrap();
    // The list, the first segment and its reading back: the second one is on its way.
    proxy.call(3, move || {
        kill_process(victim, Signal::KILL).unwrap();
        died.send(()).unwrap();
    });
    let run = site.run(["rotate", "--now", NOW]);
    dead.try_recv().expect("no node died");
    assert!(run.code == 0 || run.code == 75, "{run:?}");
    assert_eq!(site.segments().len(), 4);
    site.ok(["rotate", "--now", NOW]);
    assert_eq!(site.records("upload"), 4);
    site.is_sound(&expected);
    // By way of another one that lives, all of it is there, too.
    site.endpoint.clone_from(&second.address);
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    site.is_sound(&expected);
}
