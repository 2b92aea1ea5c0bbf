//! Outages for people: the list, and below it the figures.

use crate::event::{Severity, shown};
use crate::views::outages::{AttemptEnd, Figures, Outage};

use crate::cli::exit::Failure;
use crate::cli::output::short_time;
use crate::cli::session::Session;
use crate::cli::table::{fit, line, shrink, total, width};
use crate::ops::answers::outages::OutageReport;
use crate::text::{count, span};

const OUTAGES: [&str; 7] = ["FROM", "NODE", "SERVICE", "LASTED", "FLAPS", "LAST TRIED", "CAUSE"];

const FIGURES: [&str; 8] =
    ["NODE", "SERVICE", "OUTAGES", "TOTAL", "LONGEST", "MTTR", "MTBF", "AVAILABILITY"];

/// The maximum width of a column.
const WIDEST: usize = 60;

pub(super) fn print(session: &mut Session, report: &OutageReport) -> Result<(), Failure> {
    let outages = &report.answer.outages;
    let rows: Vec<_> = outages.iter().map(|outage| outage_row(outage, report)).collect();
    // On a narrow terminal texts shrink first, then attempts, then names.
    let order: [&[(usize, usize)]; 3] =
        [&[(6, 12)], &[(5, 6), (1, 4), (2, 7)], &[(6, 0), (5, 0), (4, 0)]];
    grid(session, &OUTAGES, &rows, &order, |row| {
        if outages[row].open { Severity::Error } else { Severity::Info }
    })?;
    session.line("")?;
    let figures = &report.answer.services;
    let rows: Vec<_> = figures.iter().map(figures_row).collect();
    let order: [&[(usize, usize)]; 2] = [&[(0, 4), (1, 7)], &[(6, 0), (4, 0), (3, 0), (5, 0)]];
    grid(session, &FIGURES, &rows, &order, |row| {
        if figures[row].open > 0 { Severity::Error } else { Severity::Info }
    })?;
    let open = outages.iter().filter(|outage| outage.open).count();
    let summary = format!("{}, {open} open", count(outages.len() as u64, "outage"));
    let summary = session.width().map_or_else(|| summary.clone(), |most| fit(&summary, most));
    let painted = if open > 0 { session.paint.bad(&summary) } else { summary };
    session.line(&painted)
}

fn outage_row(outage: &Outage, report: &OutageReport) -> [String; 7] {
    let lasted = span(outage.micros(report.now));
    let lasted = match (outage.open, outage.clock_stepped) {
        (true, true) => format!("{lasted}, open, clock stepped?"),
        (true, false) => format!("{lasted}, open"),
        (false, _) => lasted,
    };
    let tried = outage.attempts.last().map(|tried| {
        let action = tried.action.as_deref().map_or_else(|| "?".to_owned(), shown);
        let failed = if tried.ended == Some(AttemptEnd::Failed) { " (failed)" } else { "" };
        let more = match outage.attempts.len() {
            1 => String::new(),
            tries => format!(", {tries} tries"),
        };
        format!("{action}{failed}{more}")
    });
    [
        short_time(outage.from),
        shown(&outage.node),
        outage.service.as_deref().map_or_else(|| "-".to_owned(), shown),
        lasted,
        outage.flaps.to_string(),
        tried.unwrap_or_else(|| "-".to_owned()),
        outage.cause.clone().unwrap_or_default(),
    ]
}

fn figures_row(figures: &Figures) -> [String; 8] {
    let seconds = |seconds: u64| {
        span(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000))
            .replace(".000s", "s")
    };
    let mean = |mean: Option<u64>| mean.map_or_else(|| "-".to_owned(), seconds);
    let part = |part: f64| format!("{:.4}%", (part * 1_000_000.0).round() / 10_000.0);
    [
        shown(&figures.node),
        figures.service.as_deref().map_or_else(|| "-".to_owned(), shown),
        figures.count.to_string(),
        seconds(figures.total_seconds),
        seconds(figures.longest_seconds),
        mean(figures.mttr_seconds),
        mean(figures.mtbf_seconds),
        figures.availability.map_or_else(|| "-".to_owned(), part),
    ]
}

/// Prints rows below headers. The columns that `order` names shrink one group after the
/// other, each down to its minimum width; with 0 they are left out.
fn grid<const N: usize>(
    session: &mut Session,
    headers: &[&str; N],
    rows: &[[String; N]],
    order: &[&[(usize, usize)]],
    severity: impl Fn(usize) -> Severity,
) -> Result<(), Failure> {
    let most = session.width();
    let mut widths = headers.map(width);
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell).min(WIDEST));
        }
    }
    // The last column needs no space after it.
    for columns in order {
        let Some(room) = most.map(|most| most + 2) else { break };
        if columns.iter().all(|(_, least)| *least > 0) {
            shrink(&mut widths, columns, room);
            continue;
        }
        for (column, _) in *columns {
            if total(&widths) > room {
                widths[*column] = 0;
            }
        }
    }
    let header = line(&headers.map(str::to_owned), &widths, most);
    let header = session.paint.faint(&header);
    session.line(&header)?;
    for (number, row) in rows.iter().enumerate() {
        let painted = session.paint.severity(severity(number), &line(row, &widths, most));
        session.line(&painted)?;
    }
    Ok(())
}
