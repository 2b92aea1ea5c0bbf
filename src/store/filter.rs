//! Queries: what a reader asks for, and which frames can hold it.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::memmem;

use super::pattern::Pattern;
use crate::Result;
use crate::event::{EventHead, Severity, Timestamp};
use crate::segment::{Field, Index, Posting};

/// Conditions on an event. Several values of one field are alternatives; different fields must
/// all match; an empty list matches everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Correlation ids.
    pub correlation_ids: Vec<String>,
    /// Types, normalized.
    pub types: Vec<String>,
    /// Nodes, as the events name them.
    pub nodes: Vec<String>,
    /// Services.
    pub services: Vec<String>,
    /// Severities.
    pub severities: Vec<Severity>,
    /// Sources.
    pub sources: Vec<String>,
    /// The minimum severity.
    pub min_severity: Option<Severity>,
    /// The earliest instant.
    pub since: Option<Timestamp>,
    /// The end of the range, exclusive.
    pub until: Option<Timestamp>,
    /// A condition on what types look like.
    pub like: Option<Like>,
    /// A search in the events' text.
    pub pattern: Option<Arc<Pattern>>,
}

/// Events whose type has a certain form, or of at least a certain severity.
#[derive(Debug, Clone, Copy)]
pub struct Like {
    /// The test of a type.
    pub kind: fn(&str) -> bool,
    /// The minimum severity that includes an event whatever its type.
    pub or_severity: Severity,
}

impl Like {
    fn matches(self, event: &EventHead<'_>) -> bool {
        event.severity >= self.or_severity || (self.kind)(&event.event_type)
    }

    /// Returns for each frame whether it can hold such an event.
    fn frames(self, index: &Index) -> Result<Vec<bool>> {
        let mut holds = vec![false; index.frame_count()];
        let mut mark = |posting: &Posting| {
            if let Some(slot) = holds.get_mut(posting.frame as usize) {
                *slot = true;
            }
        };
        for value in index.values(Field::Type) {
            let (kind, postings) = value?;
            // The index may have cut the type; its end is unknown.
            if (self.kind)(&kind) || kind.len() > LONGEST_WHOLE {
                postings.iter().for_each(&mut mark);
            }
        }
        for severity in Severity::ALL.iter().filter(|severity| **severity >= self.or_severity) {
            index.lookup(Field::Severity, severity.as_str())?.iter().for_each(&mut mark);
        }
        Ok(holds)
    }
}

/// The length up to which the index has values in full.
const LONGEST_WHOLE: usize = 1000;

impl Filter {
    /// Reports whether the event's fields meet every condition on them.
    fn matches(&self, event: &EventHead<'_>) -> bool {
        let among = |wanted: &[String], value: &str| {
            wanted.is_empty() || wanted.iter().any(|candidate| candidate == value)
        };
        self.since.is_none_or(|since| event.timestamp >= since)
            && self.until.is_none_or(|until| event.timestamp < until)
            && self.min_severity.is_none_or(|min| event.severity >= min)
            && (self.severities.is_empty() || self.severities.contains(&event.severity))
            && self.like.is_none_or(|like| like.matches(event))
            && among(&self.correlation_ids, &event.correlation_id)
            && among(&self.types, &event.event_type)
            && among(&self.nodes, &event.node)
            && among(&self.services, &event.service)
            && among(&self.sources, &event.source)
    }

    /// Reports whether the range includes any instant between these two.
    pub(super) fn meets(&self, first: i64, last: i64) -> bool {
        self.since.is_none_or(|since| last >= since.micros())
            && self.until.is_none_or(|until| first < until.micros())
    }

    /// Returns a search for what occurs in the bytes of every match that has no backslash: without
    /// one, JSON holds a text unchanged. So most files need not be parsed to be excluded. `None` if
    /// there is nothing to search for.
    pub(super) fn scan(&self) -> Option<Scan<'_>> {
        let ids = self.correlation_ids.as_slice();
        let plain = |id: &String| id.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\');
        if !ids.is_empty() && ids.iter().all(plain) {
            let texts = ids.iter().map(|id| memmem::Finder::new(id.as_bytes()));
            let texts = texts.map(|finder| Finder::Text(Box::new(finder)));
            return Some(Scan(texts.collect()));
        }
        self.pattern.as_ref()?.scan().map(|pieces| Scan(vec![Finder::Pieces(pieces)]))
    }

    /// Judges whether a file is a matching event; `scan` is [the filter's own](Self::scan).
    pub(super) fn judge(&self, bytes: &[u8], scan: Option<&Scan<'_>>) -> Verdict {
        if let Some(scan) = scan
            && memchr::memchr(b'\\', bytes).is_none()
            && bytes.first() == Some(&b'{')
            && scan.finders().all(|finder| finder.find(bytes, 0).is_none())
        {
            return Verdict::Other;
        }
        match EventHead::parse(bytes) {
            Ok(head) if self.matches(&head) && self.finds(bytes) => Verdict::Match(head.timestamp),
            Ok(_) => Verdict::Other,
            Err(error) => Verdict::Invalid(error.0),
        }
    }

    /// Reports whether a file is a matching event.
    pub(crate) fn admits(&self, bytes: &[u8]) -> bool {
        matches!(self.judge(bytes, None), Verdict::Match(_))
    }

    /// Reports whether the pattern matches an event's text.
    fn finds(&self, bytes: &[u8]) -> bool {
        let Some(pattern) = &self.pattern else { return true };
        std::str::from_utf8(bytes).is_ok_and(|text| pattern.matches(text))
    }

    /// Reports whether every event matches.
    pub fn is_empty(&self) -> bool {
        // Without `..`, so that no new condition is forgotten.
        let Self {
            correlation_ids,
            types,
            nodes,
            services,
            severities,
            sources,
            min_severity,
            since,
            until,
            like,
            pattern,
        } = self;
        [correlation_ids, types, nodes, services, sources].iter().all(|values| values.is_empty())
            && severities.is_empty()
            && min_severity.is_none()
            && since.is_none()
            && until.is_none()
            && like.is_none()
            && pattern.is_none()
    }

    /// Returns the frames of a segment that can hold a match, ascending.
    pub fn frames(&self, index: &Index) -> Result<Vec<usize>> {
        let mut fits = vec![true; index.frame_count()];
        for (number, fits) in fits.iter_mut().enumerate() {
            let stats = index.frame(number);
            *fits = match (stats.first, stats.last) {
                (Some(first), Some(last)) => {
                    self.since.is_none_or(|since| last >= since)
                        && self.until.is_none_or(|until| first < until)
                }
                // Files that are not events have no instant; their day says whether to name them.
                _ => {
                    self.since.is_none_or(|since| index.date().end() > since)
                        && self.until.is_none_or(|until| index.date().start() < until)
                }
            };
        }
        if let Some(like) = self.like {
            for (fits, holds) in fits.iter_mut().zip(like.frames(index)?) {
                *fits &= holds;
            }
        }
        for (field, values) in self.fields() {
            if values.is_empty() {
                continue;
            }
            let mut holds = vec![false; fits.len()];
            for value in values.iter() {
                for posting in index.lookup(field, value)? {
                    if let Some(slot) = holds.get_mut(posting.frame as usize) {
                        *slot = true;
                    }
                }
            }
            for (fits, holds) in fits.iter_mut().zip(holds) {
                *fits &= holds;
            }
        }
        Ok(fits.iter().enumerate().filter_map(|(number, fits)| fits.then_some(number)).collect())
    }

    /// Reports whether an index may hold only the beginning of a value.
    pub(crate) fn is_cut(value: &str) -> bool {
        value.len() > LONGEST_WHOLE
    }

    /// Returns what the filter asks for besides time.
    pub(crate) fn asked(&self) -> Asked {
        if self.like.is_some() || self.pattern.is_some() {
            return Asked::More;
        }
        let mut asked = self.fields().into_iter().filter(|(_, values)| !values.is_empty());
        let only = match asked.next() {
            Some((field, values)) => Asked::Field(field, values.into_owned()),
            None => Asked::Nothing,
        };
        // Severities that exclude each other leave no value.
        let is_none = self.fields().iter().all(|(_, values)| values.is_empty());
        let is_void = is_none && (self.min_severity.is_some() || !self.severities.is_empty());
        if asked.next().is_some() || is_void { Asked::More } else { only }
    }

    /// Returns the values that are asked for, by the field of the index that holds them.
    fn fields(&self) -> [(Field, Cow<'_, [String]>); 6] {
        let Self {
            correlation_ids,
            types,
            nodes,
            services,
            severities,
            sources,
            min_severity,
            // The index has frames' times beside its fields, and `like` is asked of two of them;
            // it knows nothing of other text.
            since: _,
            until: _,
            like: _,
            pattern: _,
        } = self;
        let severities = match (min_severity, severities.is_empty()) {
            (None, true) => Vec::new(),
            (min, any) => Severity::ALL
                .into_iter()
                .filter(|severity| any || severities.contains(severity))
                .filter(|severity| min.is_none_or(|min| *severity >= min))
                .map(|severity| severity.as_str().to_owned())
                .collect(),
        };
        [
            (Field::CorrelationId, Cow::Borrowed(correlation_ids)),
            (Field::Type, Cow::Borrowed(types)),
            (Field::Node, Cow::Borrowed(nodes)),
            (Field::Service, Cow::Borrowed(services)),
            (Field::Severity, Cow::Owned(severities)),
            (Field::Source, Cow::Borrowed(sources)),
        ]
    }
}

/// The conditions of a filter besides time.
pub(crate) enum Asked {
    /// All events.
    Nothing,
    /// These values of one field.
    Field(Field, Vec<String>),
    /// Anything else.
    More,
}

/// A search for what every match holds, in raw bytes: something that one of these finds.
pub(super) struct Scan<'a>(Vec<Finder<'a>>);

impl<'a> Scan<'a> {
    pub(super) fn finders(&self) -> impl Iterator<Item = &Finder<'a>> {
        self.0.iter()
    }
}

/// A part of a scan. Each goes through bytes by itself, once.
pub(super) enum Finder<'a> {
    /// Finds a text.
    Text(Box<memmem::Finder<'a>>),
    /// Finds one of a pattern's pieces.
    Pieces(&'a regex::bytes::Regex),
}

impl Finder<'_> {
    /// Returns the first place at or after `from`.
    pub(super) fn find(&self, bytes: &[u8], from: usize) -> Option<usize> {
        match self {
            Self::Text(finder) => finder.find(bytes.get(from..)?).map(|at| from + at),
            Self::Pieces(regex) => regex.find_at(bytes, from).map(|found| found.start()),
        }
    }
}

/// A filter's verdict on a file.
pub(super) enum Verdict {
    /// A matching event, and its time.
    Match(Timestamp),
    /// Another event.
    Other,
    /// Not an event, and why.
    Invalid(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_nothing_meets_is_not_one_that_everything_meets() {
        let none = Filter {
            severities: vec![Severity::Info],
            min_severity: Some(Severity::Error),
            ..Filter::default()
        };
        assert!(!none.is_empty());
        assert!(Filter::default().is_empty());
    }
}
