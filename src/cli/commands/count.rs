//! `hlarchive count` and `hlarchive values`.

use std::io::Write;

use crate::event::shown;
use crate::ops::answers::count::{CountField, CountQuery, CountReport, CountedGroup, count};
use crate::ops::export::csv::{escaped, record};
use crate::store::Notices;
use crate::text::{self, visible};
use crate::views::count::Period;

use super::nothing::Nothing;
use crate::cli::args::{Format, Per, QueryArgs};
use crate::cli::exit::{Exit, Failure, lacking, stdout_failed};
use crate::cli::session::Session;
use crate::cli::table::{fit, line, shrink, total, width};

/// Count events by fields and periods, live and archived alike
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive count --by service --type service_unhealthy --since 30d
  hlarchive count --per day --min-severity error --since 2w
  hlarchive count --by node,severity --per month -o csv
  hlarchive count --by payload.stage --type deployment_failed --top 5
  hlarchive count --grep 'disk full'

Without --since and --until the whole history is counted. FIELD is type, service, node, severity, \
source, correlation_id, hour, day, week, month, or the path of a value, such as payload.stage; of \
an array, its first element counts. Hours, days, weeks (from Monday on) and months are those of \
UTC. \"-\" stands for events without such a value.

Days that are archived and lie in the range as a whole are counted by their indexes if one field \
is asked for; everything else is read.

With -o json: since, until, by (the fields), groups (period, values, events, last_day: the last \
day with such an event), events (all of them), in_other_groups (events of groups that are not \
listed), expired (days, segments, events, first_day, last_day: days that could have held more, or \
null) and unreached (days, reason: remote days that could not be read, or null). If there is none, \
searched says what was searched. With -o csv: a line for each group.

Exit codes:
  1   no matching events
  74  something could not be read, so events may be missing
  75  a part is remote and could not be reached")]
pub(in crate::cli) struct Args {
    /// Count by this field; several, also separated by commas, are combined
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    by: Vec<String>,
    /// Count each hour, day, week or month by itself
    #[arg(long, value_name = "PERIOD", hide_possible_values = true)]
    per: Option<Per>,
    /// Show the N largest groups, of each period if there are any [default: 20 in a table, else all]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    #[command(flatten)]
    which: QueryArgs,
}

/// Show a field's known values, with counts and last days
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive values service
  hlarchive values node -o path
  hlarchive values type --since 90d
  hlarchive values payload.action --type remediation_started

FIELD is as for \"count\". With -o path: only the values, one per line. With -o json: as \"count\".

Exit codes:
  1   no matching events
  74  something could not be read, so values may be missing
  75  a part is remote and could not be reached")]
pub(in crate::cli) struct ValuesArgs {
    #[arg(
        value_name = "FIELD",
        help = "The field: type, service, node, severity, source, correlation_id or a path"
    )]
    field: String,
    /// Show the N most frequent values
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    #[command(flatten)]
    which: QueryArgs,
}

/// The default number of groups in a table: they fit on a screen of 24 lines.
const FEW: usize = 20;

/// The largest number of columns of a bar.
const MAX_BAR: usize = 30;

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json, Format::Csv])?;
        let by = self.by.iter().map(|field| field.parse()).collect::<crate::Result<Vec<_>>>()?;
        let per = self.per.map(Period::from);
        let asked = CountQuery { query: self.which.query(session.now, &session.store)?, by, per };
        answer(session, &asked, self.top, format, false)
    }
}

impl ValuesArgs {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let formats = [Format::Table, Format::Json, Format::Csv, Format::Path];
        let format = session.format(&formats)?;
        let by = vec![self.field.parse::<CountField>()?];
        let asked =
            CountQuery { query: self.which.query(session.now, &session.store)?, by, per: None };
        answer(session, &asked, self.top, format, true)
    }
}

fn answer(
    session: &mut Session,
    asked: &CountQuery,
    top: Option<usize>,
    format: Format,
    with_days: bool,
) -> Result<Exit, Failure> {
    let (mut report, mut notices) = count(&session.store, asked, &|| false)?;
    let default = if format == Format::Table && !with_days { FEW } else { usize::MAX };
    report.keep(top.unwrap_or(default));
    let mut nothing = Nothing::of(&session.store, || asked.query.clone(), report.events == 0)?;
    match format {
        Format::Json => session.json(&nothing.with(&report))?,
        Format::Csv => csv(session, &report, asked.per.is_some())?,
        Format::Path => {
            for value in report.groups.iter().filter_map(|group| group.values.first()?.as_deref()) {
                session.line(&shown(value))?;
            }
        }
        _ if report.events > 0 => table(session, &report, asked.per.is_some(), with_days)?,
        _ => {}
    }
    end(session, &report, &mut notices, &mut nothing, format)
}

fn end(
    session: &mut Session,
    report: &CountReport,
    notices: &mut Notices,
    nothing: &mut Nothing,
    format: Format,
) -> Result<Exit, Failure> {
    session.flush()?;
    session.notices(notices);
    session.end_notices();
    if notices.any_cost() {
        return Ok(lacking(notices));
    }
    if report.events > 0 {
        return Ok(Exit::Done);
    }
    if format == Format::Json {
        session.warn_of_nowhere()?;
    } else {
        nothing.tell(session, Some("no matching events"))?;
    }
    Ok(Exit::Wrong)
}

fn csv(session: &mut Session, report: &CountReport, with_period: bool) -> Result<(), Failure> {
    let mut lines = Vec::new();
    let period = with_period.then_some("period");
    let fields = report.by.iter().map(String::as_str);
    let header = period.into_iter().chain(fields).chain(["events", "last_day"]);
    record(&mut lines, header.map(str::as_bytes));
    for group in &report.groups {
        let values = group.values.iter().map(|value| visible(value.as_deref().unwrap_or_default()));
        let numbers = [group.events.to_string(), group.last_day.to_string()];
        let row: Vec<String> = group.period.iter().cloned().chain(values).chain(numbers).collect();
        let row: Vec<_> = row.iter().map(|value| escaped(value.as_bytes())).collect();
        record(&mut lines, row.iter().map(AsRef::as_ref));
    }
    session.out.write_all(&lines).map_err(stdout_failed)
}

/// Returns the cells of a group before its number.
fn cells(group: &CountedGroup) -> Vec<String> {
    let mut cells: Vec<String> = group.period.iter().cloned().collect();
    cells.extend(group.values.iter().map(|value| match value.as_deref() {
        Some("") => "\"\"".to_owned(),
        Some(value) => shown(value),
        None => "-".to_owned(),
    }));
    cells
}

fn table(
    session: &mut Session,
    report: &CountReport,
    with_period: bool,
    with_days: bool,
) -> Result<(), Failure> {
    let most = session.width();
    let mut header: Vec<String> = Vec::new();
    header.extend(with_period.then(|| "PERIOD (UTC)".to_owned()));
    header.extend(report.by.iter().map(|field| shown(&field.to_uppercase())));
    let fields = header.len();
    let mut rows: Vec<Vec<String>> = report.groups.iter().map(cells).collect();
    header.push("EVENTS".to_owned());
    header.extend(with_days.then(|| "LAST DAY".to_owned()));
    for (row, group) in rows.iter_mut().zip(&report.groups) {
        row.push(group.events.to_string());
        row.extend(with_days.then(|| group.last_day.to_string()));
    }
    let mut widths: Vec<usize> = header.iter().map(|cell| width(cell)).collect();
    for row in &rows {
        for (room, cell) in widths.iter_mut().zip(row) {
            *room = (*room).max(width(cell));
        }
    }
    if let Some(most) = most {
        let flexible: Vec<(usize, usize)> = (0..fields).map(|column| (column, 8)).collect();
        shrink(&mut widths, &flexible, most);
    }
    if fields > 0 {
        let header = session.paint.faint(&line(&header, &widths, most));
        session.line(&header)?;
    }
    let largest = report.groups.iter().map(|group| group.events).max().unwrap_or(0);
    let room = most.map_or(0, |most| most.saturating_sub(total(&widths))).min(MAX_BAR);
    for (row, group) in rows.iter().zip(&report.groups).filter(|_| fields > 0) {
        // Numbers end in one column.
        let mut row = row.clone();
        let number = std::mem::take(&mut row[fields]);
        let used = widths[fields];
        row[fields] = format!("{number:>used$}");
        let text = line(&row, &widths, most);
        let bar = bar(group.events, largest, room);
        let gap = total(&widths).saturating_sub(width(&text));
        let text = if bar.is_empty() { text } else { format!("{text}{:gap$}{bar}", "") };
        session.line(&text)?;
    }
    let mut last = text::count(report.events, "event");
    if report.in_other_groups > 0 {
        last.push_str(&format!(
            ", {} of them in other groups; --top shows more",
            report.in_other_groups
        ));
    }
    session.line(&most.map_or_else(|| last.clone(), |most| fit(&last, most)))
}

/// Returns a bar whose length is to `room` as a number is to the largest; at least a sign.
fn bar(events: u64, largest: u64, room: usize) -> String {
    if room < 8 || largest == 0 || events == 0 {
        return String::new();
    }
    let length = (u128::from(events) * room as u128).div_ceil(u128::from(largest));
    "#".repeat(length as usize)
}
