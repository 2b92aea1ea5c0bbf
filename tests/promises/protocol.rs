//! The protocol that lets readers do without a lock, as a model whose states are all
//! visited: whatever the order in which the steps of writers and of a reader come, each
//! event that was there when the reader began is seen exactly once.
//!
//! The steps are those of `src/store/source.rs` and `src/ops/rotate/day.rs`. Their order is
//! a parameter, so the model also shows that each rule is needed: every other order has a
//! run in which an event is lost, doubled or taken for damage. (The reader itself is run
//! under every interleaving by `src/store/tests/interleaved.rs`.)

#![allow(clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// An event. Its name is its number modulo 10: 1 and 11 are two events of one name.
type Event = u8;

fn name(event: Event) -> u8 {
    event % 10
}

/// The order of the steps. The default is the program's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Rule {
    /// As the program does it.
    #[default]
    Right,
    /// Rotate removes the files before the record is written.
    UnlinkBeforeRecord,
    /// Rotate records the segment before it is in place.
    RecordBeforePublish,
    /// Prune and compact remove a segment before they say so.
    UnpublishBeforeRecord,
    /// The reader asks the manifest for days before it lists the live ones.
    DaysOfManifestFirst,
    /// The reader asks the manifest for a day's segments before it lists the live day.
    ManifestBeforeListing,
    /// The reader does not look again when a live file is gone.
    NeverLookAgain,
    /// The reader looks again only when a live file is gone.
    LookAgainOnlyWhenGone,
    /// The reader takes from a segment that it found so only what was gone at that time.
    OnlyWhatWasGone,
    /// The reader takes events from both places as they come.
    NoDedup,
    /// The reader compares an event with the one before it alone.
    DedupWithLastAlone,
    /// The reader takes a segment that is not there any more for damage.
    MissingIsDamage,
    /// The reader takes a segment that is not there any more for expired, and does not look
    /// for one that took its place.
    MissingIsExpired,
}

/// Who acts beside the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Writer {
    Rotate,
    /// Writes one live file, if its name is free.
    Emit(Event),
    /// Writes all archived events as live files where their names are free.
    RestoreLive,
    /// Expires the oldest segment.
    Prune,
    /// Makes one segment of all.
    Compact,
}

/// A writer and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Actor {
    writer: Writer,
    at: u8,
    /// What it read, and has still to work on.
    taken: Vec<Event>,
    /// The segment that it makes or removes.
    segment: u8,
}

/// What the reader does next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Next {
    #[default]
    FirstDays,
    SecondDays,
    List,
    /// Loads the manifest. If the name of a file is given, only its events are wanted.
    Load(Option<u8>),
    /// Opens the segments that the manifest named.
    Open(Option<u8>),
    Files,
    Segments,
    Done,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Reader {
    next: Next,
    must: BTreeSet<Event>,
    may_expire: BTreeSet<Event>,
    day_known: bool,
    /// Names that the listing gave and that were not read yet.
    listed: Option<Vec<u8>>,
    /// Segments that are or were among the sources.
    known: BTreeSet<u8>,
    /// Segments that the manifest named, still to be opened.
    named: Vec<u8>,
    /// Segments still to be read, and the name of which alone events are taken.
    opened: Vec<(u8, Option<u8>)>,
    /// Name, segment or [`LIVE`], event.
    rows: BTreeSet<(u8, u8, Event)>,
    damaged: bool,
    /// Whether a segment was gone that the manifest had named.
    gone: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct World {
    live: BTreeMap<u8, Event>,
    day_directory: bool,
    /// What each segment holds that was ever made.
    contents: Vec<Vec<Event>>,
    published: BTreeSet<u8>,
    recorded: BTreeSet<u8>,
    locked: bool,
    actors: Vec<Actor>,
    reader: Reader,
}

const DONE: u8 = 100;

/// Stands for the number of a segment, and sorts after all of them.
const LIVE: u8 = u8::MAX;

impl World {
    fn new(archived: &[&[Event]], live: &[Event], writers: &[Writer]) -> Self {
        let actor = |writer: &Writer| Actor { writer: *writer, at: 0, taken: vec![], segment: 0 };
        let segments: BTreeSet<u8> = (0..archived.len() as u8).collect();
        Self {
            live: live.iter().map(|event| (name(*event), *event)).collect(),
            day_directory: !live.is_empty(),
            contents: archived.iter().map(|events| events.to_vec()).collect(),
            published: segments.clone(),
            recorded: segments,
            actors: writers.iter().map(actor).collect(),
            ..Self::default()
        }
    }

    /// What recorded segments hold.
    fn archived(&self) -> BTreeSet<Event> {
        self.recorded
            .iter()
            .flat_map(|number| self.contents[usize::from(*number)].clone())
            .collect()
    }

    /// The step of a writer, if it can take one now.
    fn write(&self, number: usize, rule: Rule) -> Option<Self> {
        let mut world = self.clone();
        let mut actor = world.actors[number].clone();
        match (actor.writer, actor.at) {
            (_, DONE) => return None,
            (Writer::Emit(event), _) => {
                world.live.entry(name(event)).or_insert(event);
                world.day_directory = true;
                actor.at = DONE;
            }
            // Whoever changes the archive waits for the lock; in truth it ends with 75.
            (_, 0) if world.locked => return None,
            (_, 0) => (world.locked, actor.at) = (true, 1),
            (Writer::Rotate, at) => world.rotate(&mut actor, at, rule),
            (Writer::Compact, at) => world.compact(&mut actor, at, rule),
            (Writer::RestoreLive, 1) => {
                // Popped from the end: the oldest comes first.
                actor.taken = world.archived().into_iter().rev().collect();
                actor.at = 2;
            }
            (Writer::RestoreLive, _) => {
                if let Some(event) = actor.taken.pop() {
                    world.live.entry(name(event)).or_insert(event);
                    world.day_directory = true;
                } else {
                    (world.locked, actor.at) = (false, DONE);
                }
            }
            (Writer::Prune, at) => {
                let oldest = world.recorded.first().copied();
                let record_now = (at == 1) == (rule != Rule::UnpublishBeforeRecord);
                if at == 1 {
                    actor.segment = oldest.unwrap_or(u8::MAX);
                    let expired = oldest.map(|number| world.contents[usize::from(number)].clone());
                    // Who reads meanwhile may see it or not.
                    world.reader.may_expire.extend(expired.unwrap_or_default());
                }
                if at == 3 {
                    (world.locked, actor.at) = (false, DONE);
                } else {
                    let from = if record_now { &mut world.recorded } else { &mut world.published };
                    from.remove(&actor.segment);
                    actor.at += 1;
                }
            }
        }
        world.actors[number] = actor;
        Some(world)
    }

    fn rotate(&mut self, actor: &mut Actor, at: u8, rule: Rule) {
        // Publish, record, unlink; or, to see that it matters, another order.
        let order = match rule {
            Rule::UnlinkBeforeRecord => ["publish", "unlink", "record"],
            Rule::RecordBeforePublish => ["record", "publish", "unlink"],
            _ => ["publish", "record", "unlink"],
        };
        if at == 1 {
            // List the day, read it, and leave out what is archived already.
            actor.taken = self.live.values().copied().collect();
            let archived = self.archived();
            let new: Vec<Event> =
                actor.taken.iter().copied().filter(|event| !archived.contains(event)).collect();
            actor.segment = u8::MAX;
            if !new.is_empty() {
                actor.segment = self.contents.len() as u8;
                self.contents.push(new);
            }
            actor.at = 2;
            return;
        }
        let Some(what) = order.get(usize::from(at) - 2) else {
            if self.live.is_empty() {
                self.day_directory = false;
            }
            (self.locked, actor.at) = (false, DONE);
            return;
        };
        match *what {
            "unlink" => {
                // Exactly the file that was read, one at a time.
                if let Some(event) = actor.taken.pop() {
                    if self.live.get(&name(event)) == Some(&event) {
                        self.live.remove(&name(event));
                    }
                    return;
                }
            }
            _ if actor.segment == u8::MAX => {}
            "publish" => drop(self.published.insert(actor.segment)),
            _ => drop(self.recorded.insert(actor.segment)),
        }
        actor.at += 1;
    }

    fn compact(&mut self, actor: &mut Actor, at: u8, rule: Rule) {
        if at == 1 && self.recorded.len() > 1 {
            // What it works on is segments here, the oldest last.
            actor.taken = self.recorded.iter().rev().copied().collect();
            actor.segment = self.contents.len() as u8;
            self.contents.push(self.archived().into_iter().collect());
            self.published.insert(actor.segment);
            actor.at = 2;
            return;
        }
        let record_now = (at == 2) == (rule != Rule::UnpublishBeforeRecord);
        match at {
            2 | 3 if record_now => {
                // One record, so at once.
                self.recorded = BTreeSet::from([actor.segment]);
                actor.at += 1;
            }
            2 | 3 => match actor.taken.pop() {
                Some(old) => drop(self.published.remove(&old)),
                None => actor.at += 1,
            },
            _ => (self.locked, actor.at) = (false, DONE),
        }
    }

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
    fn read(&self, rule: Rule) -> Self {
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
    fn judge(&self, rule: Rule) -> Option<String> {
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

/// Visits every state that any order of steps leads to. Gives the number of states, or
/// what is wrong in the first run that goes wrong.
fn explore(start: World, rule: Rule) -> Result<usize, String> {
    let mut visited = HashSet::new();
    let mut open = vec![start];
    while let Some(world) = open.pop() {
        if !visited.insert(world.clone()) {
            continue;
        }
        if world.reader.next == Next::Done {
            if let Some(wrong) = world.judge(rule) {
                return Err(wrong);
            }
            continue;
        }
        open.push(world.read(rule));
        open.extend((0..world.actors.len()).filter_map(|number| world.write(number, rule)));
    }
    Ok(visited.len())
}

/// Histories, each with what happens while it is read.
fn histories() -> Vec<(&'static str, World)> {
    use Writer::{Compact, Emit, Prune, RestoreLive, Rotate};
    vec![
        ("a day is rotated", World::new(&[], &[1, 2, 3], &[Rotate])),
        ("an event arrives late", World::new(&[], &[1, 2], &[Rotate, Emit(3), Rotate])),
        ("a late arrival is rotated", World::new(&[&[1]], &[2, 3], &[Rotate, Emit(4), Rotate])),
        (
            "a day is restored and rotated again",
            World::new(&[&[1, 2]], &[3], &[RestoreLive, Rotate, Emit(4)]),
        ),
        ("two rotates and a restore", World::new(&[], &[1, 2], &[Rotate, RestoreLive, Rotate])),
        (
            "a namesake is rotated and the first one restored",
            World::new(&[&[1]], &[11, 2], &[Rotate, RestoreLive, Rotate]),
        ),
        ("two namesakes, one of them live, too", World::new(&[&[1], &[11]], &[1], &[Rotate])),
        ("a segment expires", World::new(&[&[1], &[2]], &[3], &[Prune, Rotate, Emit(4)])),
        (
            "two segments become one",
            World::new(&[&[1], &[2, 11]], &[3], &[Compact, Rotate, Emit(4)]),
        ),
        (
            "segments become one, again one, and expire",
            World::new(&[&[1], &[2]], &[3], &[Compact, Rotate, Compact, Prune]),
        ),
    ]
}

#[test]
fn every_order_of_steps_shows_each_event_exactly_once() {
    let mut all = 0;
    for (history, start) in histories() {
        match explore(start, Rule::Right) {
            Ok(states) => {
                assert!(states > 30, "{history}: only {states} states");
                eprintln!("{history}: {states} states");
                all += states;
            }
            Err(wrong) => panic!("{history}: {wrong}"),
        }
    }
    eprintln!("{all} states in all");
}

#[test]
fn every_other_order_goes_wrong_somewhere() {
    for rule in [
        Rule::UnlinkBeforeRecord,
        Rule::RecordBeforePublish,
        Rule::UnpublishBeforeRecord,
        Rule::DaysOfManifestFirst,
        Rule::ManifestBeforeListing,
        Rule::NeverLookAgain,
        Rule::LookAgainOnlyWhenGone,
        Rule::OnlyWhatWasGone,
        Rule::NoDedup,
        Rule::DedupWithLastAlone,
        Rule::MissingIsDamage,
        Rule::MissingIsExpired,
    ] {
        let wrong: Vec<String> = histories()
            .into_iter()
            .filter_map(|(history, start)| {
                Some(format!("{history}: {}", explore(start, rule).err()?))
            })
            .collect();
        assert!(!wrong.is_empty(), "{rule:?} goes wrong nowhere");
        eprintln!("{rule:?}: {}", wrong.join("; "));
    }
}
