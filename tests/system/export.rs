//! What is exported is read back by engines that share no code with the program, and a full
//! disk leaves nothing that looks whole.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::{Lab, event, missing, python, system, tool, tree};
use crate::disk::{Disk, can_mount, dense_event, temporary_and_segments};

/// A program of `tests/export` that the interpreter runs.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export").join(name)
}

/// Days of which one is archived, one has late arrivals, one is live, and one has whatever
/// an event may have.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(2, 40);
    lab.rotate();
    let (path, bytes) = event(10, 0, "nas", 1000);
    lab.write(&path, bytes);
    lab.rotate();
    let (path, bytes) = event(11, 1, "pi4", 1001);
    lab.write(&path, bytes);
    // Two events of one name: this one live, the other one archived.
    let (path, bytes) = event(10, 2, "pi5", 3);
    let other = String::from_utf8(bytes).unwrap().replace("\"number\":3", "\"number\":-3");
    lab.write(&path, other);
    hostile(&lab);
    lab
}

fn hostile(lab: &Lab) {
    let large = format!("{{\"large\":\"{}\"}}", "x\\n".repeat(350_000));
    let payloads = [
        "{}",
        r#"{"lines":"a\nb\r\nc","quotes":"\"'`","nul":"a\u0000b","tab":"\t","back":"\\"}"#,
        r#"{"emoji":"🦀 \ud83e\udd80","deep":[[[{"a":null}]]],"number":12345678901234567890.5}"#,
        "{\n  \"pretty\" : [ 1 ,\n 2 ]\n}",
        &large,
    ];
    for (number, payload) in payloads.iter().enumerate() {
        let name = format!(
            "20260512T1000{number:02}Z_odd one_00000000-0000-4000-8000-00000000000{number}"
        );
        let text = format!(
            "{{\"unknown\":{{\"a\":[1, 2]}},\"timestamp\":\"2026-05-12T10:00:{number:02}.123456789Z\",\
             \"node\":\"another\",\"type\":\"never heard, of\\n\\\"it\\\"\",\"severity\":\"critical\",\
             \"source\":\"=cmd()|'x'\",\"service\":\"a,\\\"b\\\"\\r\\nc\",\
             \"correlation_id\":\"ü🦀 \\u0000;\",\"payload\":{payload}}}"
        );
        lab.write(&format!("2026-05-12/a=b %/{name}.json"), &text);
        lab.write(&format!("2026-05-12/küche 'x'/no name {number}.json"), &text);
    }
    lab.write("2026-05-12/nas/broken.json", "{");
}

/// The rows that an export must have, from what `list` prints, in the order of their text.
fn wanted(lab: &Lab) -> Vec<String> {
    const KNOWN: [&str; 9] = [
        "timestamp",
        "type",
        "severity",
        "source",
        "service",
        "correlation_id",
        "payload",
        "_path",
        "_segment",
    ];
    let lines = lab.ok(["list", "--since", "2000-01-01", "-q", "-o", "ndjson"]);
    let mut rows: Vec<String> = lines
        .lines()
        .map(|line| {
            let event: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
            let path = event["_path"].as_str().unwrap();
            let mut parts = path.split('/');
            let (date, node) = (parts.next().unwrap(), parts.next().unwrap());
            let mut extra = event.clone();
            extra.retain(|name, _| !KNOWN.contains(&name.as_str()));
            let time = event["timestamp"].as_str().unwrap();
            if extra["node"] == node {
                extra.remove("node");
            }
            if time.len() > "2026-05-12T10:00:00.123456Z".len() {
                extra.insert("timestamp".to_owned(), time.into());
            }
            let micros = time.parse::<hlarchive::Timestamp>().unwrap().micros();
            let extra = if extra.is_empty() { Value::Null } else { extra.into() };
            let of = |name: &str| event[name].clone();
            json!({
                "path": path, "date": date, "node": node, "micros": micros, "type": of("type"),
                "severity": of("severity"), "source": of("source"), "service": of("service"),
                "correlation_id": of("correlation_id"), "payload": of("payload"), "extra": extra,
            })
            .to_string()
        })
        .collect();
    rows.sort();
    rows
}

/// The rows that an engine finds.
fn read(python: &Path, engine: &str, directory: &Path) -> Vec<String> {
    let mut command = Command::new(python);
    let text = system(command.arg("-B").arg(script("rows.py")).arg(engine).arg(directory));
    let mut rows: Vec<String> = String::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            for name in ["payload", "extra"] {
                if let Value::String(text) = row[name].take() {
                    row[name] = serde_json::from_str(&text).unwrap();
                }
            }
            row.to_string()
        })
        .collect();
    rows.sort();
    rows
}

#[track_caller]
fn assert_same(found: &[String], wanted: &[String], engine: &str) {
    for (found, wanted) in found.iter().zip(wanted) {
        let cut = |text: &str| text.chars().take(900).collect::<String>();
        assert!(found == wanted, "{engine}:\n{}\n{}", cut(found), cut(wanted));
    }
    assert_eq!(found.len(), wanted.len(), "{engine}");
}

#[test]
fn every_engine_reads_the_same_events_as_list() {
    let lab = lab();
    let wanted = wanted(&lab);
    assert_eq!(wanted.len(), 2 * 3 * 40 + 3 + 10);
    let directory = lab.path("out");
    for (format, engine) in
        [("parquet", "duckdb"), ("parquet", "datafusion"), ("parquet", "pyarrow"), ("csv", "csv")]
    {
        let Some(python) = python(engine) else { continue };
        lab.ok(["export", "--format", format, "--to", "out", "--resume", "-q"]);
        assert_same(&read(&python, engine, &directory), &wanted, engine);
    }
}

/// A filter of one column can pass over most of a file.
#[test]
fn a_parquet_file_has_what_makes_searching_it_cheap() {
    let Some(python) = python("duckdb, pyarrow") else { return };
    let lab = Lab::new();
    lab.seed(1, 500);
    lab.ok(["export", "--format", "parquet", "--to", "out", "--node", "nas"]);
    let file = lab.path("out/date=2026-05-10/node=nas/part-0.parquet");
    let mut command = Command::new(python);
    command.arg("-B").arg(script("footer.py")).arg(file).args(["run-10-7", "run-10-9999"]);
    let footer: Value = serde_json::from_slice(&system(&mut command)).unwrap();
    assert_eq!(footer["groups"], json!([500]), "{footer}");
    assert_eq!((&footer["present"], &footer["absent"]), (&json!(false), &json!(true)), "{footer}");
    let columns = footer["columns"].as_object().unwrap();
    assert_eq!(columns.len(), 9, "{footer}");
    for (name, column) in columns {
        assert_eq!(column["codec"], "ZSTD", "{name}: {column}");
        let has_least = !matches!(name.as_str(), "payload" | "extra");
        assert_eq!(column["least"].is_string(), has_least, "{name}: {column}");
        assert_eq!(column["pages"], has_least, "{name}: {column}");
        let kind = match name.as_str() {
            "payload" | "extra" => "JSON",
            "timestamp" => {
                "Timestamp(isAdjustedToUTC=true, timeUnit=microseconds, \
                 is_from_converted_type=false, force_set_converted_type=false)"
            }
            _ => "String",
        };
        assert_eq!(column["type"], kind, "{name}");
    }
}

/// A thousand nodes are more than a process may have open, and no reason for small groups.
#[test]
fn many_nodes_share_the_memory_and_their_rows_stay_together() {
    let Some(python) = python("duckdb, pyarrow") else { return };
    let lab = Lab::new();
    let filler = "y".repeat(20_000);
    for number in 0..3000 {
        let (path, bytes) = event(10, number % 1000, &format!("n{:04}", number % 1000), number);
        let text = String::from_utf8(bytes).unwrap();
        lab.write(&path, text.replace("{\"number\"", &format!("{{\"y\":\"{filler}\",\"number\"")));
    }
    let command = lab.command(["export", "--format", "parquet", "--to", "out"]);
    let mut limited = Command::new("prlimit");
    limited.args(["--nofile=256"]).arg(command.get_program()).args(command.get_args());
    limited.current_dir(lab.path("")).env_clear();
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    limited.stdin(Stdio::null());
    system(&mut limited);
    assert_same(&read(&python, "duckdb", &lab.path("out")), &wanted(&lab), "duckdb");
    let file = lab.path("out/date=2026-05-10/node=n0007/part-0.parquet");
    let mut command = Command::new(python);
    command.arg("-B").arg(script("footer.py")).arg(file).args(["a", "b"]);
    let footer: Value = serde_json::from_slice(&system(&mut command)).unwrap();
    assert_eq!(footer["groups"], json!([3]));
    assert!(temporary_and_segments(&lab.path("out")).0.is_empty());
}

#[test]
fn cloud_events_are_valid_by_their_own_schema() {
    let Some(node) = tool("node") else { return };
    let modules = std::env::var_os("NODE_PATH").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ci-node/node_modules"),
        PathBuf::from,
    );
    if !modules.join("cloudevents").is_dir() {
        // Brought by: npm install --prefix target/ci-node cloudevents
        missing("cloudevents");
        return;
    }
    let lab = lab();
    lab.ok(["export", "--format", "cloudevents", "--to", "out", "-q"]);
    let lines: Vec<u8> = tree(&lab.path("out")).into_values().flatten().collect();
    let mut child = Command::new(node)
        .arg(script("validate.cjs"))
        .env("NODE_PATH", modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&lines).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "253\n");
    let seen: Vec<Value> = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let (path, _) = event(10, 0, "nas", 7);
    let one = seen.iter().find(|event| event["path"] == path.as_str()).unwrap();
    assert_eq!(
        *one,
        json!({
            "specversion": "1.0", "id": "0196d8a2-0010-7000-8000-000000000007",
            "source": "//nas/monitor.py", "type": "deployment_failed", "subject": "mosquitto",
            "time": "2026-05-10T01:07:30.000000Z", "datacontenttype": "application/json",
            "severity": "error", "node": "nas", "path": path, "correlationid": "run-10-1",
            "data": { "number": 7 },
        })
    );
}

#[test]
fn a_full_disk_is_named_and_leaves_no_file_that_looks_whole() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    for number in 0..300 {
        let (path, bytes) = dense_event(10, number, 10_000);
        lab.write(&path, bytes);
    }
    let (path, bytes) = event(14, 0, "pi4", 1);
    lab.write(&path, bytes);
    for format in ["parquet", "ndjson", "csv", "cloudevents"] {
        let disk = Disk::small(&lab.path("out"), 1 << 20);
        let run = lab.fails(74, ["export", "--format", format, "--to", "out"]);
        assert!(run.stderr.contains("no space left on device"), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        assert_eq!(tree(&lab.path("out")).len(), 0, "{format}");
        disk.remount("size=16m");
        lab.ok(["export", "--format", format, "--to", "out"]);
        assert_eq!(tree(&lab.path("out")).len(), 2, "{format}");
    }
}

/// The query that docs/operations.md shows, on an export.
#[test]
fn the_query_of_the_documents_works() {
    let Some(python) = python("duckdb") else { return };
    let lab = Lab::new();
    lab.seed(3, 40);
    lab.ok(["export", "--format", "parquet", "--to", "lake"]);
    let page = include_str!("../../docs/operations.md");
    let query = page.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let query = query.replace("/srv/lake/events", lab.path("lake").to_str().unwrap());
    let program = "import duckdb, sys\nfor row in duckdb.sql(sys.argv[1]).fetchall(): print(*row)";
    let text = system(Command::new(python).args(["-c", program, &query]));
    let failed =
        lab.ok(["list", "--since", "2000-01-01", "--type", "deployment_failed", "-o", "path"]);
    let text = String::from_utf8(text).unwrap();
    let counted: usize =
        text.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(counted, failed.lines().count(), "{text}");
    assert!(counted > 0);
}
