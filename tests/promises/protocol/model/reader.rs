//! A reader of the model: its steps, and what is wrong with what it saw.

use std::collections::{BTreeSet, HashSet};

use super::{DONE, Event, LIVE, Next, Reader, Rule, World, Writer, name};

impl World {
    /// What must be seen by a reader that begins now, and what may or may not be.
    fn begin(&self, reader: &mut Reader) {
        reader.must = self.live.values().copied().chain(self.archived()).collect();
        reader.may_expire.clear();
        for actor in self.actors.iter().filter(|actor| actor.writer == Writer::Prune) {
            // A prune that has begun goes on.
            if (2..DONE).contains(&actor.at) && actor.segment != u8::MAX {
                let chosen = &self.contents[usize::from(actor.segment)];
                reader.may_expire.extend(chosen.iter().copied());
            }
        }
    }

    /// The reader's next step.
    pub(in crate::protocol) fn read(&self, rule: Rule) -> Self {
        let mut world = self.clone();
        let mut reader = std::mem::take(&mut world.reader);
        let after_look = if reader.listed.is_none() { Next::List } else { Next::Files };
        match reader.next {
            Next::FirstDays | Next::SecondDays => {
                let first = reader.next == Next::FirstDays;
                if first {
                    world.begin(&mut reader);
                }
                let live_now = first == (rule != Rule::DaysOfManifestFirst);
                reader.day_known |=
                    if live_now { world.day_directory } else { !world.recorded.is_empty() };
                reader.next = match (first, reader.day_known) {
                    (true, _) => Next::SecondDays,
                    (false, false) => Next::Done,
                    (false, true) if rule == Rule::ManifestBeforeListing => Next::Load(None),
                    (false, true) => Next::List,
                };
            }
            Next::List => {
                reader.listed = Some(world.live.keys().copied().collect());
                reader.next = match rule {
                    Rule::ManifestBeforeListing => Next::Files,
                    _ => Next::Load(None),
                };
            }
            Next::Load(only) => {
                let known = &reader.known;
                reader.named = world.recorded.difference(known).copied().collect();
                reader.next = if reader.named.is_empty() { after_look } else { Next::Open(only) };
            }
            Next::Open(only) => {
                if let Some(number) = reader.named.pop() {
                    reader.known.insert(number);
                    if world.published.contains(&number) {
                        reader.opened.push((number, only));
                    } else {
                        // Gone because it expired, or became a part of another one, is no
                        // damage: the record came first.
                        let still = world.recorded.contains(&number);
                        reader.damaged |= still || rule == Rule::MissingIsDamage;
                        reader.gone |= rule != Rule::MissingIsExpired;
                    }
                }
                if reader.named.is_empty() {
                    let gone = std::mem::take(&mut reader.gone);
                    reader.next = if gone { Next::Load(only) } else { after_look };
                }
            }
            Next::Files => match reader.listed.as_mut().and_then(Vec::pop) {
                Some(file) => {
                    let found = world.live.get(&file).copied();
                    reader.rows.extend(found.map(|event| (file, LIVE, event)));
                    reader.next = match (rule, found) {
                        (Rule::NeverLookAgain, _)
                        | (Rule::LookAgainOnlyWhenGone | Rule::OnlyWhatWasGone, Some(_)) => {
                            Next::Files
                        }
                        (Rule::OnlyWhatWasGone, None) => Next::Load(Some(file)),
                        _ => Next::Load(None),
                    };
                }
                None => reader.next = Next::Segments,
            },
            Next::Segments => match reader.opened.pop() {
                // An open segment can be read, whatever becomes of its name.
                Some((number, only)) => {
                    let events = &world.contents[usize::from(number)];
                    let wanted = |event: &&Event| only.is_none_or(|only| only == name(**event));
                    let row = |event: &Event| (name(*event), number, *event);
                    reader.rows.extend(events.iter().filter(wanted).map(row));
                }
                None => reader.next = Next::Done,
            },
            Next::Done => {}
        }
        world.reader = reader;
        world
    }

    /// What is wrong with what a reader saw that is done.
    pub(in crate::protocol) fn judge(&self, rule: Rule) -> Option<String> {
        let reader = &self.reader;
        // In the order of the answer: by name, archived before live.
        let mut rows: Vec<Event> = reader.rows.iter().map(|(_, _, event)| *event).collect();
        match rule {
            Rule::NoDedup => {}
            Rule::DedupWithLastAlone => rows.dedup(),
            _ => {
                let mut seen = HashSet::new();
                rows.retain(|event| seen.insert(*event));
            }
        }
        if reader.damaged {
            return Some("a segment that nothing is wrong with is taken for damaged".to_owned());
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = rows.iter().find(|event| !seen.insert(**event)) {
            return Some(format!("{twice} is seen twice"));
        }
        reader
            .must
            .iter()
            .find(|event| !seen.contains(*event) && !reader.may_expire.contains(event))
            .map(|lost| format!("{lost} is lost"))
    }
}
