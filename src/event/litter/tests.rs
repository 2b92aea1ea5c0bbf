//! Tests of the names that are passed over, and of patterns.

#![allow(clippy::unwrap_used)]

use super::pattern::NoPattern;
use super::*;

const EVENT: &str = "20260516T101112.123456Z_backup_done_019b76da-acd6-70f2-a430-64b3d3ac94af.json";

fn litter(patterns: &[&str]) -> Litter {
    Litter::with(patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect())
}

#[test]
fn names_that_systems_and_editors_use_are_passed_over_in_every_place() {
    for name in [
        ".DS_Store",
        ".stversions",
        ".stfolder",
        ".Trash-1000",
        ".nfs0000001",
        ".x.json.swp",
        ".hlarchive-sync-0",
        "lost+found",
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "$Recycle.Bin",
        "System Volume Information",
        "x.json~",
        "#x.json#",
        ".#x.json",
        "~syncthing~x.json.tmp",
        "Icon\r",
    ] {
        for role in [EntryRole::Day, EntryRole::Node, EntryRole::Event, EntryRole::Other] {
            assert!(litter(&[]).covers(role, name), "{name:?} {role:?}");
        }
    }
    for name in ["Thumbs.db", "thumbs.db", "desktop.ini", "x.swp", "aquota.user"] {
        assert!(litter(&[]).covers(EntryRole::Event, name), "{name}");
        assert!(litter(&[]).covers(EntryRole::Other, name), "{name}");
    }
}

#[test]
fn what_emit_names_is_never_passed_over() {
    let all = litter(&["*.bak", "pi?", "odd*", "*.sync-conflict-*"]);
    assert!(!all.covers(EntryRole::Day, "2026-05-16"));
    assert!(!all.covers(EntryRole::Event, EVENT));
    for node in ["pi4", "pi4.bak", "odd", "thumbs.db", "x.swp"] {
        assert!(NodeName::for_writing(node).is_ok());
        assert!(!all.covers(EntryRole::Node, node), "{node}");
    }
    for name in ["notes.bak", "pi4", "odd.json", "x.sync-conflict-20260516-101112-ABC.json"] {
        assert!(all.covers(EntryRole::Other, name), "{name}");
        assert!(all.covers(EntryRole::Event, name), "{name}");
    }
    assert!(!all.covers(EntryRole::Event, "x.baker") && !all.covers(EntryRole::Other, "pi44"));
}

#[test]
fn a_pattern_that_could_hide_events_or_days_is_no_pattern() {
    let a_name = EVENT.replace("backup_done", "x");
    for text in [
        "*",
        "*.json",
        "*.js?n",
        "2026*",
        "*_*",
        "????????T*",
        "*conflict*",
        "*.*",
        "**",
        EVENT,
        &a_name,
        "*af.json",
        "*Z_*_0*n",
    ] {
        assert_eq!(Pattern::parse(text), Err(NoPattern::Events), "{text}");
    }
    for text in ["2026-05-16", "????-??-??", "2026-*", "*-05-*"] {
        assert!(Pattern::parse(text).is_err(), "{text}");
    }
    for text in ["", "a/b", "*/x", "\0"] {
        assert_eq!(Pattern::parse(text), Err(NoPattern::NoName), "{text:?}");
    }
    for text in ["*.bak", "*.json.old", "odd.json", "*.sync-conflict-*", "* (?).json", "ü*"] {
        assert_eq!(Pattern::parse(text).unwrap().text.as_str(), text);
    }
}

#[test]
fn a_path_is_passed_over_for_any_of_its_names() {
    let all = litter(&["*.bak"]);
    let covers = |path: &str| all.covers_file(Path::new(path));
    let event = |above: &str| covers(&format!("{above}/{EVENT}"));
    assert!(!event("2026-05-16/pi4") && !event("./x/2026-05-16/pi4.bak") && !covers(EVENT));
    for above in [
        "2026-05-16/@eaDir",
        "2026-05-16/.Trash-1000/pi4",
        ".stversions/2026-05-16/pi4",
        "old.bak/2026-05-16/pi4",
        "./lost+found",
    ] {
        assert!(event(above), "{above}");
    }
    assert!(covers("2026-05-16/pi4/.DS_Store") && covers("2026-05-16/pi4/x.json.bak"));
    assert!(!covers("") && !covers("../x.json"));
}
