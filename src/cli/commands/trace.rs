//! `hlarchive trace`.

mod json;

use std::io::Write;

use crate::archive::Expired;
use crate::event::{Severity, Timestamp};
use crate::ops::answers::trace::Tries;
use crate::store::{EventStream, FoundEvent, Notices, Unreached};
use crate::text::visible;
use crate::text::{count, offset, span};
use crate::views::attempts::Attempt;
use crate::views::chain::{ChainBuilder, dot, html, mermaid};
use crate::views::trace::{Outcome, Step, TraceSummary, Tracer};

use crate::cli::args::Format;
use crate::cli::exit::{Exit, Failure, lacking, stdout_failed};
use crate::cli::output::short_time;
use crate::cli::session::Session;
use crate::cli::table::{fit, shrink, total, width, wrap};

pub(in crate::cli) use json::{NoChain, StepLine};

/// Follow a correlation id over all days, as a timeline
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive trace deploy-882
  hlarchive trace deploy-882 -o json | jq .outcome
  hlarchive trace deploy-882 -o html > deploy-882.html
  hlarchive trace deploy-882 -o dot | dot -Tsvg > deploy-882.svg

Below the timeline: the outcome, which is that of the worst service on its node; the cause, which \
is the first failure; further failures; what was tried, judged as by attempts; and what is open: \
still bad, or unfinished.

With -o mermaid: a sequence diagram as Markdown renders it; with -o dot: a graph for Graphviz; \
with -o html: one page that needs no network and no script, with all payloads.

With -o json: correlation_id, steps (offset_us, timestamp, node, type, severity, service, source, \
detail, path, segment), events, first, last, duration_us, outcome (completed, recovered, \
remediated, remediating, failed, running or unknown), failure (the cause's text), cause (type, \
node, service, timestamp, text, path, times: how often the chain says the same), also (later \
failures, with the same members), tried (timestamp, node, service, action, outcome as in \
attempts, completed, path), open (why: bad or no_end, type, node, service, timestamp, text, \
path), more_also, more_tried and more_open where those lists leave some out, expired (days, \
segments, events, first_day, last_day: days that could have held more, or null) and unreached \
(days, reason: remote days that could not be read, or null). If there is no event, searched \
(since, until, days_live, days_archived, complete, unknown: field, value, did_you_mean) says what \
was searched.

A prefix of an id is enough if no other id begins with it.

Exit codes:
  1   no event has this correlation id, or one with this prefix
  2   several correlation ids begin with it, and are named
  74  something could not be read, so steps may be missing
  75  a part is remote and could not be reached")]
pub(in crate::cli) struct Args {
    /// The correlation id, such as deploy-882, or its beginning
    #[arg(value_name = "CORRELATION_ID", allow_hyphen_values = true)]
    correlation_id: String,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let formats = [
            Format::Table,
            Format::Json,
            Format::Ndjson,
            Format::Path,
            Format::Mermaid,
            Format::Dot,
            Format::Html,
        ];
        let format = session.format(&formats)?;
        let (id, mut events) = match super::nothing::chain(session, &self.correlation_id, format)? {
            Ok(found) => found,
            Err(exit) => return Ok(exit),
        };
        let mut more = Notices::default();
        let found = if matches!(format, Format::Mermaid | Format::Dot | Format::Html) {
            draw(session, &id, format, &mut events, &mut more)?
        } else {
            let mut timeline = Timeline::new(&id, format, session.now);
            let mut tries = Tries::of(&id);
            for event in &mut events {
                let event = event?;
                tries.see(&event);
                timeline.tell(session, &event)?;
            }
            if matches!(format, Format::Table | Format::Json) {
                let rules = session.answer_rules();
                (timeline.tried, more) =
                    tries.look(&session.store, rules, session.now, &|| false)?;
            }
            let cut = events.notices().any_cost();
            let expired = events.notices().expired().cloned();
            let unreached = events.notices().unreached().cloned();
            timeline.end(session, cut, expired.as_ref(), unreached.as_ref())?
        };
        session.flush()?;
        let is_whole = !events.notices().any_cost();
        session.notices(events.notices());
        if is_whole && more.any_cost() {
            // What is known of the chain already need not be reported twice, and what is not an
            // event of it need not be reported at all.
            session.notices(&mut more);
        }
        session.end_notices();
        if !is_whole {
            return Ok(lacking(events.notices()));
        }
        if more.any_cost() {
            return Ok(lacking(&more));
        }
        if !found {
            if !session.warn_of_nowhere()? && format != Format::Json {
                session.remark(&format!(
                    "no event has the correlation id \"{}\"",
                    crate::event::shown(&id)
                ));
            }
            return Ok(Exit::Wrong);
        }
        Ok(Exit::Done)
    }
}

/// Writes a picture of a chain; returns whether there was one.
fn draw(
    session: &mut Session,
    id: &str,
    format: Format,
    events: &mut EventStream,
    more: &mut Notices,
) -> Result<bool, Failure> {
    let mut chain = ChainBuilder::new(id).at(session.now);
    let mut tries = Tries::of(id);
    for event in &mut *events {
        let event = event?;
        tries.see(&event);
        chain.add(&event);
    }
    let rules = session.answer_rules();
    let tried;
    (tried, *more) = tries.look(&session.store, rules, session.now, &|| false)?;
    let mut remarks = Vec::new();
    if events.notices().any_cost() {
        remarks.push("something could not be read, so events may be missing".to_owned());
    }
    remarks.extend(
        events.notices().expired().map(|e| format!("{e}; they could have been part of it")),
    );
    let Some(mut chain) = chain.finish(remarks) else { return Ok(false) };
    chain.summary.set_tried(&tried);
    let text = match format {
        Format::Mermaid => mermaid(&chain),
        Format::Dot => dot(&chain),
        _ => html(&chain),
    };
    session.out.write_all(text.as_bytes()).map_err(stdout_failed)?;
    Ok(true)
}

/// A writer of a chain that is still being read.
struct Timeline<'a> {
    id: &'a str,
    format: Format,
    tracer: Tracer,
    /// The attempts, once the chain is read.
    tried: Vec<Attempt>,
    begun: bool,
    /// Steps held back to find the columns' widths.
    held: Vec<(Severity, String, Step)>,
    widths: Option<[usize; 4]>,
}

/// Steps that decide the widths of the columns.
const SAMPLE: usize = 200;

/// Columns that time and offset take.
const BEFORE: usize = 33;

impl<'a> Timeline<'a> {
    fn new(id: &'a str, format: Format, now: Timestamp) -> Self {
        Self {
            id,
            format,
            tracer: Tracer::at(now),
            tried: Vec::new(),
            begun: false,
            held: Vec::new(),
            widths: None,
        }
    }

    fn tell(&mut self, session: &mut Session, event: &FoundEvent) -> Result<(), Failure> {
        let Ok(head) = event.head() else { return Ok(()) };
        let path = event.path.to_string();
        let step = self.tracer.step(&head, &path);
        match self.format {
            Format::Table => {
                self.held.push((head.severity, short_time(head.timestamp), step));
                if self.widths.is_some() || self.held.len() >= SAMPLE {
                    self.flush(session)?;
                }
                Ok(())
            }
            Format::Path => session.name(&path),
            Format::Ndjson => {
                let mut line = Vec::new();
                event.write_json(&mut line);
                line.push(b'\n');
                session.out.write_all(&line).map_err(stdout_failed)
            }
            Format::Mermaid | Format::Dot | Format::Html | Format::Csv => Ok(()),
            Format::Json => {
                let start = if self.begun { ",\n".to_owned() } else { json::opening(self.id) };
                self.begun = true;
                let line = StepLine {
                    step: &step,
                    path,
                    segment: event.segment.as_ref().map(ToString::to_string),
                };
                let text =
                    serde_json::to_string(&line).map_err(|error| stdout_failed(error.into()))?;
                session
                    .out
                    .write_all(start.as_bytes())
                    .and_then(|()| session.out.write_all(text.as_bytes()))
                    .map_err(stdout_failed)
            }
        }
    }

    fn flush(&mut self, session: &mut Session) -> Result<(), Failure> {
        let most = session.width();
        let widths = *self.widths.get_or_insert_with(|| widths(&self.held, most));
        // Below the node's column or, if that leaves no room, near the edge.
        let indent = if most.is_some_and(|most| most < 2 * BEFORE) { 4 } else { BEFORE };
        for (severity, time, step) in std::mem::take(&mut self.held) {
            let mut line = format!("{time}  {:>10}  ", offset(step.offset_us));
            for (cell, width_of) in
                [&step.node, &step.event_type, &step.service, &step.source].iter().zip(widths)
            {
                if width_of == 0 {
                    continue;
                }
                let cell = fit(&crate::event::shown(cell), width_of);
                line.push_str(&cell);
                let padding = width_of.saturating_sub(width(&cell)) + 2;
                line.extend(std::iter::repeat_n(' ', padding));
            }
            let mut below = Vec::new();
            if let Some(detail) = &step.detail {
                // A detail that does not fit beside the rest gets its own lines.
                match most {
                    Some(most) if width(&line) + width(detail) > most => {
                        below = wrap(detail, most.saturating_sub(indent).max(1));
                    }
                    _ => line.push_str(detail),
                }
            }
            let fits = |text: &str| match most {
                Some(most) => fit(text.trim_end(), most),
                None => text.trim_end().to_owned(),
            };
            let line = session.paint.severity(severity, &fits(&line));
            session.line(&line)?;
            for detail in below {
                let indented = fits(&format!("{:indent$}{detail}", ""));
                let painted = session.paint.severity(severity, &indented);
                session.line(&painted)?;
            }
        }
        Ok(())
    }

    /// Writes the end of the story, `cut` if parts of it could not be read; returns whether
    /// there was one.
    fn end(
        mut self,
        session: &mut Session,
        cut: bool,
        expired: Option<&Expired>,
        unreached: Option<&Unreached>,
    ) -> Result<bool, Failure> {
        self.flush(session)?;
        let mut summary = std::mem::take(&mut self.tracer).finish();
        if let Some(summary) = &mut summary {
            summary.set_tried(&self.tried);
        }
        match (&summary, self.format) {
            (Some(summary), Format::Table) => {
                for (number, line) in closing(summary, cut, session.width()).iter().enumerate() {
                    let painted = match summary.outcome {
                        _ if number > 0 => line.clone(),
                        _ if cut => session.paint.bad(line),
                        Outcome::Completed | Outcome::Recovered => session.paint.good(line),
                        Outcome::Failed => session.paint.bad(line),
                        _ => session.paint.strong(line),
                    };
                    session.line(&painted)?;
                }
            }
            (Some(summary), Format::Json) => {
                let text = json::ending(summary, expired, unreached);
                session.line(&text.map_err(|error| stdout_failed(error.into()))?)?;
            }
            (None, Format::Json) => {
                let text = json::no_chain(self.id, expired, unreached);
                session.line(&text.map_err(|error| stdout_failed(error.into()))?)?;
            }
            _ => {}
        }
        Ok(summary.is_some())
    }
}

fn widths(held: &[(Severity, String, Step)], most: Option<usize>) -> [usize; 4] {
    let mut widths = [4; 4];
    for (_, _, step) in held {
        let cells = [&step.node, &step.event_type, &step.service, &step.source];
        for (most, cell) in widths.iter_mut().zip(cells) {
            *most = (*most).max(width(cell).min(24));
        }
    }
    // The last column needs no space after it.
    let room = most.map_or(usize::MAX, |most| (most + 2).saturating_sub(BEFORE));
    if total(&widths) > room {
        // The source says least.
        widths[3] = 0;
        shrink(&mut widths, &[(0, 6), (2, 7)], room);
        shrink(&mut widths, &[(1, 14)], room);
    }
    widths
}

/// Returns the verdict, and below it the cause, further failures, attempts and what is open.
fn closing(summary: &TraceSummary, cut: bool, most: Option<usize>) -> Vec<String> {
    let as_far = if cut { "as far as it could be read: " } else { "" };
    let mut verdict = format!("{as_far}{}", summary.outcome.describe());
    if summary.clock_stepped {
        verdict.push_str(" (its end is dated before its start: a clock was set back)");
    }
    if summary.future > 0 {
        let events = count(summary.future, "event");
        verdict.push_str(&format!("; {events} of the future ignored"));
    }
    let rest = format!("; {} in {}", count(summary.events, "event"), span(summary.duration_us));
    let most = most.unwrap_or(usize::MAX);
    let mut lines = wrap(&format!("{verdict}{rest}"), most);
    for (label, words) in summary.notes() {
        let below = wrap(&visible(&words), most.saturating_sub(LABEL).max(1));
        lines.extend(below.iter().enumerate().map(|(number, words)| {
            let label = if number == 0 { format!("{label}:") } else { String::new() };
            fit(&format!("{label:LABEL$}{words}"), most)
        }));
    }
    lines
}

/// Columns that the label of a closing line takes.
const LABEL: usize = 7;
