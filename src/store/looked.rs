//! The search behind an empty answer, and which of the queried values no event has: so that
//! nobody mistakes a typo for silence.

use serde::Serialize;

use super::survey::{Coverage, QueryRange, SurveyLimit, Surveyed, Surveyor};
use super::{Filter, Query, Store};
use crate::Result;
use crate::event::{Date, EventType, Timestamp, miss, shown};
use crate::segment::{Field, Index};

/// Maximum number of values compared with a queried one: each costs little, but a long history
/// has millions of correlation ids.
const MAX_COMPARED: u64 = 2_000_000;

/// The range that was searched without finding anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// The earliest instant of the range; none for the entire history.
    pub since: Option<Timestamp>,
    /// The end of the range, exclusive.
    pub until: Option<Timestamp>,
    /// The queried days, if single ones were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dates: Vec<Date>,
    /// Number of its days that have live files.
    pub days_live: u64,
    /// Number of its days that are archived.
    pub days_archived: u64,
    /// True if the entire history was searched for the values that follow.
    pub complete: bool,
    /// Queried values that no event of these days has.
    pub unknown: Vec<UnknownValue>,
}

/// A queried value that no event of the range has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnknownValue {
    /// The field, by its name in events.
    pub field: &'static str,
    /// The value.
    pub value: String,
    /// An existing value of which this is likely a misspelling.
    pub did_you_mean: Option<String>,
    /// The latest day outside of the range with an event that has the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Date>,
}

impl Store {
    /// Determines what was searched for an empty answer to this query. Ends early when `stops`
    /// returns true; nothing is claimed of what was not searched by then.
    pub fn looked(&self, query: &Query, stops: &dyn Fn() -> bool) -> Result<Looked> {
        self.looked_within(query, SurveyLimit::default(), stops)
    }

    /// Returns the end of a sentence about a correlation id that nothing has: `; did you mean …?`,
    /// or nothing.
    pub(crate) fn hint_at_id(&self, id: &str) -> String {
        let filter = Filter { correlation_ids: vec![id.to_owned()], ..Filter::default() };
        let looked = self.looked(&Query { filter, ..Query::default() }, &|| false);
        looked.iter().flat_map(|looked| &looked.unknown).map(UnknownValue::hint).collect()
    }

    pub(super) fn looked_within(
        &self,
        query: &Query,
        limit: SurveyLimit,
        stops: &dyn Fn() -> bool,
    ) -> Result<Looked> {
        let mut values = Values::of(query);
        let coverage = self.survey(query, limit, &mut values, stops)?;
        Ok(values.looked(query, &coverage))
    }
}

/// Returns the range of a query.
fn bounds(query: &Query) -> (Option<Timestamp>, Option<Timestamp>) {
    let (first, last) = (query.dates.iter().min(), query.dates.iter().max());
    let later = |a: Option<Timestamp>, b: Option<Timestamp>| a.max(b);
    let since = later(query.filter.since, first.map(|date| date.start()));
    let until = match (query.filter.until, last.map(|date| date.end())) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    (since, until)
}

/// A queried value.
struct AskedValue {
    field: Field,
    value: String,
    /// True if an event of the range has it.
    is_known: bool,
    last_seen: Option<Date>,
    /// The distance of the nearest value, and that value.
    nearest: Option<(usize, String)>,
}

impl AskedValue {
    fn compare(&mut self, value: &str) {
        let Some(distance) = miss(&self.value, value) else { return };
        let is_nearer = self
            .nearest
            .as_ref()
            .is_none_or(|(known, word)| (distance, value) < (*known, word.as_str()));
        if is_nearer {
            self.nearest = Some((distance, value.to_owned()));
        }
    }

    fn meet(&mut self, date: Date, asked: bool) {
        self.is_known |= asked;
        self.last_seen = self.last_seen.max(Some(date));
    }
}

/// Returns the values of a filter. A type typed in another form than events have is searched in
/// both, and reported in that of events.
fn wanted(query: &Query) -> Vec<AskedValue> {
    let filter = &query.filter;
    let is_normal = |word: &&String| {
        EventType::normalize(word).map_or(true, |kind| {
            kind.as_str() == word.as_str()
                || !filter.types.iter().any(|other| other == kind.as_str())
        })
    };
    let of = |field: Field, value: &String| AskedValue {
        field,
        value: value.clone(),
        is_known: false,
        last_seen: None,
        nearest: None,
    };
    let types = filter.types.iter().filter(is_normal).map(|value| of(Field::Type, value));
    let others = [
        (Field::Service, &filter.services),
        (Field::Node, &filter.nodes),
        (Field::Source, &filter.sources),
        (Field::CorrelationId, &filter.correlation_ids),
    ];
    let others = others
        .into_iter()
        .flat_map(|(field, values)| values.iter().map(move |value| of(field, value)));
    types.chain(others).collect()
}

/// Compares a history's values with those of a filter.
pub(super) struct Values {
    wanted: Vec<AskedValue>,
    compared: u64,
}

impl Values {
    pub(super) fn of(query: &Query) -> Self {
        Self { wanted: wanted(query), compared: 0 }
    }

    /// Returns the result.
    pub(super) fn looked(self, query: &Query, coverage: &Coverage) -> Looked {
        let (since, until) = bounds(query);
        let is_range = !QueryRange::of(query).is_all();
        let asked_for_none = self.wanted.is_empty();
        // What was not searched may have it: only what is certain is reported.
        let unknown =
            self.wanted.into_iter().filter(|wanted| coverage.of_range && !wanted.is_known);
        let unknown = unknown.map(|wanted| UnknownValue {
            field: wanted.field.as_str(),
            did_you_mean: wanted
                .nearest
                .filter(|_| wanted.last_seen.is_none())
                .map(|(_, near)| near),
            value: wanted.value,
            last_seen: wanted.last_seen.filter(|_| is_range),
        });
        Looked {
            since,
            until,
            dates: query.dates.clone(),
            days_live: coverage.live.len() as u64,
            days_archived: coverage.archived.len() as u64,
            complete: asked_for_none || coverage.complete && self.compared <= MAX_COMPARED,
            unknown: unknown.collect(),
        }
    }

    fn see_index(&mut self, index: &Index, asked: bool) -> Result<()> {
        for wanted in &mut self.wanted {
            if !index.lookup(wanted.field, &wanted.value)?.is_empty() {
                wanted.meet(index.date(), asked);
                continue;
            }
            if wanted.last_seen.is_some() {
                continue;
            }
            for value in index.values(wanted.field) {
                self.compared += 1;
                if self.compared > MAX_COMPARED {
                    break;
                }
                wanted.compare(&value?.0);
            }
        }
        Ok(())
    }
}

impl Surveyor for Values {
    fn visit(&mut self, seen: &Surveyed<'_>, asked: bool) -> Result<()> {
        let (date, head) = match seen {
            Surveyed::Segment(index) => return self.see_index(index, asked),
            Surveyed::Event(date, head) => (*date, head),
        };
        for wanted in &mut self.wanted {
            let value = match wanted.field {
                Field::CorrelationId => &head.correlation_id,
                Field::Type => &head.event_type,
                Field::Node => &head.node,
                Field::Service => &head.service,
                Field::Severity => continue,
                Field::Source => &head.source,
            };
            if value.as_ref() == wanted.value {
                wanted.meet(date, asked);
            } else if wanted.last_seen.is_none() {
                wanted.compare(value);
            }
        }
        Ok(())
    }

    fn is_done(&self, asked: bool, date: Date) -> bool {
        // The range decides what is unknown; the rest only says when it was last seen.
        let is_settled = |wanted: &AskedValue| {
            wanted.is_known || !asked && wanted.last_seen.is_some_and(|last| last >= date)
        };
        self.wanted.iter().all(is_settled)
    }
}

impl Looked {
    /// Describes it in sentences: each unknown value, then what was searched.
    pub fn sentences(&self) -> Vec<String> {
        let days = |number: u64| format!("{number} {}", if number == 1 { "day" } else { "days" });
        let unknown = self.unknown.iter().map(|unknown| unknown.sentence(self.complete));
        let mut sentences: Vec<String> = unknown.collect();
        sentences.push(format!(
            "searched {}: {} live, {} archived",
            self.range_in_words(),
            days(self.days_live),
            days(self.days_archived)
        ));
        if !self.complete {
            sentences.push("not all of the history was looked at for such values".to_owned());
        }
        sentences
    }

    fn range_in_words(&self) -> String {
        match (self.dates.as_slice(), self.since, self.until) {
            ([date], Some(since), Some(until)) if (since, until) == (date.start(), date.end()) => {
                date.to_string()
            }
            (_, None, None) => "the whole history".to_owned(),
            (_, Some(since), None) => format!("from {since} on"),
            (_, None, Some(until)) => format!("up to {until}"),
            (_, Some(since), Some(until)) => format!("{since} to {until}"),
        }
    }
}

impl UnknownValue {
    fn sentence(&self, complete: bool) -> String {
        let field = if self.field == "correlation_id" { "the correlation id" } else { self.field };
        let whose = if complete && self.last_seen.is_none() { "" } else { " of that time" };
        let mut sentence = format!("no event{whose} has {field} \"{}\"", shown(&self.value));
        if let Some(date) = &self.last_seen {
            sentence.push_str(&format!("; the last one is of {date}"));
        }
        sentence.push_str(&self.hint());
        sentence
    }

    /// Returns the end of a sentence that names what was likely meant, if anything was.
    fn hint(&self) -> String {
        let near = self.did_you_mean.as_deref();
        near.map(|near| format!("; did you mean \"{}\"?", shown(near))).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    /// One day for each service, with one event.
    fn history(services: &[&str]) -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("events");
        for (number, service) in services.iter().enumerate() {
            let day = format!("2026-05-{:02}", number + 10);
            let folder = root.join(format!("{day}/pi4"));
            fs::create_dir_all(&folder).unwrap();
            let name = format!(
                "{}T000000Z_x_0196d8a2-0000-7000-8000-000000000000.json",
                day.replace('-', "")
            );
            let text = format!(
                "{{\"timestamp\":\"{day}T00:00:00Z\",\"node\":\"pi4\",\"type\":\"x\",\
                 \"severity\":\"info\",\"source\":\"s\",\"service\":\"{service}\",\
                 \"correlation_id\":\"c\",\"payload\":{{}}}}"
            );
            fs::write(folder.join(name), text).unwrap();
        }
        let store = Store::new(root, None);
        (directory, store)
    }

    fn asked(service: &str, dates: &[&str]) -> Query {
        Query {
            filter: Filter { services: vec![service.to_owned()], ..Filter::default() },
            dates: dates.iter().map(|date| date.parse().unwrap()).collect(),
            ..Query::default()
        }
    }

    #[test]
    fn what_was_not_looked_at_is_said_and_no_value_of_it_is_called_unknown() {
        let (_directory, store) = history(&["nas", "grafana", "mosquitto"]);
        let limit = SurveyLimit { files: 2, segments: 0 };
        let look = |query: &Query| store.looked_within(query, limit, &|| false).unwrap();
        // The oldest day is beyond the limit.
        let looked = look(&asked("nass", &[]));
        assert_eq!((looked.complete, looked.unknown.len(), looked.days_live), (false, 0, 3));
        assert!(looked.sentences().concat().contains("not all of the history was looked at"));
        // The range was searched, and no more is claimed.
        let looked = look(&asked("graphana", &["2026-05-11"]));
        assert_eq!((looked.complete, looked.unknown.len()), (false, 1));
        assert!(
            looked.sentences()[0].starts_with("no event of that time has service \"graphana\"")
        );
        // Without a queried value there is no gap to report.
        assert!(look(&Query::default()).complete);
        let looked = store.looked(&asked("nass", &[]), &|| true).unwrap();
        assert_eq!((looked.complete, looked.unknown.len()), (false, 0));
    }

    #[test]
    fn the_latest_day_that_has_a_value_is_named_wherever_the_range_lies() {
        let (_directory, store) = history(&["nas", "grafana", "nas", "mosquitto"]);
        for date in ["2026-05-11", "2026-05-13"] {
            let looked = store.looked(&asked("nas", &[date]), &|| false).unwrap();
            let wanted = UnknownValue {
                field: "service",
                value: "nas".to_owned(),
                did_you_mean: None,
                last_seen: Some("2026-05-12".parse().unwrap()),
            };
            assert_eq!(looked.unknown, [wanted], "{date}");
            assert_eq!((looked.days_live, looked.complete), (1, true));
        }
    }
}
