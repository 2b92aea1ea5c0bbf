//! One look at the entire history: what has no mark is new.

mod news;
mod reading;

use std::collections::BTreeMap;

use super::log::Mark;
use super::{Follower, Give, Look};
use crate::event::{Date, EventPath, Timestamp};
use crate::live::LiveTree;
use crate::store::{Notice, Notices, step};
use crate::{Error, Result};

/// The parts of a day that were not read yet.
#[derive(Default)]
struct News {
    files: Vec<EventPath>,
    /// True if there are more files than are listed by name.
    many: bool,
    segments: Vec<Mark>,
}

/// A day that is looked at.
#[derive(Clone, Copy)]
struct ExaminedDay<'a> {
    date: Date,
    /// The live tree, if live events are wanted.
    live: Option<&'a LiveTree>,
}

impl Follower {
    /// Looks once, and gives what is new. `give` has printed its events when it returns; if it
    /// fails, they are given again after the next start.
    pub(crate) fn look<E: From<Error>>(
        &mut self,
        now: Timestamp,
        give: &mut Give<'_, E>,
    ) -> Result<Look, E> {
        let ended = Look { ended: true, ..Look::default() };
        if self.remaining == 0 || !self.replay(give)? {
            return Ok(ended);
        }
        // What this look does not finish, the next one starts again.
        let asked = std::mem::take(&mut self.asked);
        let mut look = Look::default();
        let mut news: BTreeMap<Date, News> = BTreeMap::new();
        let live = if self.query.scope.live() { self.store.live()? } else { None };
        self.list(live.as_ref(), now, &mut news)?;
        step();
        self.ask_manifest(asked, &mut news)?;
        let mut whole = true;
        for (date, news) in news {
            let segments = news.segments.clone();
            if !self.examine(ExaminedDay { date, live: live.as_ref() }, news, &mut look, give)? {
                return Ok(ended);
            }
            whole &= segments.iter().all(|s| self.done.contains(s) || self.tried.contains(s));
            if !self.days.contains_key(&date) {
                self.seen.keep(&self.days);
            }
        }
        self.asked = whole;
        look.again |= !whole;
        look.restless |= self.suspects.values().any(|suspect| !suspect.told)
            || self.days.values().any(|day| !day.is_settled());
        Ok(look)
    }

    /// Takes over a query's notices. Live files among them are checked by name.
    pub(super) fn take_notices(&mut self, notices: &mut Notices) {
        let (kept, _) = notices.take();
        let by_name = |notice: &Notice| {
            matches!(
                notice,
                Notice::Invalid { segment: None, .. }
                    | Notice::Unreadable { .. }
                    | Notice::UnexpectedEntry { .. }
                    | Notice::Expired(_)
            )
        };
        for notice in kept.into_iter().filter(|notice| !by_name(notice)) {
            self.notices.add(notice);
        }
    }
}
