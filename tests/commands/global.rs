//! What every command has in common: flags, formats, errors, colours, exit codes.

use std::process::{Command, Stdio};

use crate::common::verbs::assert_every_verb;
use crate::common::{HLARCHIVE, Lab, NOW, Run};
use crate::support::{EVENT, Event, assert_untouched, json, sentence};

#[cfg(not(feature = "mcp"))]
#[test]
fn a_server_without_its_feature_says_how_to_get_it() {
    let run = Lab::new().fails(69, ["mcp", "--allow-emit"]);
    let text = crate::support::sentence(&run);
    assert!(text.contains("--features mcp"), "{text}");
}

#[test]
fn a_wrong_flag_or_word_is_exit_code_2_with_the_usage() {
    let lab = Lab::new();
    for (arguments, usage) in [
        (&["--frob"][..], "Usage: hlarchive [OPTIONS] <COMMAND>"),
        (&["frob"], "Usage: hlarchive [OPTIONS] <COMMAND>"),
        (&["list", "--frob"], "Usage: hlarchive list [OPTIONS]"),
        (&["list", "word"], "Usage: hlarchive list [OPTIONS]"),
        (&["--root", "x", "list", "word"], "Usage: hlarchive list [OPTIONS]"),
        (&["list", "--live-only", "--archived-only"], "Usage: hlarchive list [OPTIONS]"),
        (&["emit"], "Usage: hlarchive emit [OPTIONS] TYPE"),
        (&["trace"], "Usage: hlarchive trace [OPTIONS] <CORRELATION_ID>"),
        (&["show"], "Usage: hlarchive show [OPTIONS] <UUID|PATH>"),
        (&["inspect"], "Usage: hlarchive inspect [OPTIONS] <DATE|FILE>"),
        (&["manifest", "frob"], "Usage: hlarchive manifest [OPTIONS] <COMMAND>"),
        (&["manifest", "head", "x"], "Usage: hlarchive manifest head [OPTIONS]"),
        (&["list", "--quiet", "--verbose"], "Usage: hlarchive list [OPTIONS]"),
    ] {
        let run = assert_untouched(&lab, || lab.fails(2, arguments));
        assert_eq!(run.stdout, "");
        assert!(run.stderr.starts_with("error: "), "{run:?}");
        assert!(run.stderr.lines().any(|line| line == usage), "{arguments:?}: {run:?}");
        assert!(run.stderr.ends_with("For more information, try '--help'.\n"), "{run:?}");
    }
    // No command at all: the help, as an error.
    let run = lab.fails(2, [""; 0]);
    assert!(run.stderr.contains("Usage: hlarchive [OPTIONS] <COMMAND>"), "{run:?}");
}

#[test]
fn values_that_make_no_sense_name_the_flag_and_what_is_expected() {
    let lab = Lab::new();
    for (arguments, wanted) in [
        (
            &["list", "--limit=many"][..],
            "error: invalid value 'many' for '--limit <N>': expected a number of events",
        ),
        (
            &["list", "--severity=bad"],
            "error: invalid value 'bad' for '--severity <LEVEL>': expected info, warning, error or critical",
        ),
        (&["list", "-o", "xml"], "error: invalid value 'xml' for '--output <FORMAT>'"),
        (&["list", "--color=blue"], "error: invalid value 'blue' for '--color <WHEN>'"),
        (
            &["list", "--since"],
            "error: a value is required for '--since <TIME>' but none was supplied",
        ),
        (
            &["list", "--root="],
            "error: a value is required for '--root <DIR>' but none was supplied",
        ),
    ] {
        let run = assert_untouched(&lab, || lab.fails(2, arguments));
        assert_eq!(run.stderr.lines().next().unwrap(), wanted);
    }
}

#[test]
fn formats_that_a_command_does_not_have_are_refused_before_anything_is_done() {
    let lab = Lab::new();
    EVENT.write(&lab);
    let lines = [
        (&["emit", "node_online"][..], "table", "path, json or ndjson"),
        (&["emit", "--batch"], "json", "path or ndjson"),
        (&["rotate", "--now", NOW], "path", "table or json"),
        (&["rotate", "--now", NOW], "ndjson", "table or json"),
        (&["verify"], "ndjson", "table or json"),
        (&["inspect", "2026-05-16"], "path", "table or json"),
        (&["restore", "2026-05-16", "--live"], "ndjson", "table or json"),
        (&["manifest", "head"], "path", "table or json"),
        (&["manifest", "show"], "path", "table, json or ndjson"),
        (&["manifest", "rebuild"], "ndjson", "table or json"),
        (&["policy", "show"], "path", "table or json"),
        (&["policy", "check"], "ndjson", "table or json"),
        (&["list"], "mermaid", "table, json, ndjson or path"),
        (&["trace", "x"], "csv", "table, json, ndjson, path, mermaid, dot or html"),
        (&["show", "x"], "csv", "table, json, ndjson or path"),
        (&["attempts"], "path", "table or json"),
        (&["outages"], "path", "table, json or csv"),
        (&["count"], "path", "table, json or csv"),
        (&["values", "node"], "ndjson", "table, json, csv or path"),
        (&["status"], "path", "table or json"),
        (&["prune"], "path", "table or json"),
        (&["compact"], "path", "table or json"),
        (&["hold", "add", "2026-05-16", "--reason=x"], "path", "table or json"),
        (&["hold", "list"], "path", "table or json"),
        (&["hold", "release", "1"], "path", "table or json"),
        (&["evidence", "x", "--to=out"], "path", "table or json"),
        (&["export", "--format=csv", "--to=out"], "path", "table or json"),
        (&["import", "x"], "path", "table or json"),
        (&["sync", "x"], "path", "table or json"),
        (&["manifest", "sign", "--key=x"], "path", "table or json"),
        (&["remote", "status"], "path", "table or json"),
        (&["remote", "push"], "path", "table or json"),
        (&["remote", "pull"], "path", "table or json"),
        (&["remote", "verify"], "path", "table or json"),
        (&["remote", "rebuild"], "path", "table or json"),
    ];
    let tried: Vec<&[&str]> = lines.iter().map(|(arguments, ..)| *arguments).collect();
    assert_every_verb(
        &tried,
        &[
            (&["completions", "man", "demo"], "their text is of one kind, whatever the flag says"),
            (&["mcp"], "it is not built into each program; tests/commands/mcp.rs has it"),
        ],
    );
    for (arguments, format, wanted) in lines {
        let run = assert_untouched(&lab, || lab.fails(2, arguments.iter().chain(&["-o", format])));
        let message = format!("--output {format}: this command prints {wanted}");
        if format == "json" {
            assert_eq!(json(&run.stderr)["error"]["message"], message);
        } else {
            assert_eq!(sentence(&run), message, "{arguments:?}");
        }
    }
}

#[test]
fn with_json_output_every_error_is_one_object_on_standard_error() {
    let lab = Lab::new();
    for (arguments, code, message) in [
        (&["emit", "x/y"][..], 65, "type: \"x/y\" is not an event type"),
        (&["show", &EVENT.id()], 66, &format!("{}: no such event", EVENT.id())),
        (&["list", "--since=soon"], 2, "--since: \"soon\" is not a time"),
        (&["list", "--frob"], 2, "unexpected argument '--frob' found"),
        (&["frob"], 2, "unrecognized subcommand 'frob'"),
        (&["rotate", "--date=2999-01-01"], 75, "2999-01-01: the day is not over yet"),
        (&["policy", "check", "policy.toml/x"], 74, "policy.toml/x: cannot read: not a directory"),
        (&["inspect", "nowhere"], 66, "nowhere: cannot open: no such file or directory"),
        (&["emit", "node_online", "--root=/proc/no"], 73, "/proc/no: cannot create"),
    ] {
        for output in [&["-o", "json"][..], &["-ojson"], &["--output=json"], &["--output", "json"]]
        {
            let run = assert_untouched(&lab, || lab.fails(code, arguments.iter().chain(output)));
            assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 1), "{run:?}");
            let error = json(&run.stderr);
            assert_eq!(error.as_object().unwrap().len(), 1);
            assert_eq!(error["error"].as_object().unwrap().len(), 2, "{run:?}");
            assert_eq!(error["error"]["code"], code);
            let told = error["error"]["message"].as_str().unwrap();
            assert!(told.starts_with(message), "{told}");
        }
    }
}

#[test]
fn colours_come_on_terminals_or_when_they_are_asked_for() {
    let lab = Lab::new();
    Event { severity: "error", ..EVENT }.write(&lab);
    let list = ["list", "--since=2000-01-01"];
    let plain = lab.ok(list);
    assert!(!plain.contains('\u{1b}'), "a pipe gets plain text");
    let with = |flags: &[&str], variables: &[(&str, &str)]| {
        let mut command = lab.command(list.iter().chain(flags));
        command.envs(variables.iter().copied());
        Run::of(&command.output().unwrap()).stdout
    };
    let coloured = with(&["--color=always"], &[]);
    let lines: Vec<&str> = coloured.lines().collect();
    assert!(
        lines[0].starts_with("\u{1b}[2mTIME") && lines[0].ends_with("\u{1b}[0m"),
        "{coloured:?}"
    );
    assert!(lines[1].starts_with("\u{1b}[31m2026-05-16") && lines[1].ends_with("\u{1b}[0m"));
    let without =
        coloured.replace("\u{1b}[2m", "").replace("\u{1b}[31m", "").replace("\u{1b}[0m", "");
    assert_eq!(without, plain);
    assert_eq!(with(&["--color=always"], &[("NO_COLOR", "1")]), coloured, "the flag says always");
    assert_eq!(with(&[], &[("HLARCHIVE_COLOR", "always")]), coloured);
    assert_eq!(with(&["--color=never"], &[("HLARCHIVE_COLOR", "always")]), plain);
    // On a terminal: script(1) makes one.
    let Some(script) = crate::common::tool("script") else { return };
    let terminal = |flags: &str, variables: &[(&str, &str)]| {
        let line = format!("stty cols 200; '{HLARCHIVE}' list --since=2000-01-01 {flags}");
        let mut command = Command::new(&script);
        command.args(["-qec", &line, "/dev/null"]).current_dir(lab.path("")).stdin(Stdio::null());
        command.env("HLARCHIVE_ROOT", lab.root()).env_remove("NO_COLOR").env_remove("COLUMNS");
        command.envs(variables.iter().copied());
        String::from_utf8(command.output().unwrap().stdout).unwrap().replace("\r\n", "\n")
    };
    assert_eq!(terminal("", &[]), coloured);
    assert_eq!(terminal("", &[("NO_COLOR", "1")]), plain);
    assert_eq!(terminal("", &[("NO_COLOR", "")]), coloured, "empty means unset");
    assert_eq!(terminal("--color=never", &[]), plain);
    assert_eq!(terminal("-o path", &[]), format!("{}\n", EVENT.path()));
}

#[test]
fn the_places_come_from_flags_or_from_the_environment() {
    let lab = Lab::new();
    let other = Lab::new();
    EVENT.write(&other);
    other.rotate();
    Event { number: 1, ..EVENT }.write(&other);
    let (root, archive) = (other.root(), other.archive());
    let list = ["list", "--since=2000-01-01", "-opath"];
    assert_eq!(lab.ok(list), "");
    let flags = ["--root", root.to_str().unwrap(), "--archive", archive.to_str().unwrap()];
    // Before the command and after it.
    let both = other.ok(list);
    assert_eq!(both.lines().count(), 2);
    assert_eq!(lab.ok(flags.iter().chain(&list)), both);
    assert_eq!(lab.ok(list.iter().chain(&flags)), both);
    // Without one named, the archive is the root's sibling.
    let mut command = lab.command(list);
    command.env_remove("HLARCHIVE_ARCHIVE").env("HLARCHIVE_ROOT", &root);
    assert_eq!(Run::of(&command.output().unwrap()).stdout, both);
    let mut command = lab.command(["list", "--since=2000-01-01", "-opath", "--root=events/"]);
    command.env_remove("HLARCHIVE_ARCHIVE").current_dir(other.path(""));
    assert_eq!(Run::of(&command.output().unwrap()).stdout, both);
}

#[test]
fn quiet_prints_results_and_errors_alone() {
    let lab = Lab::new();
    EVENT.write(&lab);
    lab.write("2026-05-16/pi4/broken.json", "x");
    let run = lab.run(["list", "-q"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let run = lab.run(["rotate", "-q", "--dry-run", "--now", NOW]);
    assert!(run.stdout.starts_with("2026-05-16  2 files, 167 B; needs about "), "{run:?}");
    assert_eq!(run.stderr, "");
    let run = lab.run(["trace", "nope", "--quiet"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (1, "", ""));
    let run = lab.fails(66, ["show", "-q", "2026-05-16/pi4/none.json"]);
    assert_eq!(
        sentence(&run),
        "2026-05-16/pi4/none.json: no such event, neither live nor archived"
    );
}

#[test]
fn a_full_standard_output_is_an_error_for_every_command() {
    let lab = Lab::new();
    lab.seed(1, 3);
    lab.rotate();
    for arguments in [
        &["list", "--since=2000-01-01"][..],
        &["list", "--since=2000-01-01", "-ojson"],
        &["trace", "run-10-0"],
        &["verify"],
        &["inspect", "2026-05-10"],
        &["manifest", "show"],
        &["policy", "show"],
        &["completions", "bash"],
        &["man"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = lab.command(arguments);
        command.stdout(full).stderr(Stdio::piped());
        let run = Run::of(&command.spawn().unwrap().wait_with_output().unwrap());
        assert_eq!(run.code, 74, "{arguments:?}: {run:?}");
        let told = "standard output: cannot write: no space left on device";
        assert!(run.stderr.contains(told), "{arguments:?}: {run:?}");
    }
}
