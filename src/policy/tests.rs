#![allow(clippy::unwrap_used)]

use super::*;
use crate::event::{EventHead, Severity};

fn refused(text: &str) -> String {
    Policy::parse(text, "p.toml").unwrap_err().to_string()
}

#[test]
fn every_shipped_policy_is_a_good_one() {
    for (name, text) in [
        ("default", DEFAULT),
        ("homelab", include_str!("../../policies/homelab.toml")),
        ("forensic", include_str!("../../policies/forensic.toml")),
    ] {
        let policy = Policy::parse(text, name).unwrap();
        assert_eq!(policy.text(), text);
        assert_eq!(policy.digest().len(), 64);
    }
}

#[test]
fn the_built_in_policy_deletes_nothing() {
    let policy = Policy::built_in().unwrap();
    assert_eq!(policy.retain.keep, Keep::Forever);
    assert_eq!((policy.retain.max_size, policy.retain.min_free), (None, None));
    assert_eq!(policy.rotate.keep_live.seconds(), 7 * 86_400);
}

#[test]
fn what_the_policy_leaves_out_is_as_in_the_built_in_one() {
    let (short, whole) = (Policy::parse("version = 1", "p").unwrap(), Policy::built_in().unwrap());
    assert_eq!(short.rotate, whole.rotate);
    assert_eq!(short.retain, whole.retain);
    assert_eq!(short.events, whole.events);
}

#[test]
fn what_nobody_said_of_keeping_is_no_promise() {
    assert_eq!(Policy::built_in().unwrap().promise(None), None);
    let installed = include_str!("../../systemd/debian/policy.toml");
    for silent in ["version = 1\n[rotate]\nlevel = 3", installed] {
        let policy = Policy::parse(silent, "p").unwrap();
        assert_eq!((policy.retain.keep, policy.promise(None)), (Keep::Forever, None));
    }
    let uncommented: String = installed
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let policy = Policy::parse(&uncommented, "p").unwrap();
    assert_eq!(policy.promise(None), Keep::parse("2y"));
    assert_eq!(policy.promise(Some("incidents")), Keep::parse("7y"));
}

#[test]
fn the_policy_says_how_bad_a_type_is_and_the_types_name_says_it_of_others() {
    let text =
        "version = 1\n[events]\nseverity = { disk_full = \"critical\", node_offline = \"info\" }";
    let rules = Policy::parse(text, "p").unwrap().events;
    for (kind, wanted) in [
        ("disk_full", Severity::Critical),
        ("node_offline", Severity::Info),
        ("backup_failed", Severity::Error),
        ("node_online", Severity::Info),
    ] {
        assert_eq!(rules.severity_of(kind), wanted, "{kind}");
    }
}

#[test]
fn an_address_with_a_secret_is_refused_and_the_secret_is_not_named() {
    for url in [
        "s3://key:geheim@bucket/events",
        "s3://geheim@bucket",
        "s3://bucket/events?X-Amz-Signature=geheim",
        "https://key:geheim@nas:9000/bucket",
        "key:geheim@bucket",
        "s3://key:ge/heim@bucket",
    ] {
        let text = format!("version = 1\n[remote]\nurl = \"{url}\"");
        let error = Policy::parse(&text, "p.toml").unwrap_err().to_string();
        assert!(error.starts_with("p.toml:3: the url has a user, a password"), "{error}");
        assert!(!error.contains("heim"), "{error}");
    }
    for url in ["s3://bucket/events", "file:///mnt/nas@home/a?b"] {
        Policy::parse(&format!("version = 1\n[remote]\nurl = \"{url}\""), "p.toml").unwrap();
    }
}

#[test]
fn each_mistake_is_named_with_its_line_and_a_way_out() {
    let class = "version = 1\n[[retain.class]]\n";
    let cases = [
        ("version = 2", "p.toml:1: version = 2: expected 1"),
        ("[rotate]\nlevel = 3", "p.toml: the version is missing"),
        (
            "version = 1\n[rotate]\nkeep_liv = \"7d\"",
            "p.toml:3: unknown key keep_liv in [rotate]; did you mean keep_live?",
        ),
        (
            "version = 1\n[retain]\nlocal = \"90d\"",
            "p.toml: [retain] local = \"90d\" lets files go whose copies are elsewhere, but there",
        ),
        ("version = 1\n[remote]\nhost = \"pi\"", "p.toml:2: [remote]: it has no url"),
        (
            "version = 1\n[remote]\nurl = \"ftp://x\"",
            "p.toml:3: url = \"ftp://x\": expected s3://BUCKET/PREFIX",
        ),
        (
            "version = 1\n[remote]\nurl = \"s3://x\"\nhost = \"../pi\"",
            "p.toml:4: \"../pi\" is not a node name",
        ),
        ("version = 1\n[rotat]\n", "p.toml:2: unknown key rotat at the top; did you mean rotate?"),
        ("version = 1\n[rotate]\nzzz = 1", "known keys are keep_live, level"),
        (
            "version = 1\n[rotate]\nkeep_live = \"-7d\"",
            "p.toml:3: keep_live = \"-7d\": expected a duration",
        ),
        ("version = 1\n[rotate]\nkeep_live = 7", "p.toml:3: keep_live = 7: expected a duration"),
        ("version = 1\n[rotate]\nkeep_live = \"99y\"", "at most 10y"),
        ("version = 1\n[rotate]\nkeep_live = \"99999999999999999999y\"", "expected a duration"),
        ("version = 1\n[rotate]\n\nlevel = 0", "p.toml:4: level = 0: expected a zstd level"),
        ("version = 1\n[rotate]\nlevel = 23", "from 1 to 22"),
        ("version = 1\n[rotate]\nlevel = \"9\"", "from 1 to 22"),
        ("version = 1\n[rotate]\nframe_size = \"1B\"", "from \"4KiB\""),
        ("version = 1\n[rotate]\nframe_size = \"9EiB\"", "from \"4KiB\""),
        ("version = 1\n[rotate]\ninvalid = \"drop\"", "\"archive\" or \"hold\""),
        ("version = 1\n[retain]\nkeep = \"0d\"", "at least one day"),
        ("version = 1\n[retain]\nkeep = \"2d\"", "shorter than keep_live = \"1w\""),
        ("version = 1\n[retain]\nkeep = true", "or \"forever\""),
        ("version = 1\n[retain]\nmax_size = \"12\"", "such as \"20GiB\""),
        ("version = 1\n[retain]\nmin_free = \"95%\"", "at most 90%"),
        ("version = 1\n[retain]\nmin_free = \"-1%\"", "at most 90%"),
        ("version = 1\n[retain]\nmin_free = 10", "such as \"10%\""),
        (&format!("{class}keep = \"7y\"\nmatch = {{ severity = \"error\" }}"), "has no name"),
        (
            &format!("{class}name = \"../x\"\nkeep = \"7y\"\nmatch = {{ severity = \"error\" }}"),
            "a short name",
        ),
        (
            &format!("{class}name = \"1\"\nkeep = \"7y\"\nmatch = {{ severity = \"error\" }}"),
            "a short name",
        ),
        (&format!("{class}name = \"a\"\nkeep = \"7y\""), "has no match"),
        (&format!("{class}name = \"a\"\nkeep = \"7y\"\nmatch = {{}}"), "match is empty"),
        (
            &format!("{class}name = \"a\"\nkeep = \"7y\"\nmatch = {{ severity = [] }}"),
            "an empty list",
        ),
        (
            &format!("{class}name = \"a\"\nkeep = \"7y\"\nmatch = {{ severity = \"bad\" }}"),
            "\"bad\" does not exist",
        ),
        (
            &format!("{class}name = \"a\"\nkeep = \"7y\"\nmatch = {{ sevrity = \"error\" }}"),
            "did you mean severity?",
        ),
        (
            &format!("{class}name = \"a\"\nkeep = \"1d\"\nmatch = {{ node = \"x\" }}"),
            "shorter than keep_live",
        ),
        ("version = 1\n[events]\nunknown_types = \"no\"", "\"allow\", \"warn\" or \"reject\""),
        ("version = 1\n[events]\ntypes = [\"Backup-Done\"]", "write \"backup_done\""),
        ("version = 1\n[events]\ntypes = [\"a/b\"]", "is not an event type"),
        (
            "version = 1\n[events]\nseverity = { disk_full = \"bad\" }",
            "p.toml:3: severity: disk_full = \"bad\": expected info, warning, error or critical",
        ),
        (
            "version = 1\n[events.severity]\n\nDisk-Full = \"error\"",
            "p.toml:4: severity: \"Disk-Full\" is not in its normal form; write \"disk_full\"",
        ),
        ("version = 1\n[events]\nseverity = \"error\"", "expected a table, severity"),
        ("version = 1\n[events]\nmax_bytes = \"1GiB\"", "to \"64MiB\""),
        ("version = 1\nversion = 1", "p.toml:2: this is not TOML"),
        ("version = ", "p.toml:1: this is not TOML"),
    ];
    for (text, wanted) in cases {
        let message = refused(text);
        assert!(message.contains(wanted), "{text:?}\n  gave {message}\n  not  {wanted}");
        assert_eq!(message.lines().count(), 1, "{message:?}");
    }
}

#[test]
fn two_classes_of_one_name_are_refused() {
    let one = "[[retain.class]]\nname = \"a\"\nkeep = \"7y\"\nmatch = { node = \"x\" }\n";
    let message = refused(&format!("version = 1\n{one}{one}"));
    assert!(message.starts_with("p.toml:7: two classes"), "{message}");
}

#[test]
fn a_class_takes_what_meets_each_of_its_fields() {
    let policy = Policy::parse(
        "version = 1\n[[retain.class]]\nname = \"a\"\nkeep = \"7y\"\n\
         match = { severity = [\"error\", \"critical\"], node = \"pi4\" }\n",
        "p",
    )
    .unwrap();
    let event = |severity: &str, node: &str| {
        format!(
            r#"{{"timestamp":"2026-05-16T10:11:12Z","node":"{node}","type":"t","severity":"{severity}","source":"s","service":"all","correlation_id":"c","payload":{{}}}}"#
        )
    };
    let class = &policy.retain.classes[0];
    for (severity, node, wanted) in [
        ("error", "pi4", true),
        ("critical", "pi4", true),
        ("error", "pi5", false),
        ("info", "pi4", false),
    ] {
        let text = event(severity, node);
        assert_eq!(class.matches(&EventHead::parse(text.as_bytes()).unwrap()), wanted);
    }
}
