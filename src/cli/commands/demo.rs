//! `hlarchive demo`: the full story, on made-up events, with real commands.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use walkdir::WalkDir;

use crate::Error;
use crate::event::Date;
use crate::policy::Policy;
use crate::system;

use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::signals::Stop;

/// See everything work, on made-up events in a temporary directory
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive demo

Emits, lists, rotates, traces, verifies and restores made-up events, and shows each command with \
what it prints. This machine's events and archives are neither read nor written.")]
pub(in crate::cli) struct Args {}

/// The chain that the demo follows: a deployment that fails shortly before midnight and is
/// repaired after it. Seconds are counted from that midnight.
#[rustfmt::skip]
const CHAIN: [(i64, &str, &str, &str, &str, &str, &str); 7] = [
    (-110, "pi4", "deployment_started", "info", "deploy.sh", "mosquitto", r#"{"version":"2.0.18","phase":"pull"}"#),
    (-35, "pi4", "healthcheck_failed", "warning", "healthcheck.sh", "mosquitto", r#"{"check":"tcp/1883","attempt":3}"#),
    (-20, "pi4", "deployment_failed", "error", "deploy.sh", "mosquitto", r#"{"phase":"verify","error":"port 1883 not bound"}"#),
    (65, "pi4", "remediation_started", "info", "agent", "mosquitto", r#"{"action":"roll back to 2.0.15","attempt":1}"#),
    (98, "pi4", "deployment_started", "info", "deploy.sh", "mosquitto", r#"{"version":"2.0.15","phase":"pull"}"#),
    (131, "pi4", "remediation_completed", "info", "agent", "mosquitto", r#"{"action":"roll back to 2.0.15","success":true}"#),
    (140, "pi4", "service_recovered", "info", "healthcheck.sh", "mosquitto", r#"{"check":"tcp/1883"}"#),
];

impl Args {
    #[allow(clippy::unused_self, reason = "every command has this face")]
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let stop = Stop::listen();
        let directory = tempfile::Builder::new()
            .prefix("hlarchive-demo-")
            .tempdir()
            .map_err(|error| Error::io(system::scratch(), "create", error))?;
        let mut demo = Demo { session, place: directory.path(), stop };
        let outcome = demo.play();
        directory.close().map_err(|error| Error::io(system::scratch(), "remove", error))?;
        outcome.map(|()| Exit::Done)
    }
}

struct Demo<'a> {
    session: &'a mut Session,
    place: &'a Path,
    stop: Stop,
}

impl Demo<'_> {
    fn play(&mut self) -> Result<(), Failure> {
        self.write("policy.toml", Policy::built_in()?.text())?;
        // The first day is past the policy's seven days, the second is not yet.
        let second = self.session.now.date().plus_days(-7);
        let first = second.plus_days(-1);

        self.say("Events are emitted from scripts, one by one or as JSON lines:")?;
        let timestamp = format!("{first}T23:58:10Z");
        self.run(&[
            "emit",
            "deployment_started",
            "--node",
            "pi4",
            "--source",
            "deploy.sh",
            "--service",
            "mosquitto",
            "--correlation-id",
            "deploy-882",
            "--timestamp",
            &timestamp,
            "--payload",
            r#"{"version":"2.0.18","phase":"pull"}"#,
        ])?;
        self.write("more.ndjson", &batch(second))?;
        self.run_from("more.ndjson", &["emit", "--batch"])?;

        self.say("\nEach is a plain file, and a day can be listed:")?;
        self.run(&["list", "--date", &first.to_string()])?;
        let before = contents(&self.place.join("events").join(first.to_string()))?;

        self.say("\nAt night, days older than the policy's seven become segments:")?;
        self.run(&["rotate", "--dry-run"])?;
        self.run(&["rotate"])?;

        self.say("\nLive and archived days are queried the same way:")?;
        let (since, until) = (first.to_string(), second.to_string());
        self.run(&["list", "--since", &since, "--until", &until, "--min-severity", "warning"])?;
        self.run(&["trace", "deploy-882"])?;

        self.say("\nNothing was lost or altered:")?;
        self.run(&["verify"])?;

        self.say("\nAnd the day can be restored, byte for byte:")?;
        self.run(&["restore", &first.to_string(), "--to", "that-day"])?;
        let after = contents(&self.place.join("that-day").join(first.to_string()))?;
        if before != after || before.is_empty() {
            return Err(Error::corrupt(
                self.place.join("that-day"),
                "the restored files are not those that were emitted",
            )
            .into());
        }
        self.without_hlarchive(first)?;
        self.say("\nAll of this was in a temporary directory, which is now removed.")
    }

    /// Shows the way without hlarchive, if the usual tools are installed.
    fn without_hlarchive(&mut self, day: Date) -> Result<(), Failure> {
        let folder = self.place.join("events-archive").join(format!("{:04}", day.year()));
        let file = format!("{day}.tar.zst.sha256");
        let checked = Command::new("sha256sum").args(["-c", &file]).current_dir(folder).output();
        if let Ok(output) = checked {
            self.say("\nWithout hlarchive, the usual tools are enough:")?;
            self.show(&format!("cd events-archive/{:04} && sha256sum -c {file}", day.year()))?;
            self.print(&output)?;
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.session.paint.strong(text);
        self.session.line(&text)
    }

    fn show(&mut self, command: &str) -> Result<(), Failure> {
        let line = self.session.paint.faint(&format!("$ {command}"));
        self.session.line(&line)
    }

    fn run(&mut self, arguments: &[&str]) -> Result<(), Failure> {
        self.run_with(arguments, None)
    }

    fn run_from(&mut self, input: &str, arguments: &[&str]) -> Result<(), Failure> {
        self.run_with(arguments, Some(input))
    }

    /// Runs this very program, and shows the command and what it printed.
    fn run_with(&mut self, arguments: &[&str], input: Option<&str>) -> Result<(), Failure> {
        if self.stop.asked() {
            return Err(Error::Interrupted("the demo's directory was removed".to_owned()).into());
        }
        let mut shown = "hlarchive".to_owned();
        for argument in arguments {
            shown.push(' ');
            shown.push_str(&quoted(argument));
        }
        let program = std::env::current_exe()
            .map_err(|error| Error::io("the hlarchive program", "find", error))?;
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .current_dir(self.place)
            .env("HLARCHIVE_ROOT", "events")
            .env("HLARCHIVE_ARCHIVE", "events-archive")
            .env("HLARCHIVE_POLICY", "policy.toml")
            .env("HLARCHIVE_COLOR", if self.session.paint.is_on() { "always" } else { "never" })
            .stdin(Stdio::null());
        if let Some(columns) = self.session.width() {
            command.env("COLUMNS", columns.to_string());
        }
        if let Some(input) = input {
            let path = self.place.join(input);
            let file =
                std::fs::File::open(&path).map_err(|error| Error::io(path, "open", error))?;
            command.stdin(file);
            shown = format!("{shown} < {input}");
        }
        self.show(&shown)?;
        let output = command.output().map_err(|error| Error::io(&program, "run", error))?;
        self.print(&output)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Refused(format!("the demo failed: \"{shown}\" ended with {}", output.status))
            .into())
    }

    fn print(&mut self, output: &Output) -> Result<(), Failure> {
        for bytes in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(bytes);
            for line in text.lines() {
                self.session.line(&format!("  {line}"))?;
            }
        }
        self.session.flush()
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.place.join(name);
        std::fs::File::create_new(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Error::io(path, "create", error).into())
    }
}

/// Returns the rest of the chain, and some other events of the two days.
fn batch(second: Date) -> String {
    let midnight = second.start().micros();
    let at =
        |seconds: i64| crate::Timestamp::from_micros(midnight + seconds * 1_000_000).to_string();
    let mut text = String::new();
    let mut line = |seconds: i64, fields: (&str, &str, &str, &str, &str, &str, &str)| {
        let (node, event_type, severity, source, service, correlation_id, payload) = fields;
        // Writing into memory cannot fail.
        let _ = writeln!(
            text,
            "{{\"timestamp\":\"{}\",\"node\":\"{node}\",\"type\":\"{event_type}\",\
             \"severity\":\"{severity}\",\"source\":\"{source}\",\"service\":\"{service}\",\
             \"correlation_id\":\"{correlation_id}\",\"payload\":{payload}}}",
            at(seconds)
        );
    };
    for (seconds, node, event_type, severity, source, service, payload) in CHAIN.into_iter().skip(1)
    {
        line(seconds, (node, event_type, severity, source, service, "deploy-882", payload));
    }
    line(
        -7200,
        (
            "nas",
            "service_unhealthy",
            "warning",
            "healthcheck.sh",
            "jellyfin",
            "jellyfin-17",
            r#"{"reason":"transcoder does not answer"}"#,
        ),
    );
    line(
        -7140,
        ("nas", "service_recovered", "info", "healthcheck.sh", "jellyfin", "jellyfin-17", "{}"),
    );
    line(3600, ("pi5", "node_online", "info", "systemd", "all", "boot-5", r#"{"uptime_s":12}"#));
    text
}

/// Quotes an argument as one would type it into a shell.
fn quoted(argument: &str) -> String {
    let plain = argument
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b':' | b'='));
    if plain && !argument.is_empty() {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

/// Returns every file below a directory with its bytes.
fn contents(directory: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let failed = |error| Error::io(directory, "read", error);
    let mut files = Vec::new();
    for entry in WalkDir::new(directory).sort_by_file_name() {
        let entry = entry.map_err(|error| failed(error.into()))?;
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(directory).unwrap_or(entry.path());
            let bytes = std::fs::read(entry.path()).map_err(failed)?;
            files.push((name.display().to_string(), bytes));
        }
    }
    Ok(files)
}
