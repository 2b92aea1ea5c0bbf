//! Findings in bounded memory: the same thing may be wrong any number of times.

use super::Finding;
use crate::event::Date;

/// Maximum number of findings that a report names one by one.
const MAX_NAMED: usize = 1000;

/// Number of findings of a part that are named even if the report is full.
const MIN_NAMED: usize = 10;

/// Findings: the first ones by name, the rest by number.
#[derive(Debug)]
pub(in crate::ops) struct Findings {
    pub(in crate::ops) named: Vec<Finding>,
    pub(in crate::ops) unnamed: u64,
    max_named: usize,
}

impl Default for Findings {
    fn default() -> Self {
        Self::beside(0)
    }
}

impl Findings {
    /// Begins a part of a report that names this many already. Each part names some: no part's
    /// findings can hide those of another.
    pub(in crate::ops) fn beside(named: usize) -> Self {
        let max_named = MAX_NAMED.saturating_sub(named).max(MIN_NAMED);
        Self { named: Vec::new(), unnamed: 0, max_named }
    }

    /// Adds a finding, by name while there is room for it.
    pub(in crate::ops) fn add(&mut self, finding: Finding) {
        self.add_with(|| finding);
    }

    /// Adds a finding, created only if it is named.
    pub(in crate::ops) fn add_with(&mut self, finding: impl FnOnce() -> Finding) {
        if self.named.len() < self.max_named {
            self.named.push(finding());
        } else {
            self.unnamed += 1;
        }
    }

    /// Adds the findings of a part.
    pub(in crate::ops) fn extend(&mut self, part: Self) {
        for finding in part.named {
            self.add(finding);
        }
        self.unnamed += part.unnamed;
    }

    /// Returns the named findings, with one for the number of the others.
    pub(in crate::ops) fn into_named(self) -> Vec<Finding> {
        let Self { mut named, unnamed, .. } = self;
        if unnamed > 0 {
            // If they are all of one day, the count is of that day.
            let day = |finding: &Finding| -> Option<Date> {
                finding.path.split('/').next().and_then(|day| day.parse().ok())
            };
            let first = named.first().and_then(day);
            let of_day = first.filter(|first| named.iter().all(|other| day(other) == Some(*first)));
            named.push(match of_day {
                Some(day) => Finding::new(day.to_string(), format!("and {unnamed} more like it")),
                None => Finding::new("and", format!("{unnamed} more like it")),
            });
        }
        named
    }
}
