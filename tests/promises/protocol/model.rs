//! A model of a day: its files, its segments, and those who change it.

mod reader;

use std::collections::{BTreeMap, BTreeSet};

/// An event. Its name is its number modulo 10: 1 and 11 are two events of one name.
pub(super) type Event = u8;

fn name(event: Event) -> u8 {
    event % 10
}

/// The order of the steps. The default is the program's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Rule {
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
pub(super) enum Writer {
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
pub(super) struct Actor {
    writer: Writer,
    at: u8,
    /// What it read, and has still to work on.
    taken: Vec<Event>,
    /// The segment that it makes or removes.
    segment: u8,
}

/// What the reader does next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Next {
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
pub(super) struct Reader {
    pub(super) next: Next,
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
pub(super) struct World {
    live: BTreeMap<u8, Event>,
    day_directory: bool,
    /// What each segment holds that was ever made.
    contents: Vec<Vec<Event>>,
    published: BTreeSet<u8>,
    recorded: BTreeSet<u8>,
    locked: bool,
    pub(super) actors: Vec<Actor>,
    pub(super) reader: Reader,
}

const DONE: u8 = 100;

/// Stands for the number of a segment, and sorts after all of them.
const LIVE: u8 = u8::MAX;

impl World {
    pub(super) fn new(archived: &[&[Event]], live: &[Event], writers: &[Writer]) -> Self {
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
    pub(super) fn write(&self, number: usize, rule: Rule) -> Option<Self> {
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
}
