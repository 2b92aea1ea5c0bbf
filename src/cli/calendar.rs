//! A year as a picture: a column per week, a row per weekday, a sign per day.

use std::collections::BTreeMap;

use crate::event::{Date, Severity};
use crate::ops::status::CalendarDay;

use super::color::Paint;
use super::table::wrap;

/// The number of weeks shown, the current one included.
const WEEKS: i64 = 53;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const WEEKDAYS: [&str; 7] = ["Mon", "", "Wed", "", "Fri", "", "Sun"];

/// The signs for no event, and for few to many.
const BLOCKS: [char; 5] = ['·', '░', '▒', '▓', '█'];
const ASCII: [char; 5] = ['.', '-', '=', '*', '#'];

/// Returns the first day of the calendar that ends today: a Monday.
pub(super) fn first_day(today: Date) -> Date {
    let monday = today.plus_days(-i64::from(today.weekday_from_monday()));
    monday.plus_days(-7 * (WEEKS - 1))
}

/// The columns before the weeks.
const LABEL: usize = 4;

/// Draws the picture in lines of at most so many columns; a year takes 57.
pub(super) fn calendar(
    days: &BTreeMap<Date, CalendarDay>,
    today: Date,
    columns: usize,
    blocks: bool,
    paint: Paint,
) -> Vec<String> {
    let weeks = WEEKS.min(columns.saturating_sub(LABEL) as i64);
    let first = first_day(today).plus_days(7 * (WEEKS - weeks));
    let shades = if blocks { BLOCKS } else { ASCII };
    let most = days.range(first..=today).map(|(_, day)| day.events).max().unwrap_or(0);
    let mut lines = vec![months(first, weeks)];
    for (weekday, name) in WEEKDAYS.iter().enumerate() {
        let mut line = format!("{name:3} ");
        for week in 0..weeks {
            let date = first.plus_days(7 * week + weekday as i64);
            if date > today {
                break;
            }
            let day = days.get(&date).copied().unwrap_or_default();
            line.push_str(&sign(day, most, shades, paint));
        }
        lines.push(line.trim_end().to_owned());
    }
    let [none, rest @ ..] = shades;
    let rest: String = rest.iter().collect();
    let legend = format!("{none} none {rest} up to {most} events; ! invalid, h held, + late");
    let legend = wrap(&legend, columns.saturating_sub(LABEL).max(1));
    lines.extend(legend.iter().map(|line| format!("    {line}")));
    lines
}

/// Returns a mark if there is something to know, else a shade.
fn sign(day: CalendarDay, most: u64, shades: [char; 5], paint: Paint) -> String {
    if day.invalid > 0 {
        return paint.severity(Severity::Error, "!");
    }
    if day.held {
        return paint.severity(Severity::Warning, "h");
    }
    if day.late {
        return paint.strong("+");
    }
    let shade = shades[shade(day.events, most)].to_string();
    if day.events == 0 { paint.faint(&shade) } else { paint.good(&shade) }
}

/// Returns the quarter of the busiest day; one event is more than none.
fn shade(events: u64, most: u64) -> usize {
    if events == 0 {
        return 0;
    }
    let quarter = (u128::from(events) * 4).div_ceil(u128::from(most.max(1)));
    quarter.clamp(1, 4) as usize
}

/// Writes each month's name over the first week that begins in it, if there is room.
fn months(first: Date, weeks: i64) -> String {
    let mut line = " ".repeat(LABEL);
    let mut last = 0;
    for week in 0..weeks {
        let month = first.plus_days(7 * week).month();
        let column = LABEL + week as usize;
        if month != last && line.len() <= column && week + 3 <= weeks {
            line.extend(std::iter::repeat_n(' ', column - line.len()));
            line.push_str(MONTHS[(month as usize + 11) % 12]);
            line.push(' ');
            last = month;
        }
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_a_column_a_week_and_ends_today() {
        let today: Date = "2026-05-16".parse().unwrap();
        let day = |events| CalendarDay { events, ..CalendarDay::default() };
        let mut days = BTreeMap::new();
        days.insert("2026-05-16".parse().unwrap(), day(100));
        days.insert("2026-05-15".parse().unwrap(), CalendarDay { held: true, ..day(4) });
        days.insert("2026-05-14".parse().unwrap(), CalendarDay { late: true, ..day(4) });
        days.insert("2026-05-13".parse().unwrap(), CalendarDay { invalid: 1, ..day(4) });
        days.insert("2026-05-12".parse().unwrap(), day(51));
        days.insert("2025-05-12".parse().unwrap(), day(1));
        let lines = calendar(&days, today, 80, false, Paint::new(false));
        assert_eq!(first_day(today).to_string(), "2025-05-12");
        assert_eq!(lines[0], "    May Jun Jul Aug Sep  Oct Nov Dec  Jan Feb Mar  Apr");
        let rows: Vec<(char, char)> = lines[1..8]
            .iter()
            .map(|line| (line.chars().nth(4).unwrap(), line.chars().nth(56).unwrap_or(' ')))
            .collect();
        let wanted = [('-', '.'), ('.', '*'), ('.', '!'), ('.', '+'), ('.', 'h'), ('.', '#')];
        assert_eq!(rows[..6], wanted);
        // Tomorrow is not shown.
        assert_eq!(rows[6], ('.', ' '));
        assert!(lines.iter().all(|line| line.is_ascii() && line.len() <= 80), "{lines:?}");
        let blocks = calendar(&days, today, 80, true, Paint::new(false));
        assert_eq!(blocks[2].chars().nth(56), Some('▓'));
        // A narrow terminal shows the last weeks.
        let narrow = calendar(&days, today, 30, false, Paint::new(false));
        assert_eq!(narrow[2].chars().nth(29), Some('*'));
        assert!(narrow.iter().all(|line| line.len() <= 30), "{narrow:?}");
    }
}
