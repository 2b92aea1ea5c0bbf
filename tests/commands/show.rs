use std::process::Stdio;

use crate::common::Lab;
use crate::support::{EVENT, Event, sentence};

/// Standard output as bytes: what is shown need not be text.
#[track_caller]
fn shown(lab: &Lab, arguments: &[&str]) -> Vec<u8> {
    let output = lab.command(arguments).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    output.stdout
}

#[test]
fn one_event_is_shown_byte_for_byte_by_id_and_by_path_live_and_archived() {
    let lab = Lab::new();
    lab.seed(3, 3);
    let bytes = EVENT.line().replace(',', " ,\r\n").into_bytes();
    lab.write(&EVENT.path(), &bytes);
    let id = EVENT.id();
    let absolute = lab.root().join(EVENT.path()).display().to_string();
    let upper = id.to_uppercase();
    let simple = id.replace('-', "");
    for _ in 0..2 {
        for name in [&EVENT.path(), &id, &upper, &simple, &absolute] {
            assert_eq!(shown(&lab, &["show", name]), bytes, "{name}");
        }
        lab.rotate();
    }
}

#[test]
fn what_is_no_event_is_shown_as_it_is() {
    let lab = Lab::new();
    let binary: Vec<u8> = (0..=255).collect();
    let path = "2026-05-16/pi4/not an event.json";
    lab.write(path, &binary);
    lab.write("2026-05-16/pi4/empty.json", "");
    for archived in [false, true] {
        assert_eq!(shown(&lab, &["show", path]), binary);
        assert_eq!(shown(&lab, &["show", "2026-05-16/pi4/empty.json"]), b"");
        assert_eq!(shown(&lab, &["show", path, "-opath"]), format!("{path}\n").into_bytes());
        let run = lab.fails(65, ["show", path, "-o", "ndjson"]);
        assert_eq!(
            sentence(&run),
            format!(
                "{path}: not an event: the text is not UTF-8 at byte 128; without -o its bytes \
                 are printed"
            )
        );
        if !archived {
            lab.fails(1, ["rotate", "--now", crate::common::NOW]);
        }
    }
}

#[test]
fn other_formats_are_those_of_list() {
    let lab = Lab::new();
    EVENT.write(&lab);
    let id = EVENT.id();
    assert_eq!(lab.ok(["show", &id, "-ojson"]), EVENT.live_line() + "\n");
    lab.rotate();
    let archived = EVENT.archived_line("2026/2026-05-16.tar.zst") + "\n";
    assert_eq!(lab.ok(["show", &id, "-ondjson"]), archived);
    assert_eq!(lab.ok(["show", &id, "-opath"]), EVENT.path() + "\n");
}

#[test]
fn what_is_nowhere_is_exit_code_66() {
    let lab = Lab::new();
    let never = Event { number: 7, ..EVENT };
    for _ in 0..2 {
        for name in [never.id(), never.path(), EVENT.path().replace("05-16/", "05-17/")] {
            let run = lab.fails(66, ["show", &name]);
            let wanted = format!("{name}: no such event, neither live nor archived");
            assert_eq!(sentence(&run), wanted);
        }
        EVENT.write(&lab);
        lab.rotate();
    }
}

#[test]
fn an_event_filed_under_another_day_than_its_id_says_is_found() {
    let lab = Lab::new();
    lab.seed(2, 1);
    // An id of the year 2025 by its own clock, filed in 2026.
    let path = EVENT.path().replace("0196d8a2", "01941f29");
    lab.write(&path, EVENT.line());
    lab.rotate();
    let id = EVENT.id().replace("0196d8a2", "01941f29");
    assert_eq!(shown(&lab, &["show", &id]), EVENT.line().into_bytes());
}

#[test]
fn damage_elsewhere_does_not_hide_an_event() {
    let lab = Lab::new();
    let old = Event { time: "2026-05-14T00:00:00.000000Z", ..EVENT };
    old.write(&lab);
    let kept = Event { time: "2026-05-15T00:00:00.000000Z", number: 1, ..EVENT };
    kept.write(&lab);
    lab.rotate();
    std::fs::write(lab.archive().join("2026/2026-05-14.tar.zst"), "damaged").unwrap();
    // The id's own clock leads to neither day, so both are looked at.
    let wanted = (kept.line() + "\n").into_bytes();
    assert_eq!(shown(&lab, &["show", &kept.path()]), wanted);
    let run = lab.run(["show", &kept.id()]);
    assert_eq!((run.code, run.stdout.as_bytes()), (0, wanted.as_slice()), "{run:?}");
    let run = lab.fails(65, ["show", &old.id()]);
    assert!(sentence(&run).contains("2026-05-14.tar.zst: "), "{run:?}");
}

#[test]
fn the_beginning_of_an_id_does_for_all_of_it_and_several_are_named() {
    let lab = Lab::new();
    let other = Event { time: "2026-05-17T10:11:12.000000Z", number: 1, ..EVENT };
    let newer = EVENT.path().replace("0196d8a2-0000", "0196d8a2-7c1a");
    for archived in [false, true] {
        if archived {
            lab.rotate();
        } else {
            EVENT.write(&lab);
            other.write(&lab);
            lab.write(&newer, EVENT.line());
        }
        for prefix in ["0196d8a2-7", "0196D8A2-7C1A-7", "0196d8a27c1a7000"] {
            assert_eq!(shown(&lab, &["show", prefix]), EVENT.line().into_bytes(), "{prefix}");
        }
        let run = lab.fails(2, ["show", "0196d8a2-0000"]);
        let (first, second) = (EVENT.path(), other.path());
        assert_eq!(
            sentence(&run),
            format!(
                "0196d8a2-0000: 2 events' ids begin like this, name one of them: {first}, {second}"
            )
        );
        let run = lab.fails(66, ["show", "0196d8a2-7c2a"]);
        assert_eq!(
            sentence(&run),
            "0196d8a2-7c2a: no event's id begins like this; the nearest is \
             0196d8a2-7c1a-7000-8000-000000000000"
        );
    }
    // What is too short, or no beginning of an id, is no name.
    for name in ["019", "2026-05-16", "0196d8a27-c1a", "nope"] {
        let run = lab.fails(2, ["show", name]);
        assert!(sentence(&run).contains("expected an event's UUID or its path"), "{run:?}");
    }
}
