use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::common::{HLARCHIVE, Lab, cannot, system, tool, tree};
use crate::support::{assert_untouched, json, sentence};

#[test]
fn a_byte_order_mark_before_the_first_line_means_nothing() {
    let lab = Lab::new();
    let input = b"\xef\xbb\xbf{\"type\":\"node_online\"}\r\n{\"type\":\"node_offline\"}\n";
    let run = lab.pipe(input, ["emit", "--batch"]);
    assert_eq!((run.code, run.stdout.lines().count(), run.stderr.as_str()), (0, 2, ""));
    // Only there: elsewhere it is no JSON.
    let run = lab.pipe(b"{\"type\":\"node_online\"}\n\xef\xbb\xbf{}\n", ["emit", "--batch"]);
    assert_eq!((run.code, run.stdout.lines().count()), (65, 1), "{run:?}");
    let payload = b"\xef\xbb\xbf{\"a\":1}";
    assert_eq!(lab.pipe(payload, ["emit", "node_online", "--payload=-"]).code, 0);
}

#[test]
fn good_lines_are_kept_and_bad_ones_named_with_their_numbers() {
    let lab = Lab::new();
    let input = concat!(
        "{\"type\":\"node_online\",\"correlation_id\":\"first\"}\n",
        "\n",
        "nonsense\n",
        "   \t\n",
        "{\"type\":\"node_online\",\"sevrity\":\"info\"}\n",
        "[\"node_online\"]\n",
        "{\"type\":\"node_online\",\"severity\":\"fatal\"}\n",
        "{}\n",
        "{\"type\":\"node_online\",\"payload\":[1]}\n",
        "{\"type\":\"node_online\",\"node\":\"../x\"}\n",
        "{\"type\":\"node_online\",\"timestamp\":\"yesterday\"}\n",
        "{\"type\":\"node_online\",\"type\":\"node_offline\"}\n",
        "{\"type\":\"node_online\"\n",
        "{\"type\":\"node_online\",\"payload\":{\"a\":NaN}}\n",
        "{\"type\":\"node_online\"} {}\n",
        "{\"type\":\"node_online\",\"correlation_id\":\"last\"}",
    );
    let run = lab.pipe(input.as_bytes(), ["emit", "--batch"]);
    assert_eq!(run.code, 65);
    let kept: Vec<String> = run
        .stdout
        .lines()
        .map(|path| json(&fs::read_to_string(path).unwrap())["correlation_id"].to_string())
        .collect();
    assert_eq!(kept, ["\"first\"", "\"last\""]);
    assert_eq!(tree(&lab.root()).len(), 2);
    let told: Vec<&str> = run.stderr.lines().collect();
    let wanted = [
        "3: it is not a JSON object",
        "5: it is not an event: unknown field \"sevrity\", expected one of \"type\", \"severity\", \
         \"source\", \"service\", \"correlation_id\", \"payload\", \"node\", \"timestamp\" at \
         column 31",
        "6: it is not a JSON object",
        "7: severity: \"fatal\" is not a severity: expected info, warning, error or critical",
        "8: type: the line has none, and no TYPE was given for all",
        "9: payload: it is an array; a JSON object is expected",
        "10: node: \"../x\" is not a node name: expected a host name, a letter or digit and then \
         letters, digits, dots, dashes and underscores, at most 64 in all",
        "11: timestamp: \"yesterday\" is not a timestamp: expected ISO 8601, such as \
         2026-05-16T10:11:12Z",
        "12: it is not an event: duplicate field \"type\" at column 28",
        "13: it is not an event: EOF while parsing an object at column 21",
        "14: it is not an event: expected value at column 38",
        "15: it is not an event: trailing characters at column 24",
    ];
    assert_eq!(told.len(), wanted.len() + 1, "{}", run.stderr);
    for (told, wanted) in told.iter().zip(wanted) {
        assert_eq!(*told, format!("hlarchive: standard input:{wanted}"));
    }
    assert_eq!(told[wanted.len()], "hlarchive: 12 of 14 lines were not valid events");
}

#[test]
fn flags_fill_in_what_a_line_leaves_out() {
    let lab = Lab::new();
    let input = b"{}\n{\"type\":\"node_offline\",\"severity\":\"critical\",\"source\":\"a\",\
                  \"service\":\"b\",\"correlation_id\":\"c\",\"node\":\"d\",\
                  \"payload\":{ \"e\": 1 },\"timestamp\":\"2026-05-17T00:00:00Z\"}\n";
    let flags = [
        "emit",
        "node_online",
        "--batch",
        "--severity=error",
        "--source=A",
        "--service=B",
        "--correlation-id=C",
        "--node=D",
        "--payload={\"E\":1}",
        "--timestamp=2026-05-16T00:00:00Z",
    ];
    let run = lab.pipe(input, flags);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let texts: Vec<String> =
        run.stdout.lines().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(
        texts,
        [
            "{\"timestamp\":\"2026-05-16T00:00:00.000000Z\",\"node\":\"D\",\
             \"type\":\"node_online\",\"severity\":\"error\",\"source\":\"A\",\"service\":\"B\",\
             \"correlation_id\":\"C\",\"payload\":{\"E\":1}}\n",
            "{\"timestamp\":\"2026-05-17T00:00:00.000000Z\",\"node\":\"d\",\
             \"type\":\"node_offline\",\"severity\":\"critical\",\"source\":\"a\",\
             \"service\":\"b\",\"correlation_id\":\"c\",\"payload\":{\"e\":1}}\n",
        ]
    );
}

/// Emitters that never end get their answers while they go on: a line is acknowledged
/// when its event is there, not when the input ends.
#[test]
fn each_line_is_acknowledged_when_its_event_is_there() {
    let lab = Lab::new();
    let mut child = lab
        .command(["emit", "--batch", "--node=n"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for number in 0..3 {
        writeln!(input, "{{\"type\":\"node_online\",\"correlation_id\":\"c{number}\"}}").unwrap();
        let mut path = String::new();
        output.read_line(&mut path).unwrap();
        let event = json(&fs::read_to_string(path.trim_end()).unwrap());
        assert_eq!(event["correlation_id"], format!("c{number}"));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

/// A path on standard output is a promise that the event outlasts a power cut.
#[test]
fn no_path_is_printed_before_file_and_directories_are_synced() {
    let Some(strace) = tool("strace") else { return };
    if !Command::new(&strace).args(["-o", "/dev/null", "true"]).status().unwrap().success() {
        cannot("strace may not trace here");
        return;
    }
    let lab = Lab::new();
    let mut input = String::new();
    for number in 0..40 {
        input.push_str(&format!("{{\"type\":\"node_online\",\"node\":\"n{}\"}}\n", number % 4));
    }
    fs::write(lab.path("input"), input).unwrap();
    let mut command = Command::new(strace);
    command.args(["-f", "-y", "-s", "20000", "-o", "trace", "-e", "trace=fsync,linkat,write"]);
    command.args([HLARCHIVE, "emit", "--batch", "--timestamp=2026-05-16"]);
    command.current_dir(lab.path("")).env("HLARCHIVE_ROOT", lab.root());
    command.stdin(fs::File::open(lab.path("input")).unwrap());
    let printed = String::from_utf8(system(&mut command)).unwrap();
    assert_eq!(printed.lines().count(), 40);
    let trace = fs::read_to_string(lab.path("trace")).unwrap();
    let calls: Vec<&str> = trace.lines().collect();
    let day = lab.root().join("2026-05-16").display().to_string();
    for path in printed.lines() {
        let (directory, name) = path.rsplit_once('/').unwrap();
        let find = |call: &str, text: &str, from: usize| {
            let found =
                calls[from..].iter().position(|line| line.contains(call) && line.contains(text));
            from + found.unwrap_or_else(|| panic!("no {call} of {text}\n{trace}"))
        };
        let named = find("linkat(", name, 0);
        let told = find("write(1<", name, 0);
        assert!(named < told, "{name}");
        for synced in [directory, day.as_str(), lab.root().to_str().unwrap()] {
            assert!(find("fsync(", &format!("<{synced}>"), named) < told, "{synced}\n{trace}");
        }
        // The file was synced while it had no name: each unnamed file once, before its link.
        let thread = calls[named].split_whitespace().next().unwrap();
        let own = |line: &&&str| line.split_whitespace().next() == Some(thread);
        let before = calls[..named].iter().rev().filter(own).find(|line| !line.contains("resumed"));
        assert!(before.unwrap().contains("fsync("), "{name}\n{trace}");
    }
}

#[test]
fn lines_beyond_the_largest_event_cost_only_themselves() {
    let lab = Lab::new();
    let mut input = Vec::new();
    for length in [10, 2_000_000, 20, 1_048_000, 30] {
        let text = "x".repeat(length);
        writeln!(input, "{{\"type\":\"node_online\",\"payload\":{{\"t\":\"{text}\"}}}}").unwrap();
    }
    let run = lab.pipe(&input, ["emit", "--batch"]);
    assert_eq!(run.code, 65);
    assert_eq!(run.stdout.lines().count(), 4, "{}", run.stderr);
    assert_eq!(
        run.stderr,
        "hlarchive: standard input:2: it is longer than 1052672 bytes\n\
         hlarchive: 1 of 5 lines were not valid events\n"
    );
    // Within the line's limit, but not within the event's: 1 MiB in the default policy.
    let text = "x".repeat(1_048_500);
    let line = format!("{{\"type\":\"node_online\",\"payload\":{{\"t\":\"{text}\"}}}}");
    let run = lab.pipe(line.as_bytes(), ["emit", "--batch", "--node=n", "--correlation-id=c"]);
    assert_eq!((run.code, run.stdout.as_str()), (65, ""));
    assert!(
        run.stderr.starts_with(
            "hlarchive: standard input:1: payload: the event would have 1048671 bytes; the policy \
             allows 1048576 (events.max_bytes)\n"
        ),
        "{}",
        run.stderr
    );
}

#[test]
fn a_long_batch_keeps_its_order_and_loses_nothing() {
    let lab = Lab::new();
    let mut input = String::new();
    for number in 0..1000 {
        input.push_str(&format!(
            "{{\"type\":\"node_online\",\"node\":\"n{}\",\"correlation_id\":\"c{number}\"}}\n",
            number % 7
        ));
    }
    let run = lab.pipe(input.as_bytes(), ["emit", "--batch", "--timestamp=2026-05-16T00:00:00Z"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let order: Vec<String> = run
        .stdout
        .lines()
        .map(|path| json(&fs::read_to_string(path).unwrap())["correlation_id"].to_string())
        .collect();
    let wanted: Vec<String> = (0..1000).map(|number| format!("\"c{number}\"")).collect();
    assert_eq!(order, wanted);
    assert_eq!(tree(&lab.root()).len(), 1000);
}

#[test]
fn ndjson_output_is_one_object_a_line_and_so_are_its_errors() {
    let lab = Lab::new();
    let run =
        lab.pipe(b"{\"type\":\"node_online\"}\nx\n", ["emit", "--batch", "-q", "-o", "ndjson"]);
    assert_eq!(run.code, 65);
    let object = json(&run.stdout);
    assert!(object["path"].as_str().unwrap().ends_with(".json"));
    assert_eq!(object["id"], object["correlation_id"]);
    let error = json(&run.stderr);
    assert_eq!(error["error"]["code"], 65);
    assert_eq!(error["error"]["message"], "standard input:2: it is not a JSON object");
}

#[test]
fn nothing_in_means_nothing_out() {
    let lab = Lab::new();
    for input in ["", "\n\n  \n"] {
        let run = assert_untouched(&lab, || lab.pipe(input.as_bytes(), ["emit", "--batch"]));
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""));
    }
}

#[test]
fn a_reader_that_goes_away_does_not_end_a_batch() {
    let lab = Lab::new();
    let mut child = lab
        .command(["emit", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    for _ in 0..600 {
        input.write_all(b"{\"type\":\"node_online\"}\n").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(tree(&lab.root()).len(), 600);
}

#[test]
fn the_payload_of_a_batch_cannot_be_standard_input() {
    let lab = Lab::new();
    let run = assert_untouched(&lab, || lab.fails(2, ["emit", "--batch", "--payload", "-"]));
    assert_eq!(
        sentence(&run),
        "--payload -: standard input holds the batch; give the payload in its lines"
    );
}

#[test]
fn a_line_without_a_severity_has_the_one_that_its_type_says() {
    let lab = Lab::new();
    let lines = b"{\"type\":\"node_offline\"}\n{\"type\":\"node_online\"}\n\
                  {\"type\":\"node_offline\",\"severity\":\"info\"}\n";
    for (flags, wanted) in [
        (&["emit", "--batch"][..], ["error", "info", "info"]),
        (&["emit", "--batch", "--severity=critical"], ["critical", "critical", "info"]),
    ] {
        let run = lab.pipe(lines, flags);
        assert_eq!(run.code, 0, "{run:?}");
        let severities: Vec<_> = run
            .stdout
            .lines()
            .map(|path| json(&fs::read_to_string(lab.path(path)).unwrap())["severity"].clone())
            .collect();
        assert_eq!(severities, wanted);
    }
}
