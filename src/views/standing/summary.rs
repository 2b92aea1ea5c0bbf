//! A state in its stored form, and its comparison with one that was computed again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ProblemSlot, Stretch, Well};
use crate::event::Timestamp;

/// A state in its stored form: what cannot be a JSON object is a list.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StandingSummary {
    pub(super) latest: Option<Timestamp>,
    pub(super) well: Vec<(String, String, Well)>,
    pub(super) online: BTreeMap<String, Timestamp>,
    pub(super) open: Vec<(ProblemSlot, Stretch)>,
}

impl StandingSummary {
    /// Reports whether it agrees with one that was computed again. Up to `until`, it may know
    /// events that are gone, and the other may not know that something is over.
    pub(crate) fn agrees(&self, fresh: &Self, until: Option<Timestamp>) -> bool {
        let Some(until) = until else {
            let text = |summary: &Self| serde_json::to_string(summary).ok();
            return text(self) == text(fresh);
        };
        let is_known = |own: Option<Timestamp>, made: Option<Timestamp>| {
            own == made || (own > made && own <= Some(until))
        };
        let own: BTreeMap<_, _> =
            self.well.iter().map(|(service, node, well)| ((service, node), *well)).collect();
        let made: BTreeMap<_, _> =
            fresh.well.iter().map(|(service, node, well)| ((service, node), *well)).collect();
        let places = own.keys().chain(made.keys());
        let is_well = places.into_iter().all(|place| {
            let own = own.get(place).copied().unwrap_or_default();
            let made = made.get(place).copied().unwrap_or_default();
            is_known(own.recovered, made.recovered) && is_known(own.succeeded, made.succeeded)
        });
        let nodes = self.online.keys().chain(fresh.online.keys());
        let is_online = nodes
            .into_iter()
            .all(|node| is_known(self.online.get(node).copied(), fresh.online.get(node).copied()));
        let own: BTreeMap<_, _> = self.open.iter().map(|(slot, bad)| (slot, bad)).collect();
        let made: BTreeMap<_, _> = fresh.open.iter().map(|(slot, bad)| (slot, bad)).collect();
        let is_open =
            own.keys().chain(made.keys()).all(|slot| match (own.get(slot), made.get(slot)) {
                (Some(own), Some(made)) => {
                    own.last == made.last
                        && (own.first == made.first || own.first.min(made.first) <= until)
                }
                (Some(bad), None) | (None, Some(bad)) => bad.last.time <= until,
                (None, None) => true,
            });
        is_known(self.latest, fresh.latest) && is_well && is_online && is_open
    }
}
