//! The manual pages, generated from the definition of the command line, so that they cannot
//! differ from `--help`. The same program gives the same pages, whatever the day, the
//! terminal or the environment.
//!
//! `clap_mangen` would put all that follows the options in a help text into one section, `EXTRA`,
//! as it stands there. Here examples, exit statuses, files and variables each have the section
//! where readers of manual pages look for them, so the pages are written by hand, on `roff`.

use clap::{Arg, Command};

use super::roff::{Part, Roff};

/// The day of the last change to the manual that a reader should know of.
const DATE: &str = "2026-11-24";

/// The text after a command's options in its help, in parts.
#[derive(Default)]
struct AfterHelp<'a> {
    paragraphs: Vec<&'a str>,
    examples: Vec<&'a str>,
    /// Codes and their meanings.
    exit_codes: Vec<(&'a str, String)>,
}

/// Returns every page, by its name without the section.
pub(super) fn pages(command: &Command) -> Vec<(String, String)> {
    let mut all = Vec::new();
    collect(command, None, &mut all);
    all
}

fn collect(command: &Command, parent: Option<&str>, all: &mut Vec<(String, String)>) {
    let name = match parent {
        Some(parent) => format!("{parent}-{}", command.get_name()),
        None => command.get_name().to_owned(),
    };
    all.push((name.clone(), page(command, &name, parent)));
    for sub in visible(command) {
        collect(sub, Some(&name), all);
    }
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

fn page(command: &Command, name: &str, parent: Option<&str>) -> String {
    let mut roff = Roff::default();
    let source = format!("hlarchive {}", env!("CARGO_PKG_VERSION"));
    roff.title(name, DATE, &source, "hlarchive manual");
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    roff.section("NAME");
    roff.text(&format!("{name} - {}", lower_first(&about)));
    roff.section("SYNOPSIS");
    synopsis(&mut roff, command);
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let after = take_apart(&after);
    roff.section("DESCRIPTION");
    roff.text(&format!("{}.", about.trim_end_matches('.')));
    for paragraph in &after.paragraphs {
        roff.paragraph();
        roff.text(paragraph);
    }
    if visible(command).next().is_some() {
        roff.section("COMMANDS");
        for sub in visible(command) {
            let page = format!("{name}-{}", sub.get_name());
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            roff.item(&[Part::Bold(&page), Part::Plain("(1)")], &about);
        }
    }
    options(&mut roff, command, parent.is_some());
    exit_status(&mut roff, &after, parent.is_some());
    if parent.is_none() {
        environment(&mut roff, command);
        files(&mut roff);
    }
    if !after.examples.is_empty() {
        roff.section("EXAMPLES");
        roff.verbatim(after.examples.iter().copied());
    }
    see_also(&mut roff, command, name, parent);
    roff.finish()
}

/// Returns the usage from the help; it has a line for each form.
fn synopsis(roff: &mut Roff, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let forms = usage.trim_start_matches("Usage:").lines().map(str::trim);
    roff.verbatim(forms.filter(|form| !form.is_empty()));
}

fn options(roff: &mut Roff, command: &Command, refer: bool) {
    let mut headings: Vec<&str> = Vec::new();
    let shown = |arg: &&Arg| !(arg.is_hide_set() || refer && arg.is_global_set());
    for arg in command.get_arguments().filter(shown) {
        let heading = arg.get_help_heading().unwrap_or("Options");
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings.sort_by_key(|heading| *heading != "Options");
    for heading in headings {
        roff.section(&heading.to_uppercase());
        for arg in command.get_arguments().filter(shown) {
            if arg.get_help_heading().unwrap_or("Options") == heading {
                option(roff, arg);
            }
        }
        if refer && heading == "Options" {
            roff.paragraph();
            roff.text(
                "The options of every command, such as --root and --output, are described in \
                 hlarchive(1).",
            );
        }
    }
}

fn option(roff: &mut Roff, arg: &Arg) {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let takes_values = arg.get_num_args().is_some_and(|range| range.takes_values());
    let values = match arg.get_value_names() {
        Some(names) if takes_values => names.join(" "),
        _ => String::new(),
    };
    let mut term = Vec::new();
    if let Some(short) = &short {
        term.push(Part::Bold(short));
    }
    if let Some(long) = &long {
        if short.is_some() {
            term.push(Part::Plain(", "));
        }
        term.push(Part::Bold(long));
        if !values.is_empty() {
            term.push(Part::Plain(" "));
        }
    }
    if !values.is_empty() {
        term.push(Part::Italic(&values));
    }
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if takes_values && !arg.is_hide_possible_values_set() {
        let possible = arg.get_possible_values();
        let names: Vec<&str> =
            possible.iter().map(clap::builder::PossibleValue::get_name).collect();
        if !names.is_empty() {
            text.push_str(&format!(" [possible values: {}]", names.join(", ")));
        }
    }
    if let Some(variable) = arg.get_env() {
        text.push_str(&format!(" [env: {}]", variable.to_string_lossy()));
    }
    if takes_values {
        for default in arg.get_default_values() {
            text.push_str(&format!(" [default: {}]", default.to_string_lossy()));
        }
    }
    roff.item(&term, &text);
}

fn exit_status(roff: &mut Roff, after: &AfterHelp<'_>, refer: bool) {
    roff.section("EXIT STATUS");
    if refer {
        roff.item(&[Part::Bold("0")], "done");
    }
    for (code, meaning) in &after.exit_codes {
        roff.item(&[Part::Bold(code)], meaning);
    }
    if refer {
        roff.paragraph();
        roff.text("hlarchive(1) lists the codes that all commands share.");
    }
}

fn environment(roff: &mut Roff, command: &Command) {
    roff.section("ENVIRONMENT");
    for arg in command.get_arguments() {
        if let (Some(variable), Some(long)) = (arg.get_env(), arg.get_long()) {
            let text = format!("what --{long} is when it is not given");
            roff.item(&[Part::Bold(&variable.to_string_lossy())], &text);
        }
    }
    for (variable, text) in [
        (
            "HLARCHIVE_METRICS_FILE",
            "what --metrics-file of rotate, prune and others is when it is not given",
        ),
        (
            "JOURNAL_STREAM",
            "if it names standard error, as under systemd, messages there have priorities",
        ),
        ("NO_COLOR", "set and not empty: no colours, unless --color always is given"),
        ("COLUMNS", "maximum width of tables if the output is not a terminal"),
        ("USER", "the user that the manifest records; without it, LOGNAME or the user's number"),
    ] {
        roff.item(&[Part::Bold(variable)], text);
    }
}

fn files(roff: &mut Roff) {
    roff.section("FILES");
    for (file, text) in [
        ("/opt/homelab/events/YYYY-MM-DD/NODE/TIMESTAMP_TYPE_UUID.json", "a live event"),
        (
            "/opt/homelab/events-archive/YYYY/YYYY-MM-DD.tar.zst",
            "a day's segment: an ordinary tar file, compressed; beside it a .sha256 file",
        ),
        (
            "/opt/homelab/events-archive/manifest.jsonl",
            "the archive's append-only, hash-chained log",
        ),
        ("/etc/hlarchive/policy.toml", "the policy of this machine"),
        (
            "/var/lib/hlarchive/hlarchive.prom",
            "how the last runs on /opt/homelab/events-archive ended, if their user may write \
             it and no --metrics-file was given",
        ),
    ] {
        roff.item(&[Part::Italic(file)], text);
    }
}

fn see_also(roff: &mut Roff, command: &Command, name: &str, parent: Option<&str>) {
    let mut pages = Vec::new();
    if name != "hlarchive" {
        pages.push("hlarchive(1)".to_owned());
    }
    if let Some(parent) = parent.filter(|parent| *parent != "hlarchive") {
        pages.push(format!("{parent}(1)"));
    }
    for sub in visible(command) {
        pages.push(format!("{name}-{}(1)", sub.get_name()));
    }
    let others: &[&str] = match name {
        "hlarchive" => &["sha256sum(1)", "tar(1)", "zstd(1)", "systemd.timer(5)"],
        "hlarchive-emit" => &["hlarchive-list(1)", "hlarchive-trace(1)"],
        "hlarchive-list" => &["hlarchive-show(1)", "hlarchive-trace(1)"],
        "hlarchive-trace" => &["hlarchive-attempts(1)", "hlarchive-list(1)"],
        "hlarchive-show" => &["hlarchive-list(1)"],
        "hlarchive-attempts" => &["hlarchive-status(1)", "hlarchive-trace(1)"],
        "hlarchive-status" => &["hlarchive-attempts(1)", "hlarchive-verify(1)"],
        "hlarchive-rotate" => &["hlarchive-verify(1)", "hlarchive-policy(1)", "systemd.timer(5)"],
        "hlarchive-verify" => &["hlarchive-manifest-head(1)", "sha256sum(1)"],
        "hlarchive-inspect" => &["hlarchive-list(1)", "hlarchive-restore(1)"],
        "hlarchive-restore" => &["hlarchive-list(1)", "hlarchive-inspect(1)", "tar(1)"],
        "hlarchive-evidence" => {
            &["hlarchive-hold(1)", "hlarchive-manifest-sign(1)", "minisign(1)", "sha256sum(1)"]
        }
        "hlarchive-manifest-head" => &["hlarchive-verify(1)"],
        "hlarchive-man" => &["man(1)"],
        _ => &[],
    };
    pages.extend(others.iter().map(|page| (*page).to_owned()));
    roff.section("SEE ALSO");
    roff.text(&pages.join(", "));
}

/// Splits the help: examples and exit codes have a heading and are indented; everything else is
/// text.
fn take_apart(help: &str) -> AfterHelp<'_> {
    let mut after = AfterHelp::default();
    for block in help.split("\n\n") {
        if let Some(lines) = block.strip_prefix("Examples:\n") {
            after.examples = lines.lines().map(|line| line.get(2..).unwrap_or(line)).collect();
        } else if let Some(lines) = block.strip_prefix("Exit codes:\n") {
            for line in lines.lines() {
                match line.trim().split_once(' ') {
                    Some((code, meaning)) if code.bytes().all(|b| b.is_ascii_digit()) => {
                        after.exit_codes.push((code, meaning.trim().to_owned()));
                    }
                    // A meaning continues on the next line.
                    _ => {
                        if let Some((_, meaning)) = after.exit_codes.last_mut() {
                            meaning.push(' ');
                            meaning.push_str(line.trim());
                        }
                    }
                }
            }
        } else if !block.trim().is_empty() {
            after.paragraphs.push(block);
        }
    }
    after
}

/// Lowers the first letter, as pages' names are explained; names of people and formats stay.
fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
