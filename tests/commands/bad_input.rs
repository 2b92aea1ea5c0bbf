//! Whatever is wrong with what is handed in: the right exit code, one clear sentence,
//! and nothing on the disk that was not there before.

use std::fs;

use crate::common::Lab;
use crate::support::{EVENT, assert_untouched, policy, sentence};

/// A lab with something live and something archived that must stay as it is.
fn lab() -> Lab {
    let lab = Lab::new();
    EVENT.write(&lab);
    lab.rotate();
    crate::support::Event { time: "2026-05-17T00:00:00.000000Z", ..EVENT }.write(&lab);
    lab
}

#[track_caller]
fn refused(lab: &Lab, code: i32, arguments: &[&str], wanted: &str) {
    let run = assert_untouched(lab, || lab.run(arguments));
    assert_eq!(run.code, code, "{arguments:?}: {run:?}");
    assert_eq!(sentence(&run), wanted, "{arguments:?}");
}

#[test]
fn no_bad_event_leaves_a_trace() {
    let lab = lab();
    fs::write(lab.path("latin1.json"), b"{\"a\":\"\xe9\"}").unwrap();
    fs::write(lab.path("array.json"), "[1]").unwrap();
    fs::write(lab.path("large.json"), format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20))).unwrap();
    let not_a_type = |given: &str| {
        format!(
            "type: \"{given}\" is not an event type: expected a letter, then letters, digits and \
             underscores, at most 34 in all, such as deployment_started"
        )
    };
    let not_a_node = |given: &str| {
        format!(
            "node: \"{given}\" is not a node name: expected a host name, a letter or digit and \
             then letters, digits, dots, dashes and underscores, at most 64 in all"
        )
    };
    let not_a_severity = |given: &str| {
        format!(
            "severity: \"{given}\" is not a severity: expected info, warning, error or critical"
        )
    };
    let not_a_time = |given: &str| {
        format!(
            "timestamp: \"{given}\" is not a time: expected ISO 8601, such as 2026-05-16T10:11:12Z"
        )
    };
    let types =
        ["", " ", "../x", "a/b", "9lives", "_x", "x_", "naïve", "a:b", "-", &"t".repeat(35)];
    for given in types {
        refused(&lab, 65, &["emit", "--", given], &not_a_type(given));
    }
    refused(&lab, 65, &["emit", "a\nb"], &not_a_type("a\\nb"));
    let nodes =
        ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "a b", "-x", "küche", &"n".repeat(65)];
    for given in nodes {
        refused(&lab, 65, &["emit", "node_online", "--node", given], &not_a_node(given));
    }
    refused(&lab, 65, &["emit", "node_online", "--node", "a\u{1b}[2J"], &not_a_node("a\\u{1b}[2J"));
    for given in ["", "fatal", "INFO", "warn", "0"] {
        refused(&lab, 65, &["emit", "node_online", "--severity", given], &not_a_severity(given));
    }
    let times = [
        "",
        "soon",
        "2026-02-30T00:00:00Z",
        "2026-05-16T25:00:00Z",
        "2026-05-16T10:11:12+99:00",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "2026-05-16T10:11:12Z; rm",
    ];
    for given in times {
        refused(&lab, 65, &["emit", "node_online", "--timestamp", given], &not_a_time(given));
    }
    let object = "a JSON object is expected";
    for (given, wanted) in [
        ("", format!("it is empty; {object}")),
        ("[1]", format!("it is an array; {object}")),
        ("\"text\"", format!("it is a string; {object}")),
        ("3", format!("it is a number; {object}")),
        ("true", format!("it is true or false; {object}")),
        ("null", format!("it is null; {object}")),
        ("text", format!("it is not JSON: expected ident at line 1 column 2; {object}")),
        ("{\"a\":NaN}", format!("it is not JSON: expected value at line 1 column 6; {object}")),
        ("{\"a\":1}}", format!("it is not JSON: trailing characters at line 1 column 8; {object}")),
        ("{'a':1}", format!("it is not JSON: key must be a string at line 1 column 2; {object}")),
        (
            "{\"a\":1,}",
            format!("it is not JSON: key must be a string at line 1 column 8; {object}"),
        ),
        ("@array.json", format!("it is an array; {object}")),
        ("@latin1.json", "latin1.json is not UTF-8 text".to_owned()),
        ("@large.json", "large.json has more than 1048576 bytes (events.max_bytes)".to_owned()),
        ("-", format!("it is empty; {object}")),
    ] {
        let wanted = format!("payload: {wanted}");
        refused(&lab, 65, &["emit", "node_online", "--payload", given], &wanted);
    }
    let missing = "nothing.json: cannot read: no such file or directory";
    refused(&lab, 66, &["emit", "node_online", "--payload", "@nothing.json"], missing);
    refused(
        &lab,
        74,
        &["emit", "node_online", "--payload", "@events"],
        "events: cannot read: is a directory",
    );
    let long = "s".repeat(256);
    for (flag, field) in
        [("--source", "source"), ("--service", "service"), ("--correlation-id", "correlation_id")]
    {
        for (given, wanted) in [
            ("", "it is empty; a name is expected"),
            (long.as_str(), "it has 256 bytes; at most 255 are allowed"),
            ("a\tb", "\"a\\tb\" has control characters in it"),
            ("a\u{1b}[2J", "\"a\\u{1b}[2J\" has control characters in it"),
        ] {
            let wanted = format!("{field}: {wanted}");
            refused(&lab, 65, &["emit", "node_online", flag, given], &wanted);
        }
    }
}

#[test]
fn the_policys_limit_on_size_counts_the_whole_event() {
    let lab = lab();
    policy(&lab, "version = 1\n[events]\nmax_bytes = \"1KiB\"\n");
    let payload = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length));
    let flags = ["emit", "node_online", "--node=n", "--correlation-id=c", "--payload"];
    let with = |payload: &str| {
        let mut all = flags.to_vec();
        all.push(payload);
        lab.run(all)
    };
    // The envelope of these events has 163 bytes, the payload's own 8.
    assert_eq!(with(&payload(1024 - 171)).code, 0);
    let run = assert_untouched(&lab, || with(&payload(1024 - 170)));
    assert_eq!(run.code, 65);
    assert_eq!(
        sentence(&run),
        "payload: the event would have 1025 bytes; the policy allows 1024 (events.max_bytes)"
    );
}

/// Every command that acts by the policy refuses a bad one before it touches anything; to
/// emit is another matter.
#[test]
fn a_bad_policy_stops_everything_before_anything_is_touched() {
    let lab = lab();
    for (text, wanted) in [
        (
            "version = 1\n[rotate]\nkeep_liv = \"7d\"\n",
            ":3: unknown key keep_liv in [rotate]; did you mean keep_live?",
        ),
        ("version = 1\n\n[rotat]\n", ":3: unknown key rotat at the top; did you mean rotate?"),
        ("version = 2\n", ":1: version = 2: expected 1, the version that this program understands"),
        ("[rotate]\n", ": the version is missing; begin the policy with \"version = 1\""),
        (
            "version = 1\n[rotate]\nkeep_live = \"-1d\"\n",
            ":3: keep_live = \"-1d\": expected a duration such as \"7d\", \"12h\" or \"2y\"",
        ),
        (
            "version = 1\n[rotate]\nkeep_live = \"999y\"\n",
            ":3: keep_live = \"999y\": expected a duration of at most 10y",
        ),
        (
            "version = 1\n[rotate]\nlevel = 99\n",
            ":3: level = 99: expected a zstd level from 1 to 22",
        ),
        (
            "version = 1\n[rotate]\nframe_size = \"1TiB\"\n",
            ":3: frame_size = \"1TiB\": expected a size from \"4KiB\" to \"64MiB\"",
        ),
        (
            "version = 1\n[rotate]\ninvalid = \"delete\"\n",
            ":3: invalid = \"delete\": expected \"archive\" or \"hold\"",
        ),
        (
            "version = 1\n[retain]\nkeep = \"1h\"\n",
            ":3: keep = \"1h\": expected at least one day, \"1d\"",
        ),
        (
            "version = 1\n[retain]\nmin_free = \"100%\"\n",
            ":3: min_free = \"100%\": expected a share such as \"10%\" (at most 90%) or a size such as \"5GiB\"",
        ),
        (
            "version = 1\n[events]\nmax_bytes = \"1GiB\"\n",
            ":3: max_bytes = \"1GiB\": expected a size from \"1KiB\" to \"64MiB\"",
        ),
        (
            "version = 1\n[events]\ntypes = [\"Backup-Done\"]\n",
            ":3: types: \"Backup-Done\" is not in its normal form; write \"backup_done\"",
        ),
        ("version = 1\n[rotate\n", ":2: this is not TOML: unclosed table, expected `]`"),
        ("", ": the version is missing; begin the policy with \"version = 1\""),
    ] {
        policy(&lab, text);
        let wanted = format!("{}{wanted}", lab.path("policy.toml").display());
        let now = crate::common::NOW;
        for command in [
            &["rotate", "--now", now][..],
            &["rotate", "--now", now, "--dry-run"],
            &["policy", "show"],
            &["policy", "check"],
        ] {
            refused(&lab, 78, command, &wanted);
        }
    }
    // Whoever only reads does not need it.
    assert_eq!(lab.list_all().len(), 2);
    lab.ok(["verify"]);
}

#[test]
fn a_policy_that_cannot_be_read_is_named() {
    let lab = lab();
    let missing = "nowhere.toml: cannot read: no such file or directory";
    refused(&lab, 66, &["rotate", "--policy", "nowhere.toml"], missing);
    fs::write(lab.path("binary.toml"), b"\xff\xfe").unwrap();
    refused(&lab, 78, &["policy", "check", "binary.toml"], "binary.toml: it is not UTF-8 text");
    fs::write(lab.path("large.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    let large = "large.toml: it is larger than 1 MiB; a policy is a short text";
    refused(&lab, 78, &["policy", "check", "large.toml"], large);
}

#[test]
fn questions_that_make_no_sense_are_refused_before_anything_is_read() {
    let lab = lab();
    let not_a_time = |flag: &str, text: &str| {
        format!(
            "{flag}: \"{text}\" is not a time: expected a date (2026-05-16), a timestamp \
             (2026-05-16T10:11:12Z), now, today, yesterday 02:50, monday, last night, 03:00, or an \
             age (\"2h ago\")"
        )
    };
    refused(&lab, 2, &["list", "--since", "soon"], &not_a_time("--since", "soon"));
    refused(&lab, 2, &["list", "--until", "2026-02-30"], &not_a_time("--until", "2026-02-30"));
    refused(&lab, 2, &["rotate", "--now", "x"], &not_a_time("--now", "x"));
    let not_a_day = "\"2026-5-1\" is not a day: expected YYYY-MM-DD, today, yesterday or monday";
    for command in [
        &["list", "--date", "2026-5-1"][..],
        &["rotate", "--date", "2026-5-1"],
        &["verify", "2026-5-1"],
    ] {
        refused(&lab, 2, command, not_a_day);
    }
    refused(
        &lab,
        2,
        &["list", "--since", "2026-05-02", "--until", "2026-05-01"],
        "--since 2026-05-02T00:00:00.000000Z is not before 2026-05-02T00:00:00.000000Z, where \
         --until ends; nothing could match",
    );
    refused(
        &lab,
        2,
        &["show", "nonsense"],
        "nonsense: expected an event's UUID or its path YYYY-MM-DD/NODE/FILE.json",
    );
    refused(
        &lab,
        2,
        &["show", "2026-05-16/../x.json"],
        "2026-05-16/../x.json: expected an event's UUID or its path YYYY-MM-DD/NODE/FILE.json",
    );
    refused(
        &lab,
        2,
        &["restore", "2026-05-16"],
        "name the destination: --to DIR for a directory, or --live for the live tree",
    );
    refused(
        &lab,
        2,
        &["restore", "--live"],
        "say what: a day such as 2026-05-16, or a filter such as --correlation-id",
    );
    let events = lab.root().display().to_string();
    refused(
        &lab,
        2,
        &["restore", "2026-05-16", "--to", &events],
        &format!("{events}: this is the live tree; restore into it with --live"),
    );
    refused(
        &lab,
        2,
        &["verify", "--live", "--head", &"1".repeat(64)],
        "--head: the manifest is not checked with --live",
    );
}
