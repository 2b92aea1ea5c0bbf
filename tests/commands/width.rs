//! Tables on terminals of any width: no line is wider, whatever the events hold.

use crate::common::Lab;
use crate::support::{EVENT, Event};

/// Columns of a text without wide characters.
fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(2, 3);
    let long = Event {
        node: "a-node-with-a-long-name.basement.example.net",
        source: "a-source-with-a-long-name.service",
        service: "a-service-with-a-long-name",
        kind: "a_type_that_is_as_long_as_allowed_",
        severity: "critical",
        correlation: "chain",
        ..EVENT
    };
    for (number, (kind, payload)) in [
        ("deployment_started", r#"{"phase":"pull"}"#),
        ("deployment_failed", r#"{"error":"port 1883 is not bound after 30 seconds; the container exited with code 137, and so on and on"}"#),
        (long.kind, r#"{"error":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#),
        ("remediation_started", "{}"),
    ]
    .into_iter()
    .enumerate()
    {
        Event { kind, payload, number: number as u32, ..long }.write(&lab);
        let short = Event { service: "x", node: "y", source: "z", ..long };
        Event { kind, payload, number: number as u32 + 10, ..short }.write(&lab);
    }
    lab
}

#[test]
fn no_line_of_list_or_trace_is_wider_than_the_terminal() {
    let lab = lab();
    let list = ["list", "--since=2000-01-01"];
    let trace = ["trace", "chain"];
    for columns in [40, 60, 79, 80, 81, 100, 120, 132, 200] {
        for command in [list, trace] {
            let output = lab.command(command).env("COLUMNS", columns.to_string()).output().unwrap();
            assert_eq!(output.status.code(), Some(0));
            let text = String::from_utf8(output.stdout).unwrap();
            let widest = widest(&text);
            assert!(widest <= columns, "{command:?} at {columns} has {widest}:\n{text}");
            let least = if command == list { 27 } else { 9 };
            assert!(text.lines().count() >= least, "{text}");
        }
    }
    // In a pipe without COLUMNS, or with one that makes no sense, nothing is cut.
    for (command, columns) in [(list, None), (trace, None), (list, Some("0")), (trace, Some("x"))] {
        let mut run = lab.command(command);
        columns.map(|columns| run.env("COLUMNS", columns));
        let text = String::from_utf8(run.output().unwrap().stdout).unwrap();
        assert!(widest(&text) > 132 && !text.contains("a-service-wi…"), "{text}");
    }
}

#[test]
fn no_line_of_attempts_or_status_is_wider_than_the_terminal() {
    let lab = lab();
    for number in 0..30 {
        let service = format!("service-{number}-with-a-name-that-is-long");
        Event { kind: "service_unhealthy", service: &service, number, ..EVENT }.write(&lab);
    }
    let attempts = ["attempts", "--node=y", "--node=a-node-with-a-long-name.basement.example.net"];
    let status = ["status", "--calendar", "--now=2026-05-17T03:00:00Z"];
    for columns in [40, 60, 79, 80, 100, 132, 200] {
        for (command, code, least) in [(attempts, 0, 4), (status, 1, 20)] {
            let output = lab.command(command).env("COLUMNS", columns.to_string()).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            let widest = widest(&text);
            assert!(widest <= columns, "{command:?} at {columns} has {widest}:\n{text}");
            assert!(text.lines().count() >= least, "{text}");
        }
    }
}

#[test]
fn a_long_failure_in_a_trace_is_wrapped_and_not_cut() {
    let lab = Lab::new();
    let payload = r#"{"error":"port 1883 is not bound after 30 seconds; the container exited with code 137"}"#;
    Event { kind: "deployment_started", source: "deploy.sh", ..EVENT }.write(&lab);
    Event {
        time: "2026-05-16T10:11:42.250000Z",
        kind: "deployment_failed",
        severity: "error",
        source: "deploy.sh",
        payload,
        number: 1,
        ..EVENT
    }
    .write(&lab);
    let output = lab.command(["trace", "run-1"]).env("COLUMNS", "80").output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "\
2026-05-16 10:11:12     +0.000s  pi4   deployment_started  all   deploy.sh
2026-05-16 10:11:42    +30.250s  pi4   deployment_failed   all   deploy.sh
                                 port 1883 is not bound after 30 seconds; the
                                 container exited with code 137
failed; 2 events in 30.250s
cause: deployment_failed on pi4, 2026-05-16 10:11:42: port 1883 is not bound
       after 30 seconds; the container exited with code 137
open:  deployment_failed on pi4, since 2026-05-16 10:11:42
"
    );
}

#[test]
fn a_real_terminal_of_eighty_columns_is_asked_for_its_width() {
    let Some(tmux) = crate::common::tool("tmux") else { return };
    let lab = lab();
    let socket = lab.path("tmux");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&tmux);
        command.arg("-S").arg(&socket).args(arguments).current_dir(lab.path(""));
        command.env_remove("TMUX").env("HLARCHIVE_ROOT", lab.root());
        crate::common::system(&mut command)
    };
    // The pane's text is taken when the command has ended: wait-for is a lock, no sleep.
    let script = format!(
        "unset COLUMNS; '{}' trace chain; tmux -S '{}' wait-for -S done; exec cat",
        crate::common::HLARCHIVE,
        socket.display()
    );
    run(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "60", &script]);
    run(&["wait-for", "done"]);
    let pane = String::from_utf8(run(&["capture-pane", "-p"])).unwrap();
    run(&["kill-server"]);
    let output = lab.command(["trace", "chain"]).env("COLUMNS", "80").output().unwrap();
    let wanted = String::from_utf8(output.stdout).unwrap();
    assert_eq!(pane.trim_end(), wanted.trim_end());
}
