use std::process::Command;

use crate::common::{HLARCHIVE, Lab, system, tool};
use crate::support::{EVENT, Event};

/// Twelve events over three days, the first two of them archived; in time order.
fn lab() -> (Lab, Vec<Event<'static>>) {
    let lab = Lab::new();
    let events = vec![
        Event {
            time: "2026-05-15T00:00:00.000000Z",
            kind: "node_offline",
            severity: "critical",
            ..EVENT
        },
        Event {
            time: "2026-05-15T12:00:00.000000Z",
            node: "nas",
            service: "grafana",
            number: 1,
            ..EVENT
        },
        Event { time: "2026-05-15T12:00:00.000000Z", service: "grafana", number: 2, ..EVENT },
        Event { time: "2026-05-15T23:59:59.999999Z", source: "deploy.sh", number: 3, ..EVENT },
        Event {
            time: "2026-05-16T00:00:00.000000Z",
            node: "nas",
            severity: "warning",
            number: 4,
            ..EVENT
        },
        Event { time: "2026-05-16T00:00:00.000001Z", correlation: "run-2", number: 5, ..EVENT },
        Event {
            time: "2026-05-16T08:00:00.000000Z",
            kind: "deployment_failed",
            severity: "error",
            correlation: "run-2",
            number: 6,
            ..EVENT
        },
        Event {
            time: "2026-05-16T09:00:00.000000Z",
            node: "pi5",
            service: "mosquitto",
            number: 7,
            ..EVENT
        },
        Event {
            time: "2026-05-17T06:00:00.000000Z",
            node: "nas",
            kind: "deployment_failed",
            severity: "error",
            number: 8,
            ..EVENT
        },
        Event {
            time: "2026-05-17T07:00:00.000000Z",
            node: "pi5",
            severity: "warning",
            number: 9,
            ..EVENT
        },
        Event {
            time: "2026-05-17T08:00:00.000000Z",
            service: "grafana",
            source: "deploy.sh",
            number: 10,
            ..EVENT
        },
        Event { time: "2026-05-17T09:00:00.000000Z", kind: "weird_type", number: 11, ..EVENT },
    ];
    for event in &events[..8] {
        event.write(&lab);
    }
    lab.rotate();
    for event in &events[8..] {
        event.write(&lab);
    }
    (lab, events)
}

const EVER: [&str; 3] = ["list", "--since=2000-01-01", "-opath"];

/// The numbers of the events that are listed, in their order.
#[track_caller]
fn numbers(text: &str) -> Vec<u32> {
    text.lines()
        .map(|line| line.strip_suffix(".json").unwrap()[line.len() - 17..].parse().unwrap())
        .collect()
}

#[test]
fn every_filter_alone_combined_and_repeated() {
    let (lab, events) = lab();
    let all: Vec<u32> = (0..12).collect();
    assert_eq!(events.len(), 12);
    let cases: Vec<(&[&str], Vec<u32>)> = vec![
        (&[], all.clone()),
        (&["--node=nas"], vec![1, 4, 8]),
        (&["--node=nas", "--node=pi5"], vec![1, 4, 7, 8, 9]),
        (&["--type=deployment_failed"], vec![6, 8]),
        (&["--type=Deployment-Failed", "--type=weird_type"], vec![6, 8, 11]),
        (&["--severity=error"], vec![6, 8]),
        (&["--severity=ERROR", "--severity=critical"], vec![0, 6, 8]),
        (&["--min-severity=info"], all),
        (&["--min-severity=warning"], vec![0, 4, 6, 8, 9]),
        (&["--min-severity=error"], vec![0, 6, 8]),
        (&["--min-severity=critical"], vec![0]),
        (&["--severity=warning", "--severity=critical", "--min-severity=error"], vec![0]),
        (&["--service=grafana"], vec![1, 2, 10]),
        (&["--service=grafana", "--service=mosquitto"], vec![1, 2, 7, 10]),
        (&["--source=deploy.sh"], vec![3, 10]),
        (&["--correlation-id=run-2"], vec![5, 6]),
        (&["--correlation-id=run-2", "--severity=error"], vec![6]),
        (&["--node=nas", "--severity=error", "--type=deployment_failed"], vec![8]),
        (&["--node=nas", "--service=grafana", "--date=2026-05-15"], vec![1]),
        (&["--date=2026-05-16"], vec![4, 5, 6, 7]),
        (&["--date=2026-05-15", "--date=2026-05-17"], vec![0, 1, 2, 3, 8, 9, 10, 11]),
        (&["--live-only"], vec![8, 9, 10, 11]),
        (&["--archived-only"], vec![0, 1, 2, 3, 4, 5, 6, 7]),
        (&["--archived-only", "--node=nas"], vec![1, 4]),
        (&["--live-only", "--node=nas"], vec![8]),
        (&["--limit=3"], vec![0, 1, 2]),
        (&["--limit=3", "--reverse"], vec![11, 10, 9]),
        (&["--limit=0"], vec![]),
        (&["--limit=100"], (0..12).collect()),
        (&["--reverse"], (0..12).rev().collect()),
        (&["--reverse", "--min-severity=error"], vec![8, 6, 0]),
        (&["--min-severity=error", "--limit=2"], vec![0, 6]),
    ];
    for (flags, wanted) in cases {
        let mut arguments = EVER.to_vec();
        arguments.extend(flags);
        let run = lab.run(&arguments);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{flags:?}");
        assert_eq!(numbers(&run.stdout), wanted, "{flags:?}");
    }
}

#[test]
fn since_is_inclusive_until_is_not_and_a_date_means_the_whole_day() {
    let (lab, _) = lab();
    let cases: Vec<(&[&str], Vec<u32>)> = vec![
        (&["--since=2026-05-16T00:00:00.000001Z", "--until=2026-05-16"], vec![5, 6, 7]),
        (&["--since=2026-05-16", "--until=2026-05-16T00:00:00.000001Z"], vec![4]),
        (&["--since=2026-05-15T23:59:59.999999Z", "--until=2026-05-16T08:00:00Z"], vec![3, 4, 5]),
        (&["--until=2026-05-15"], vec![0, 1, 2, 3]),
        (&["--since=2026-05-17"], vec![8, 9, 10, 11]),
        (&["--since=2026-05-16T10:00:00+02:00", "--until=2026-05-16T11:00:00+02:00"], vec![6]),
        (&["--since=2026-05-16", "--until=2026-05-16"], vec![4, 5, 6, 7]),
        (&["--since=2026-05-16T08:00:00Z", "--date=2026-05-16"], vec![6, 7]),
    ];
    for (flags, wanted) in cases {
        let mut arguments = vec!["list", "-opath"];
        arguments.extend(flags);
        assert_eq!(numbers(&lab.ok(&arguments)), wanted, "{flags:?}");
    }
}

#[test]
fn without_a_time_today_is_listed() {
    let (lab, _) = lab();
    let run = lab.run(["list"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    let told = "no such event today; choose other days with --date or --since\nsearched 20";
    assert!(run.stderr.starts_with(told), "{run:?}");
    assert!(run.stderr.ends_with(": 0 days live, 0 days archived\n"), "{run:?}");
    let path = lab.ok(["emit", "node_online"]);
    let listed = lab.ok(["list", "-opath"]);
    assert!(path.trim_end().ends_with(listed.trim_end()) && listed.lines().count() == 1);
    assert_eq!(lab.ok(["list", "-opath", "--date=today"]), listed);
    assert_eq!(lab.ok(["list", "-opath", "--since=1h ago"]), listed);
}

#[test]
fn the_exit_code_tells_whether_a_filter_matched() {
    let (lab, _) = lab();
    let searched = "searched from 2000-01-01T00:00:00.000000Z on: ";
    for (flags, told) in [
        (&["--node=nobody"][..], "no event has node \"nobody\"\n"),
        (&["--severity=info", "--min-severity=error"], ""),
    ] {
        let mut arguments = EVER.to_vec();
        arguments.extend(flags);
        let run = lab.fails(1, &arguments);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.starts_with(&format!("{told}{searched}")), "{run:?}");
        assert_eq!(lab.fails(1, arguments.iter().chain(&["-q"])).stderr, "");
    }
    // Nothing was asked for but a time: an empty stretch of time is a good answer.
    assert_eq!(lab.ok(["list", "--since=2001-01-01", "--until=2001-01-02"]), "");
    assert_eq!(lab.ok(["list", "--since=2001-01-01", "--until=2001-01-02", "-ojson"]), "[]\n");
}

#[test]
fn events_of_one_instant_come_in_the_order_of_their_paths() {
    let lab = Lab::new();
    let mut wanted = Vec::new();
    for node in ["a", "b"] {
        for number in [3, 1, 2] {
            Event { node, number, ..EVENT }.write(&lab);
        }
        for number in [1, 2, 3] {
            wanted.push(Event { node, number, ..EVENT }.path());
        }
    }
    let listed = lab.ok(EVER);
    assert_eq!(listed.lines().collect::<Vec<_>>(), wanted);
    let reversed = lab.ok(EVER.iter().chain(&["--reverse"]));
    wanted.reverse();
    assert_eq!(reversed.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let Some(bash) = tool("bash") else { return };
    let lab = Lab::new();
    let payload = format!("{{\"t\":\"{}\"}}", "x".repeat(900));
    for number in 0..3000 {
        Event { number, payload: &payload, ..EVENT }.write(&lab);
    }
    for (format, head) in
        [("ndjson", "head -1"), ("table", "head -1"), ("json", "head -c 10"), ("path", "true")]
    {
        let script = format!(
            "set -o pipefail; \"$0\" list --since 2000-01-01 -o {format} 2>stderr.txt | {head} \
             >/dev/null; echo \"${{PIPESTATUS[0]}}\"; cat stderr.txt"
        );
        let mut shell = Command::new(&bash);
        shell.args(["-c", &script, HLARCHIVE]).current_dir(lab.path(""));
        shell.env("HLARCHIVE_ROOT", lab.root());
        let told = String::from_utf8(system(&mut shell)).unwrap();
        assert_eq!(told, "0\n", "{format} | {head}");
    }
}
