//! The readme of a directory of evidence: what is here, how each part is checked with independent
//! tools, and what each check proves and does not.

use std::fmt::Write;

use super::archived::{MANIFEST, SEGMENTS};
use super::outlet::SUMS;
use super::run::Run;
use super::{EvidenceReport, EvidenceSegment};
use crate::Context;
use crate::archive::Head;
use crate::event::shown;
use crate::text::visible;

/// The list of the events that are live.
pub(super) const LIVE: &str = "live-events";

/// The maximum width of running text.
const WIDTH: usize = 76;

/// Maximum number of findings that are named in the text.
const MAX_FINDINGS: usize = 100;

/// A text under construction.
#[derive(Default)]
struct Text(String);

impl Text {
    fn heading(&mut self, text: &str, line: char) {
        let below: String = std::iter::repeat_n(line, text.chars().count()).collect();
        self.push(format_args!("{text}\n{below}\n\n"));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing into memory cannot fail.
        let _ = self.0.write_fmt(text);
    }

    /// Appends running text, broken into lines.
    fn say(&mut self, text: &str) {
        self.filled(text, "");
        self.0.push('\n');
    }

    /// Appends an item of a list.
    fn item(&mut self, text: &str) {
        self.0.push_str("  * ");
        let from = self.0.len();
        self.filled(text, "    ");
        // The first line begins behind the mark.
        self.0.replace_range(from..from + 4, "");
    }

    fn filled(&mut self, text: &str, indent: &str) {
        let mut column = 0;
        for word in text.split(' ') {
            let length = word.chars().count();
            if column == 0 {
                self.0.push_str(indent);
                column = indent.len();
            } else if column + 1 + length > WIDTH {
                self.0.push('\n');
                self.0.push_str(indent);
                column = indent.len();
            } else {
                self.0.push(' ');
                column += 1;
            }
            self.0.push_str(word);
            column += length;
        }
        self.0.push('\n');
    }

    /// Appends commands, each on a line as it is typed.
    fn commands(&mut self, lines: &[String]) {
        for line in lines {
            self.push(format_args!("    {line}\n"));
        }
        self.0.push('\n');
    }
}

/// Quotes a word for the shell.
fn quoted(text: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | ':');
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Writes the text.
pub(super) fn text(run: &Run<'_>, context: &Context) -> String {
    let report = &run.report;
    let mut text = Text::default();
    text.heading("Evidence from an event history", '=');
    text.push(format_args!("Asked for:  {}\n", report.asked.join(", ")));
    text.push(format_args!(
        "Made:       {} by {}@{}\n",
        context.now(),
        shown(&context.by().user),
        shown(&context.by().host)
    ));
    text.push(format_args!("Events:     {}, {} of them still live\n", report.events, report.live));
    if let Some(manifest) = &report.manifest {
        text.push(format_args!(
            "Archive:    {}\n",
            visible(&run.store.archive_path().display().to_string())
        ));
        text.push(format_args!(
            "Manifest:   {} records, head {}\n",
            manifest.records, manifest.head
        ));
    }
    text.0.push('\n');
    what_is_here(&mut text, report);
    what_is_wrong(&mut text, report);
    text.heading("How to check it", '-');
    text.say(
        "Type the commands in this directory, one after the other in one shell (sh will do). They \
         need sha256sum, tar and zstd, and minisign for a signature; none needs hlarchive, and none \
         writes into this directory. Each ends with 0 if it finds what it should.",
    );
    let mut step = 0;
    let mut heading = |text: &mut Text, what: &str| {
        step += 1;
        text.heading(&format!("{step}. {what}"), '-');
    };
    heading(&mut text, "Nothing here was changed since it was made");
    text.commands(&[format!("sha256sum --quiet -c {SUMS}")]);
    text.say(&format!(
        "Proves that every file that {SUMS} names is here with the bytes that were written. Does \
         not prove who made this, or when: whoever can change a file can write a new list. The \
         SHA-256 of {SUMS} itself was printed when this was made; kept on another machine, it proves that \
         this is the same directory."
    ));
    if !report.segments.is_empty() {
        heading(&mut text, "The segments are whole");
        whole_segments(&mut text, report);
        heading(&mut text, "The events lie in the segments, byte for byte");
        events_in_segments(&mut text, run);
    }
    if report.manifest.is_some() {
        heading(&mut text, "The manifest vouches for the segments");
        the_manifest(&mut text, report);
    }
    if let Some(head) = &report.signed {
        heading(&mut text, "The manifest was signed");
        the_signature(&mut text, report, head);
    }
    if report.live > 0 {
        heading(&mut text, "Events that are still live");
        text.commands(&[format!("(cd events && sha256sum --quiet -c ../{LIVE})")]);
        text.say(&format!(
            "{LIVE} names the events that were not archived yet. Nothing but this copy vouches for \
             them: no record of the manifest names them, and whoever could write to the event tree \
             could have changed them before it was made. They can be checked as all others by a \
             further directory of evidence that is made once their days are archived: their bytes \
             are then the same."
        ));
    }
    text.0.truncate(text.0.trim_end().len());
    text.0.push('\n');
    text.0
}

fn what_is_here(text: &mut Text, report: &EvidenceReport) {
    text.heading("What is here", '-');
    text.item("events/DATE/NODE/FILE.json: each event as it was emitted, byte for byte");
    if !report.segments.is_empty() {
        text.item(
            "segments/*.tar.zst: the archive's files that events lie in, whole, so with the other \
             events of their days; beside each its .sha256 as it lies in the archive, and in \
             .events which of the events here lie in it",
        );
    }
    if report.live > 0 {
        text.item(&format!("{LIVE}: which of the events are not archived yet"));
    }
    if report.manifest.is_some() {
        text.item(&format!(
            "{MANIFEST}: the archive's log, a record a line, each with the hash of the line before \
             it; head: the hash of the last line"
        ));
    }
    if let Some(signed) = &report.signed {
        text.item(&format!(
            "manifest/{0}, manifest/{0}.minisig: the newest head that was signed, and its signature",
            signed.file_name()
        ));
    }
    text.item(&format!("{SUMS}: the hash of every other file"));
    text.0.push('\n');
}

fn what_is_wrong(text: &mut Text, report: &EvidenceReport) {
    if report.findings.is_empty() && report.remarks.is_empty() && report.expired.is_none() {
        return;
    }
    text.heading("What was found when this was made", '-');
    for finding in report.findings.iter().chain(&report.remarks).take(MAX_FINDINGS) {
        text.item(&visible(&finding.to_string()));
    }
    let more = (report.findings.len() + report.remarks.len()).saturating_sub(MAX_FINDINGS);
    if more > 0 {
        text.item(&format!("and {more} more"));
    }
    if let Some(expired) = &report.expired {
        text.item(&format!("{expired}, and are not here"));
    }
    text.0.push('\n');
    if report.segments.iter().any(|segment| !segment.as_recorded) {
        text.say(
            "A segment whose bytes are not those that were recorded fails the checks below that \
             are about it: that is what they are for.",
        );
    }
}

fn whole_segments(text: &mut Text, report: &EvidenceReport) {
    let mut commands = Vec::new();
    for EvidenceSegment { file, .. } in &report.segments {
        let name = own_name(file);
        commands.push(format!("(cd {SEGMENTS} && sha256sum -c {name}.sha256)"));
        commands.push(format!("zstd -q -t {file}"));
    }
    text.commands(&commands);
    text.say(
        "Proves that each segment is what its checksum file says, and can be unpacked whole. Does \
         not prove that it is what was archived: that is what the manifest is for.",
    );
}

fn own_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn events_in_segments(text: &mut Text, run: &Run<'_>) {
    let mut commands = vec!["HERE=$PWD CHECK=$(mktemp -d)".to_owned()];
    for segment in &run.report.segments {
        let EvidenceSegment { file, .. } = segment;
        let name = own_name(file);
        let conflicts = run
            .conflicts
            .iter()
            .filter(|conflict| conflict.segment.as_ref() == Some(&segment.segment));
        let cmp: Vec<String> = conflicts
            .map(|it| format!("cmp {} \"$CHECK\"/{name}/{}", quoted(&it.file), quoted(&it.path)))
            .collect();
        if segment.events == 0 && cmp.is_empty() {
            continue;
        }
        commands.push(format!("mkdir \"$CHECK\"/{name}"));
        commands.push(format!("tar --zstd -xf {file} -C \"$CHECK\"/{name}"));
        if segment.events > 0 {
            let list = format!("{file}.events");
            commands
                .push(format!("(cd \"$CHECK\"/{name} && sha256sum --quiet -c \"$HERE\"/{list})"));
            commands.push(format!("(cd events && sha256sum --quiet -c ../{list})"));
        }
        commands.extend(cmp);
    }
    commands.push("rm -r \"$CHECK\"".to_owned());
    text.commands(&commands);
    text.say(
        "Proves that the files in events/ have the bytes that lie in the segments, under the same \
         day, node and name. Does not prove that a segment's other events are not of the case: they \
         are all in it, to be looked through.",
    );
}

fn the_manifest(text: &mut Text, report: &EvidenceReport) {
    let records = report.segments.iter().map(|EvidenceSegment { file, record, .. }| {
        format!(
            "sed -n {record}p {MANIFEST} | grep -F \"\\\"$(sha256sum < {file} | cut -c 1-64)\\\"\""
        )
    });
    let mut commands: Vec<String> = records.collect();
    commands.extend(
        [
            "prev=$(printf '%064d' 0) whole=yes",
            "while IFS= read -r line; do",
            "    case $line in",
            "        *\"\\\"prev\\\":\\\"$prev\\\"\"*) ;;",
            "        *) whole=no; echo \"broken: $line\" ;;",
            "    esac",
            "    prev=$(printf %s \"$line\" | sha256sum | cut -c 1-64)",
        ]
        .map(str::to_owned),
    );
    commands.push(format!("done < {MANIFEST}"));
    commands.push(
        "test \"$whole $prev\" = \"yes $(cat head)\" && echo 'the chain is whole' || \
         { echo 'the chain is broken'; false; }"
            .to_owned(),
    );
    text.commands(&commands);
    text.say(
        "The first commands print the record of each segment, which names its hash and when it was \
         archived. The others recompute the chain (a second for some hundred records); it is \
         whole if each record has the hash of the one before it and the last has the hash in head. \
         Proves that no record was changed, removed or moved without changing the head. Does not prove that the head is \
         the one of that time: somebody who writes a whole new manifest gets a new head. So compare \
         it with a head kept on another machine, or with a signature.",
    );
}

fn the_signature(text: &mut Text, report: &EvidenceReport, head: &Head) {
    let file = format!("manifest/{}", head.file_name());
    let records = head.records;
    text.commands(&[
        format!("minisign -Vm {file} -p ../minisign.pub"),
        format!(
            "grep -Fx \"head $(sed -n {records}p {MANIFEST} | tr -d '\\n' | sha256sum | cut -c 1-64)\" {file}"
        ),
    ]);
    text.say(
        "The public key is not here, since it would prove nothing here: get it from whoever signed, \
         by a way that you trust, and put it beside this directory as minisign.pub (or name another \
         place).",
    );
    text.say(&format!(
        "Proves that who has the secret key signed the manifest as it was with its first {records} \
         records, and that these are the same here. The trusted comment has the time of signing, as \
         the signer's clock told it. Does not vouch for later records{}.",
        match report.segments.iter().filter(|segment| segment.record > records).count() {
            0 => ", but all segments here were recorded before".to_owned(),
            1 => ", and the record of one segment here is later".to_owned(),
            later => format!(", and the records of {later} segments here are later"),
        }
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_text_is_broken_and_items_are_moved_in() {
        let mut text = Text::default();
        text.item(&["word"; 30].join(" "));
        text.say(&["word"; 30].join(" "));
        let lines: Vec<&str> = text.0.lines().collect();
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{lines:?}");
        assert!(lines[0].starts_with("  * word") && lines[1].starts_with("    word"), "{lines:?}");
        assert!(text.0.ends_with("word\n\n"));
    }

    #[test]
    fn a_name_is_one_word_for_a_shell() {
        assert_eq!(quoted("events/2026-05-16/pi4/x_1.json"), "events/2026-05-16/pi4/x_1.json");
        assert_eq!(quoted("it's $(here)"), r"'it'\''s $(here)'");
    }
}
