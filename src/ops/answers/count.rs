//! Counts of events by fields and periods.

use std::collections::BTreeMap;

use serde::Serialize;

use super::events::Events;
use crate::archive::Expired;
use crate::event::{Date, EventHead, Timestamp};
use crate::segment::{Field, Index};
use crate::store::pattern::value_at;
use crate::store::{Asked, Filter, Notices, Query, Store, Unreached};
use crate::text::shown;
use crate::views::count::{Group, MAX_GROUPS, Period, Tally};
use crate::{Error, Result};

impl Events<'_> {
    /// Counts the events by these fields: `type`, `service`, `node`, `severity`, `source`,
    /// `correlation_id`, `hour`, `day`, `week`, `month` (in UTC), or the path of a value such as
    /// `payload.stage`. Without fields it counts them all.
    ///
    /// Days that are archived and asked for as a whole are counted by their indexes, if that is
    /// enough; a limit and an order count for nothing.
    ///
    /// Fails with [`Error::Usage`] if a field is not known.
    ///
    /// ```
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let history = hlarchive::History::open(directory.path().join("events"))?;
    /// history.emit("service_unhealthy").service("web").send()?;
    /// history.emit("service_unhealthy").service("web").send()?;
    /// let flapping = history.events().event_type("service_unhealthy").count_by(&["service"])?;
    /// assert_eq!(flapping.groups[0].values[0].as_deref(), Some("web"));
    /// assert_eq!(flapping.groups[0].events, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn count_by(self, fields: &[&str]) -> Result<CountReport> {
        let by = fields.iter().map(|field| field.parse()).collect::<Result<_>>()?;
        let asked = CountQuery { query: self.query()?, by, per: None };
        let stops = || self.history().progress.stop_requested();
        count(&self.history().store, &asked, &stops).map(|(report, _)| report)
    }
}

/// A key that events are counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CountField {
    /// A field that segments have indexed.
    Indexed(Field),
    /// The period that an event's timestamp is in.
    Period(Period),
    /// The value with this path.
    Path(String),
}

impl std::str::FromStr for CountField {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let field = Field::ALL.into_iter().find(|field| field.as_str() == text);
        let period = Period::ALL.into_iter().find(|period| period.as_str() == text);
        Ok(match (field, period) {
            (Some(field), _) => Self::Indexed(field),
            (_, Some(period)) => Self::Period(period),
            _ if text.strip_prefix("payload.").is_some_and(|rest| !rest.is_empty()) => {
                Self::Path(text.to_owned())
            }
            _ => {
                let words = "type, service, node, severity, source, correlation_id, hour, day, \
                             week, month";
                return Err(Error::Usage(format!(
                    "\"{}\" is not a field to count by; there are {words}, and paths such as \
                     payload.stage",
                    shown(text)
                )));
            }
        })
    }
}

impl CountField {
    /// Returns the name that it has in answers.
    fn name(&self) -> String {
        match self {
            Self::Indexed(field) => field.as_str().to_owned(),
            Self::Period(period) => period.as_str().to_owned(),
            Self::Path(path) => path.clone(),
        }
    }
}

/// Which events are counted, and by what.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountQuery {
    pub(crate) query: Query,
    pub(crate) by: Vec<CountField>,
    /// Groups of each period apart, in the order of time.
    pub(crate) per: Option<Period>,
}

/// Numbers of events.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CountReport {
    /// The earliest instant that was asked for.
    pub since: Option<Timestamp>,
    /// The end of the range, exclusive.
    pub until: Option<Timestamp>,
    /// The names of the fields by which events are counted.
    pub by: Vec<String>,
    /// The groups: by time if periods were asked for, then the largest first.
    pub groups: Vec<CountedGroup>,
    /// Number of all events.
    pub events: u64,
    /// Number of events of groups that are not listed: beyond the number that was asked for, or
    /// beyond a million.
    pub in_other_groups: u64,
    /// Expired days that could have held more.
    pub expired: Option<Expired>,
    /// Remote days that could not be read.
    pub unreached: Option<Unreached>,
}

/// The number of events that have the same values.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CountedGroup {
    /// The period, as the first day, hour or month of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// The value of each field, in their order; `None` for events without such a value.
    pub values: Vec<Option<String>>,
    /// Number of events.
    pub events: u64,
    /// The last day, in UTC, with one of them.
    pub last_day: Date,
}

impl CountReport {
    /// Leaves out all but the first groups; with periods, all but the first of each.
    pub(crate) fn keep(&mut self, most: usize) {
        let mut kept = BTreeMap::new();
        self.groups.retain(|group| {
            let number: &mut usize = kept.entry(group.period.clone()).or_default();
            *number += 1;
            let is_kept = *number <= most;
            self.in_other_groups += if is_kept { 0 } else { group.events };
            is_kept
        });
    }
}

/// The number of events that are counted together.
const BATCH: usize = 16_384;

/// Counts events. Ends early, with what was counted by then, if `stops` returns true.
pub(crate) fn count(
    store: &Store,
    asked: &CountQuery,
    stops: &dyn Fn() -> bool,
) -> Result<(CountReport, Notices)> {
    let mut query = Query { limit: None, after: None, ..asked.query.clone() };
    let mut tally = Tally::default();
    if let Some(plan) = IndexPlan::of(asked) {
        let days = store.whole_days(&query, |index| plan.count(index))?;
        query.except = days.iter().map(|(date, _)| *date).collect();
        for (_, of_day) in days {
            tally.merge(of_day);
        }
    }
    let mut events = store.events(query)?;
    let add = |events: &mut dyn Iterator<Item = crate::store::FoundEvent>| {
        let mut part = Tally::default();
        for event in events {
            if let Ok(head) = event.head() {
                part.add(group(asked, &head, &event.bytes), 1, head.timestamp.date());
            }
        }
        part
    };
    while let parts = events.next_parts(BATCH, stops, add)?
        && !parts.is_empty()
    {
        for part in parts {
            tally.merge(part);
        }
    }
    let (all, in_other_groups) = tally.events();
    let notices = std::mem::take(events.notices());
    let groups = tally.sorted().into_iter().map(|((period, values), total)| CountedGroup {
        period: asked.per.zip(period).map(|(per, begin)| per.label(begin)),
        values: values.into_iter().map(|value| value.map(String::from)).collect(),
        events: total.events,
        last_day: total.last,
    });
    let report = CountReport {
        since: asked.query.filter.since,
        until: asked.query.filter.until,
        by: asked.by.iter().map(CountField::name).collect(),
        groups: groups.collect(),
        events: all,
        in_other_groups,
        expired: notices.expired().cloned(),
        unreached: notices.unreached().cloned(),
    };
    Ok((report, notices))
}

/// Returns the group of an event.
fn group(asked: &CountQuery, head: &EventHead<'_>, bytes: &[u8]) -> Group {
    let value = |field: &CountField| -> Option<Box<str>> {
        match field {
            CountField::Indexed(field) => Some(of_head(head, *field).into()),
            CountField::Period(period) => {
                Some(period.label(period.begin(head.timestamp)).into_boxed_str())
            }
            CountField::Path(path) => value_at(bytes, path).map(String::into_boxed_str),
        }
    };
    let period = asked.per.map(|per| per.begin(head.timestamp));
    (period, asked.by.iter().map(value).collect())
}

fn of_head<'a>(head: &'a EventHead<'_>, field: Field) -> &'a str {
    match field {
        Field::CorrelationId => &head.correlation_id,
        Field::Type => &head.event_type,
        Field::Node => &head.node,
        Field::Service => &head.service,
        Field::Severity => head.severity.as_str(),
        Field::Source => &head.source,
    }
}

/// How a whole day is counted by its index alone.
struct IndexPlan<'a> {
    by: &'a [CountField],
    per: Option<Period>,
    /// The field that the day's events are told apart by, and the values that count; all of them
    /// if there are none.
    field: Option<(Field, Vec<String>)>,
}

impl<'a> IndexPlan<'a> {
    /// Returns the plan, if an index knows enough: it has the number of events with a value of one
    /// field, and not that of two.
    fn of(asked: &'a CountQuery) -> Option<Self> {
        let mut field = match asked.query.filter.asked() {
            Asked::Nothing => None,
            Asked::Field(field, values) => Some((field, values)),
            Asked::More => return None,
        };
        for by in &asked.by {
            match by {
                CountField::Path(_) | CountField::Period(Period::Hour) => return None,
                CountField::Period(_) => {}
                CountField::Indexed(by) => match &field {
                    Some((known, _)) if known != by => return None,
                    Some(_) => {}
                    None => field = Some((*by, Vec::new())),
                },
            }
        }
        (asked.per != Some(Period::Hour)).then_some(Self { by: &asked.by, per: asked.per, field })
    }

    /// Counts a day; `None` if the index does not know it in full.
    fn count(&self, index: &Index) -> Result<Option<Tally>> {
        let mut tally = Tally::default();
        let Some((field, wanted)) = &self.field else {
            tally.add(self.group(index.date(), None), index.events(), index.date());
            return Ok(Some(tally));
        };
        let mut add = |value: &str, postings: &[crate::segment::Posting]| {
            let events = postings.iter().map(|posting| u64::from(posting.events)).sum();
            if events > 0 {
                tally.add(self.group(index.date(), Some(value)), events, index.date());
            }
        };
        if wanted.is_empty() {
            if index.value_count(*field) as usize > MAX_GROUPS {
                return Ok(None);
            }
            for value in index.values(*field) {
                let (value, postings) = value?;
                if Filter::is_cut(&value) {
                    return Ok(None);
                }
                add(&value, &postings);
            }
        }
        for value in wanted {
            if Filter::is_cut(value) {
                return Ok(None);
            }
            add(value, &index.lookup(*field, value)?);
        }
        Ok(Some(tally))
    }

    fn group(&self, date: Date, value: Option<&str>) -> Group {
        let of = |by: &CountField| match by {
            CountField::Period(period) => Some(period.label(period.begin(date.start())).into()),
            _ => value.map(Box::from),
        };
        (self.per.map(|per| per.begin(date.start())), self.by.iter().map(of).collect())
    }
}
