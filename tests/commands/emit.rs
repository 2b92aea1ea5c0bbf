use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hlarchive::Timestamp;
use uuid::Uuid;

use crate::common::{HLARCHIVE, Lab, Run, system, tree};
use crate::support::{json, policy, sentence};

const ALL_FLAGS: [&str; 16] = [
    "emit",
    "Deployment-Started",
    "--severity=warning",
    "--source=deploy.sh",
    "--service=mosquitto",
    "--correlation-id=deploy-882",
    "--node=pi4.lan",
    "--timestamp",
    "2026-05-16T12:11:12.1234567+02:00",
    "--payload",
    "{ \"version\": \"2.0 18\",\n \"share\": 1.10, \"b\": [ ] }",
    "-q",
    "--color=never",
    "--root=events",
    "--archive=elsewhere",
    "--policy=policy.toml",
];

fn only_file(lab: &Lab) -> (String, Vec<u8>) {
    let mut files = tree(&lab.root());
    assert_eq!(files.len(), 1, "{:?}", files.keys());
    files.pop_first().unwrap()
}

#[test]
fn an_event_has_exactly_the_name_and_bytes_that_the_format_says() {
    let lab = Lab::new();
    let printed = lab.ok(ALL_FLAGS);
    let (path, bytes) = only_file(&lab);
    assert_eq!(printed, format!("events/{path}\n"));
    let id = path
        .strip_prefix("2026-05-16/pi4.lan/20260516T101112.123456Z_deployment_started_")
        .and_then(|rest| rest.strip_suffix(".json"))
        .unwrap_or_else(|| panic!("{path}"));
    let id = Uuid::parse_str(id).unwrap();
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(id.get_timestamp().unwrap().to_unix(), (1_778_926_272, 123_000_000));
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "{\"timestamp\":\"2026-05-16T10:11:12.123456Z\",\"node\":\"pi4.lan\",\
         \"type\":\"deployment_started\",\"severity\":\"warning\",\"source\":\"deploy.sh\",\
         \"service\":\"mosquitto\",\"correlation_id\":\"deploy-882\",\
         \"payload\":{\"version\":\"2.0 18\",\"share\":1.10,\"b\":[]}}\n"
    );
}

#[test]
fn what_is_not_given_has_its_documented_default() {
    let lab = Lab::new();
    let now = || Timestamp::from(std::time::SystemTime::now());
    let before = now();
    lab.ok(["emit", "node_online"]);
    let after = now();
    let (path, bytes) = only_file(&lab);
    let event = json(std::str::from_utf8(&bytes).unwrap());
    let time: Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
    assert!(before <= time && time <= after, "{before} {time} {after}");
    let host = String::from_utf8(system(Command::new("uname").arg("-n"))).unwrap();
    let id = path.rsplit_once('_').unwrap().1.strip_suffix(".json").unwrap();
    for (field, wanted) in [
        ("node", host.trim()),
        ("severity", "info"),
        ("source", "hlarchive"),
        ("service", "all"),
        ("correlation_id", id),
    ] {
        assert_eq!(event[field], wanted, "{field}");
    }
    assert_eq!(event["payload"], serde_json::json!({}));
    let name: String = time.to_string().replace(['-', ':'], "");
    assert_eq!(path, format!("{}/{}/{name}_node_online_{id}.json", time.date(), host.trim()));
}

#[test]
fn without_a_severity_the_type_decides_and_the_policy_before_it() {
    let severity = |lab: &Lab, flags: &[&str]| {
        let path = lab.ok(["emit"].iter().chain(flags));
        json(&fs::read_to_string(lab.path(path.trim_end())).unwrap())["severity"].clone()
    };
    let lab = Lab::new();
    for (kind, wanted) in [
        ("node_offline", "error"),
        ("Service-Unhealthy", "error"),
        ("deployment_failed", "error"),
        ("healthcheck_failed", "warning"),
        ("remediation_started", "warning"),
        ("remediation_completed", "info"),
        ("node_online", "info"),
    ] {
        assert_eq!(severity(&lab, &[kind]), wanted, "{kind}");
        assert_eq!(severity(&lab, &[kind, "--severity=critical"]), "critical", "{kind}");
    }
    let listed =
        lab.ok(["list", "-o", "ndjson", "--min-severity", "error", "--type", "node_offline"]);
    assert_eq!(listed.lines().count(), 2);
    policy(
        &lab,
        "version = 1\n[events]\nunknown_types = \"allow\"\n\
         severity = { disk_full = \"critical\", node_offline = \"warning\" }\n",
    );
    for (kind, wanted) in
        [("disk_full", "critical"), ("node_offline", "warning"), ("backup_failed", "error")]
    {
        assert_eq!(severity(&lab, &[kind]), wanted, "{kind}");
    }
}

#[test]
fn the_file_is_read_only_less_the_umask() {
    for (umask, wanted) in [("000", 0o444), ("022", 0o444), ("027", 0o440), ("077", 0o400)] {
        let lab = Lab::new();
        let script = format!("umask {umask} && exec \"$0\" emit node_online");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, HLARCHIVE]).env("HLARCHIVE_ROOT", lab.root());
        system(&mut shell);
        let file = lab.root().join(only_file(&lab).0);
        let mode = fs::metadata(file).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, wanted, "umask {umask}: {mode:o}");
    }
}

#[test]
fn no_temporary_file_is_left_beside_the_event() {
    let lab = Lab::new();
    lab.ok(["emit", "node_online", "--node", "pi4"]);
    assert_eq!(only_file(&lab).0.matches('/').count(), 2);
}

#[test]
fn the_payload_comes_from_the_flag_a_file_or_standard_input() {
    let lab = Lab::new();
    fs::write(lab.path("p.json"), "{\n  \"from\": \"file\"\n}\n").unwrap();
    for (flag, wanted) in [("{\"from\":\"flag\"}", "flag"), ("@p.json", "file"), ("-", "stdin")] {
        let run =
            lab.pipe(b" {\"from\":\n\"stdin\"}\n", ["emit", "node_online", "--payload", flag]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        let bytes = fs::read_to_string(run.stdout.trim_end()).unwrap();
        let end = format!("\"payload\":{{\"from\":\"{wanted}\"}}}}\n");
        assert!(bytes.ends_with(&end), "{bytes}");
    }
}

#[test]
fn json_output_names_path_id_and_correlation_id() {
    let lab = Lab::new();
    for format in ["json", "ndjson"] {
        let printed =
            lab.ok(["emit", "node_online", "--node=n", "--correlation-id=c", "-o", format]);
        assert_eq!(printed.lines().count(), 1);
        let object = json(&printed);
        assert_eq!(object.as_object().unwrap().len(), 3, "{printed}");
        let path = object["path"].as_str().unwrap();
        assert!(Path::new(path).is_file());
        assert!(path.ends_with(&format!("_node_online_{}.json", object["id"].as_str().unwrap())));
        assert_eq!(object["correlation_id"], "c");
    }
}

#[test]
fn types_are_normalized_before_anything_is_named_after_them() {
    let lab = Lab::new();
    for given in
        ["node_offline", "Node-Offline", " node.offline ", "NODE  OFFLINE", "node-_offline"]
    {
        let run = lab.run(["emit", given]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{given}: {run:?}");
        assert!(run.stdout.contains("Z_node_offline_"), "{run:?}");
    }
}

#[test]
fn an_unknown_type_is_accepted_with_a_warning_that_names_the_closest_one() {
    let lab = Lab::new();
    let run = lab.run(["emit", "deploymnt_startd"]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("_deploymnt_startd_"));
    assert_eq!(
        run.stderr,
        "hlarchive: warning: type: deploymnt_startd is not a known type; the closest known type \
         is deployment_started\n"
    );
    assert_eq!(lab.run(["emit", "deploymnt_startd", "-q"]).stderr, "");
    assert_eq!(tree(&lab.root()).len(), 2);
}

#[test]
fn the_policy_may_extend_the_types_or_make_them_strict() {
    let lab = Lab::new();
    let extended = "version = 1\n[events]\ntypes = [\"backup_completed\"]\n";
    policy(&lab, extended);
    assert_eq!(lab.run(["emit", "Backup-Completed"]).stderr, "");
    let run = lab.run(["emit", "backup_complete"]);
    assert!(run.stderr.ends_with("the closest known type is backup_completed\n"), "{run:?}");
    policy(&lab, &format!("{extended}unknown_types = \"reject\"\n"));
    lab.ok(["emit", "backup_completed"]);
    let run = lab.fails(65, ["emit", "backup_complete"]);
    assert_eq!(
        sentence(&run),
        "type: backup_complete is not a known type, and the policy rejects those; the closest \
         known type is backup_completed"
    );
    policy(&lab, "version = 1\n[events]\nunknown_types = \"allow\"\n");
    assert_eq!(lab.run(["emit", "anything_at_all"]).stderr, "");
    assert_eq!(tree(&lab.root()).len(), 4);
}

#[test]
fn a_back_dated_event_is_filed_under_its_own_day_and_found_there() {
    let lab = Lab::new();
    let printed = lab.ok(["emit", "node_online", "--node=n", "--timestamp=2024-02-29T23:59:60Z"]);
    assert!(printed.contains("/2024-02-29/n/20240229T235959.999999Z_"), "{printed}");
    let listed = lab.ok(["list", "--date", "2024-02-29", "-o", "path"]);
    assert!(printed.trim_end().ends_with(listed.trim_end()) && !listed.is_empty());
    assert_eq!(lab.ok(["list", "-o", "path"]), "");
}

#[test]
fn relative_times_and_dates_are_understood_as_timestamps() {
    let lab = Lab::new();
    let printed = lab.ok(["emit", "node_online", "--node=n", "--timestamp", "2026-05-16"]);
    assert!(printed.contains("/2026-05-16/n/20260516T000000.000000Z_"), "{printed}");
    lab.ok(["emit", "node_online", "--timestamp", "3 days ago"]);
    assert_eq!(
        lab.ok(["list", "--since", "4d ago", "--until", "2d ago", "-o", "path"]).lines().count(),
        1
    );
}

#[test]
fn words_that_look_like_flags_can_be_values() {
    let lab = Lab::new();
    let path = lab.ok(["emit", "node_online", "--service", "-v", "--correlation-id", "--x"]);
    let event = json(&fs::read_to_string(path.trim_end()).unwrap());
    assert_eq!((&event["service"], &event["correlation_id"]), (&"-v".into(), &"--x".into()));
}

#[test]
fn a_missing_root_is_made_and_a_root_that_is_a_file_is_refused() {
    let lab = Lab::new();
    lab.ok(["emit", "node_online", "--root", "new/deep/events"]);
    assert_eq!(tree(&lab.path("new/deep/events")).len(), 1);
    let run = lab.fails(74, ["emit", "node_online", "--root", "policy.toml"]);
    assert_eq!(sentence(&run), "policy.toml: cannot open: not a directory");
    let run = lab.fails(73, ["emit", "node_online", "--root", "/proc/no/events"]);
    assert_eq!(sentence(&run), "/proc/no/events: cannot create: no such file or directory");
}

#[test]
fn an_event_whose_path_cannot_be_printed_is_kept_and_the_failure_is_told() {
    let lab = Lab::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = Run::of(
        &lab.command(["emit", "node_online"])
            .stdout(full)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap(),
    );
    assert_eq!(run.code, 74);
    assert_eq!(sentence(&run), "standard output: cannot write: no space left on device");
    only_file(&lab);
}
