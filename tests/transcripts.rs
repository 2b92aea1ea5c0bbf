//! What a person sees: transcripts of the command, byte for byte, on a history that follows from
//! its numbers alone.
//!
//! Each file in tests/transcripts is one; a new one needs nothing but the file. Each has a history
//! of its own ([`history`]), where `--now` is 2026-05-23 and three days are archived, so a
//! transcript may also write. After a change that is meant:
//!
//! ```sh
//! TRYCMD=overwrite cargo test --test transcripts && git diff tests/transcripts
//! ```
//!
//! `[..]` stands for what differs, `[LAB]` for the directory of the history.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{HLARCHIVE, Lab};

/// Time, node, type, severity, service, correlation id, payload.
const STORY: [(&str, &str, &str, &str, &str, &str, &str); 14] = [
    ("2026-05-13T08:00:00", "nas", "node_online", "info", "all", "boot-1", "{}"),
    (
        "2026-05-14T22:10:00",
        "pi4",
        "deployment_started",
        "info",
        "mosquitto",
        "deploy-882",
        r#"{"version":"2.0.18"}"#,
    ),
    (
        "2026-05-14T22:11:15",
        "pi4",
        "healthcheck_failed",
        "warning",
        "mosquitto",
        "deploy-882",
        r#"{"check":"tcp/1883","attempt":3}"#,
    ),
    (
        "2026-05-14T22:11:30",
        "pi4",
        "deployment_failed",
        "error",
        "mosquitto",
        "deploy-882",
        r#"{"error":"port 1883 not bound"}"#,
    ),
    (
        "2026-05-14T22:12:00",
        "pi4",
        "remediation_started",
        "info",
        "mosquitto",
        "deploy-882",
        r#"{"action":"restart"}"#,
    ),
    (
        "2026-05-15T00:01:00",
        "pi4",
        "remediation_completed",
        "info",
        "mosquitto",
        "deploy-882",
        r#"{"action":"restart","result":"failed"}"#,
    ),
    ("2026-05-15T00:02:00", "pi4", "service_unhealthy", "error", "mosquitto", "watch-7", "{}"),
    (
        "2026-05-15T00:05:00",
        "pi4",
        "remediation_started",
        "info",
        "mosquitto",
        "fix-2",
        r#"{"action":"restart"}"#,
    ),
    (
        "2026-05-15T00:06:00",
        "pi4",
        "remediation_completed",
        "info",
        "mosquitto",
        "fix-2",
        r#"{"action":"restart"}"#,
    ),
    ("2026-05-15T00:07:00", "pi4", "service_recovered", "info", "mosquitto", "watch-8", "{}"),
    ("2026-05-21T09:00:00", "pi5", "service_unhealthy", "error", "grafana", "watch-9", "{}"),
    (
        "2026-05-21T09:01:00",
        "pi5",
        "remediation_started",
        "info",
        "grafana",
        "fix-3",
        r#"{"action":"restart"}"#,
    ),
    ("2026-05-22T04:00:00", "nas", "node_offline", "critical", "all", "watch-10", "{}"),
    ("2026-05-22T04:30:00", "nas", "node_online", "info", "all", "boot-2", "{}"),
];

/// A history with archived and live days, a late arrival, and a file that is no event.
fn history() -> Lab {
    let lab = Lab::new();
    let write = |number: usize| {
        let (time, node, kind, severity, service, correlation, payload) = STORY[number];
        let name = time.replace(['-', ':'], "");
        let path = format!(
            "{}/{node}/{name}.000000Z_{kind}_0196d8a2-0000-7000-8000-{number:012}.json",
            &time[..10]
        );
        let line = format!(
            "{{\"timestamp\":\"{time}.000000Z\",\"node\":\"{node}\",\"type\":\"{kind}\",\
             \"severity\":\"{severity}\",\"source\":\"monitor.py\",\"service\":\"{service}\",\
             \"correlation_id\":\"{correlation}\",\"payload\":{payload}}}\n"
        );
        lab.write(&path, line);
    };
    let rotate = ["rotate", "--now", "2026-05-23T02:30:00Z", "--color=never"];
    for number in (0..STORY.len()).filter(|number| *number != 3) {
        write(number);
    }
    lab.ok(rotate);
    // One comes late for a day that is archived.
    write(3);
    lab.ok(rotate);
    lab.write("2026-05-21/pi5/broken.json", "{");
    // When those runs ended is of today.
    fs::remove_file(lab.archive().join("runs")).unwrap();
    lab
}

#[test]
fn every_transcript_is_what_the_command_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "trycmd"));
    files.sort();
    assert!(files.len() > 5, "only {files:?}");
    for file in files {
        let lab = history();
        let cases = trycmd::TestCases::new();
        cases.register_bin("hlarchive", Path::new(HLARCHIVE));
        cases.insert_var("[LAB]", lab.path("").display().to_string()).unwrap();
        for (name, value) in [
            ("HLARCHIVE_ROOT", lab.root().display().to_string()),
            ("HLARCHIVE_ARCHIVE", lab.archive().display().to_string()),
            ("HLARCHIVE_POLICY", lab.path("policy.toml").display().to_string()),
            ("HLARCHIVE_METRICS_FILE", lab.path("runs.prom").display().to_string()),
            ("HLARCHIVE_COLOR", "never".to_owned()),
            ("COLUMNS", "80".to_owned()),
            ("TZ", "Asia/Tokyo".to_owned()),
            ("USER", "tester".to_owned()),
        ] {
            cases.env(name, value);
        }
        cases.case(&file);
        cases.run();
    }
}
