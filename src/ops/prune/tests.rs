//! Tests of the plan, from made-up records and rules.

#![allow(clippy::unwrap_used)]

use super::plan::{Input, PrunePlan, plan};
use super::term::Arrivals;
use crate::archive::{ArchiveDir, Manifest, ManifestWriter, NewRecord, Op, SegmentName, Space};
use crate::event::Timestamp;
use crate::policy::Policy;

/// A segment as its record has it: name, MiB, and what was promised, with a `*` if it may go
/// earlier for want of room.
type Made = (&'static str, u64, Option<&'static str>);

fn manifest(segments: &[Made]) -> Manifest {
    let directory = tempfile::tempdir().unwrap();
    let archive = ArchiveDir::create(directory.path()).unwrap();
    let lock = archive.lock().unwrap();
    let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let by = crate::archive::By {
        user: "u".into(),
        host: "h".into(),
        command: "c".into(),
        sudo_user: None,
    };
    let (mut writer, _) = ManifestWriter::open(&archive, &lock, now, &by).unwrap();
    for (name, mib, promise) in segments {
        let mut record = NewRecord::new(now, Op::Rotate);
        let name: SegmentName = format!("{}/{name}.tar.zst", &name[..4]).parse().unwrap();
        record.date = Some(name.date);
        record.segment = Some(name);
        record.bytes = Some(mib << 20);
        record.events = Some(1);
        record.keep = promise.map(|promise| promise.trim_end_matches('*').to_owned());
        record.yields = promise.filter(|promise| promise.ends_with('*')).map(|_| true);
        writer.append(record).unwrap();
    }
    Manifest::load(&archive).unwrap()
}

struct Case {
    grace: &'static str,
    rules: &'static str,
    now: &'static str,
    free_mib: u64,
    held: &'static [&'static str],
    shorten: bool,
}

const CASE: Case = Case {
    grace: "grace = \"0d\"\n",
    rules: "",
    now: "2026-06-01T00:00:00Z",
    free_mib: 1000,
    held: &[],
    shorten: false,
};

fn plan_of(segments: &[Made], case: &Case) -> PrunePlan {
    let policy =
        Policy::parse(&format!("version = 1\n[retain]\n{}{}", case.grace, case.rules), "p")
            .unwrap();
    let manifest = manifest(segments);
    plan(&Input {
        segments: manifest.segments().collect(),
        arrivals: Arrivals::of(&manifest, case.now.parse().unwrap()),
        rules: &policy.retain,
        now: case.now.parse().unwrap(),
        space: Space { bytes: case.free_mib << 20, total_bytes: Some(10_000 << 20), files: None },
        shorten: case.shorten,
        held: &|name, _| {
            let held = case.held.iter().any(|held| name.to_string().contains(held));
            held.then(|| (7, Some("audit".to_owned())))
        },
    })
}

/// Returns what expires, by day, number and class, each with the beginning of its rule.
fn going(plan: &PrunePlan) -> Vec<String> {
    let short = |name: &SegmentName| name.file_name().trim_end_matches(".tar.zst").to_owned();
    plan.expiring.iter().map(|gone| format!("{} {}", short(&gone.segment), gone.rule)).collect()
}

const DAYS: [Made; 5] = [
    ("2026-05-10", 10, None),
    ("2026-05-11", 10, None),
    ("2026-05-12", 10, None),
    ("2026-05-13", 10, None),
    ("2026-05-14", 10, None),
];

#[test]
fn a_day_expires_when_its_time_is_over_and_not_a_moment_earlier() {
    let rules = "keep = \"20d\"";
    let at = |now| going(&plan_of(&DAYS, &Case { rules, now, ..CASE }));
    assert_eq!(at("2026-05-30T23:59:59.999999Z"), [""; 0]);
    assert_eq!(at("2026-05-31T00:00:00Z"), ["2026-05-10 retain.keep = \"20d\""]);
    assert_eq!(at("2026-06-01T00:00:00Z").len(), 2);
    let forever = Case { now: "9999-01-01T00:00:00Z", ..CASE };
    assert_eq!(going(&plan_of(&DAYS, &forever)), [""; 0]);
}

#[test]
fn each_class_has_its_own_term_and_an_unknown_one_the_longest() {
    let rules = "keep = \"10d\"\n[[retain.class]]\nname = \"slow\"\nkeep = \"20d\"\n\
                 match = { node = \"n\" }\n[[retain.class]]\nname = \"quick\"\nkeep = \"9d\"\n\
                 match = { node = \"m\" }";
    let segments = [
        ("2026-05-20", 1, None),
        ("2026-05-20.slow", 1, None),
        ("2026-05-20.quick", 1, None),
        ("2026-05-20.other", 1, None),
        ("2026-05-31", 1, None),
    ];
    let at = |now| going(&plan_of(&segments, &Case { rules, now, ..CASE }));
    let quick = "2026-05-20.quick retain.class quick: keep = \"9d\"";
    assert_eq!(at("2026-05-30T00:00:00Z"), [quick]);
    assert_eq!(at("2026-05-31T00:00:00Z"), [quick, "2026-05-20 retain.keep = \"10d\""]);
    assert_eq!(at("2026-06-10T00:00:00Z").len(), 4);
}

#[test]
fn room_is_made_by_the_oldest_days_and_no_more_than_is_needed() {
    let max_size = Case { rules: "max_size = \"35MiB\"", ..CASE };
    let wanted =
        ["2026-05-10 retain.max_size = \"35MiB\"", "2026-05-11 retain.max_size = \"35MiB\""];
    assert_eq!(going(&plan_of(&DAYS, &max_size)), wanted);
    let min_free = Case { rules: "min_free = \"1005MiB\"", ..CASE };
    assert_eq!(going(&plan_of(&DAYS, &min_free)), ["2026-05-10 retain.min_free = \"1005MiB\""]);
    let share = Case { rules: "min_free = \"10%\"", free_mib: 990, ..CASE };
    assert_eq!(going(&plan_of(&DAYS, &share)), ["2026-05-10 retain.min_free = \"10%\""]);
    // What goes by one rule counts for the next.
    let all =
        Case { rules: "keep = \"20d\"\nmax_size = \"35MiB\"\nmin_free = \"1015MiB\"", ..CASE };
    assert_eq!(
        going(&plan_of(&DAYS, &all)),
        ["2026-05-10 retain.keep = \"20d\"", "2026-05-11 retain.keep = \"20d\""]
    );
}

#[test]
fn what_is_held_never_goes_and_others_go_in_its_place_only_for_room() {
    let rules = "keep = \"20d\"";
    let plan = plan_of(&DAYS, &Case { rules, held: &["05-10"], ..CASE });
    assert_eq!(going(&plan), ["2026-05-11 retain.keep = \"20d\""]);
    assert_eq!((plan.held.len(), plan.held[0].hold), (1, 7));
    assert_eq!(plan.held[0].reason.as_deref(), Some("audit"));
    let room = plan_of(&DAYS, &Case { rules: "max_size = \"35MiB\"", held: &["05-10"], ..CASE });
    assert_eq!(going(&room).len(), 2);
    assert!(going(&room)[0].starts_with("2026-05-11 "));
    // If holds leave nothing to take, that is reported.
    let full = Case { rules: "max_size = \"1MiB\"", held: &["2026"], ..CASE };
    let plan = plan_of(&DAYS, &full);
    assert_eq!(going(&plan), [""; 0]);
    assert!(plan.findings[0].to_string().contains("5 segments are held"), "{:?}", plan.findings);
}

#[test]
fn a_policy_lengthens_promises_and_shortens_them_only_when_told() {
    let segments = [
        ("2026-05-10", 10, Some("20d")),
        ("2026-05-11", 10, Some("forever")),
        ("2026-05-12", 10, Some("2y")),
        ("2026-05-13", 10, Some("12 moons")),
        ("2026-05-14", 10, None),
        ("2026-05-31", 10, None),
    ];
    let short = Case { rules: "keep = \"10d\"", ..CASE };
    let plan = plan_of(&segments, &short);
    let wanted = ["2026-05-10 retain.keep = \"20d\"", "2026-05-14 retain.keep = \"10d\""];
    assert_eq!(going(&plan), wanted);
    let differ: Vec<(&str, &str)> =
        plan.differences.iter().map(|d| (d.promised.as_str(), d.counts.as_str())).collect();
    assert_eq!(
        differ,
        [("12 moons", "forever"), ("20d", "20d"), ("2y", "2y"), ("forever", "forever")]
    );
    let long = Case { rules: "keep = \"30d\"", ..CASE };
    assert_eq!(going(&plan_of(&segments, &long)), [""; 0]);
    let told = Case { shorten: true, ..short };
    assert_eq!(going(&plan_of(&segments, &told)).len(), 5);
}

#[test]
fn a_promise_that_said_nothing_of_room_is_kept_whatever_the_room() {
    let segments =
        [("2026-05-10", 10, Some("1y")), ("2026-05-11", 10, Some("1y*")), ("2026-05-12", 10, None)];
    let rules = "keep = \"1y\"\nmax_size = \"5MiB\"";
    let plan = plan_of(&segments, &Case { rules, ..CASE });
    let gone: Vec<String> = plan.expiring.iter().map(|gone| gone.date.to_string()).collect();
    assert_eq!(gone, ["2026-05-11", "2026-05-12"]);
    assert!(plan.findings[0].to_string().contains("1 were promised to stay"), "{plan:?}");
    let told = plan_of(&segments, &Case { rules, shorten: true, ..CASE });
    assert_eq!(told.expiring.len(), 3);
    assert!(told.findings.is_empty());
}

#[test]
fn everything_or_most_of_it_at_once_needs_consent() {
    let consent = |segments: &[Made], rules, now| {
        plan_of(segments, &Case { rules, now, ..CASE }).needs_consent
    };
    let rules = "keep = \"20d\"";
    assert_eq!(consent(&DAYS, rules, "2026-06-01T00:00:00Z"), None);
    let refusal = consent(&DAYS, rules, "2026-06-02T00:00:00Z").unwrap();
    assert_eq!(refusal, "3 of the 5 archived days would expire at once, with most of the archive");
    let all = consent(&DAYS, rules, "2027-01-01T00:00:00Z").unwrap();
    assert_eq!(all, "the entire archive would expire at once (5 segments)");
    // Of a few days, most may go, but not all.
    assert_eq!(consent(&DAYS[..3], rules, "2026-06-01T00:00:00Z"), None);
    assert!(consent(&DAYS[..3], rules, "2026-06-02T00:00:00Z").is_some());
    assert!(consent(&DAYS[..1], rules, "2026-06-02T00:00:00Z").is_some());
    assert_eq!(consent(&DAYS, "keep = \"forever\"", "2027-01-01T00:00:00Z"), None);
}
