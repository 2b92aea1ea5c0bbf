//! Ten years of three roots: events are emitted, some late, days are rotated, expire, are
//! held, released and compacted, and the roots sync. A model beside them knows after every
//! step which events each root must give, which expired and which are held.
//!
//! The clock is injected and the chance is seeded, so every run is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hlarchive::{
    CompactOptions, Context, Date, End, EventPath, History, HoldSubject, Policy, PruneOptions,
    RotateOptions, SyncOptions, Timestamp, VerifyOptions,
};

const MONTHS: i64 = 120;
const DAY: i64 = 86_400_000_000;
const KEEP_LIVE: i64 = 7;
const KEEP: i64 = 365;
const KEEP_INCIDENTS: i64 = 3 * 365;

const POLICY: &str = "version = 1
[rotate]
keep_live = \"7d\"
level = 1
[retain]
grace = \"0d\"
keep = \"365d\"
[[retain.class]]
name = \"incidents\"
match = { severity = [\"error\", \"critical\"] }
keep = \"1095d\"
";

/// `splitmix64` (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }

    fn in_ten(&mut self, times: u64) -> bool {
        self.below(10) < times
    }
}

/// What there is to know of an event.
struct Known {
    bytes: Vec<u8>,
    id: String,
    is_incident: bool,
}

#[derive(Clone)]
struct Segment {
    date: Date,
    is_incident: bool,
    events: BTreeSet<EventPath>,
}

/// What a root must hold.
#[derive(Default)]
struct Model {
    live: BTreeSet<EventPath>,
    segments: Vec<Segment>,
    expired: BTreeSet<EventPath>,
    holds: BTreeMap<u64, HoldSubject>,
}

impl Model {
    fn readable(&self) -> BTreeSet<EventPath> {
        let archived = self.segments.iter().flat_map(|segment| &segment.events);
        self.live.iter().chain(archived).cloned().collect()
    }

    fn is_held(&self, segment: &Segment, known: &BTreeMap<EventPath, Known>) -> bool {
        self.holds.values().any(|on| match on {
            HoldSubject::Days(from, to) => (*from..=*to).contains(&segment.date),
            HoldSubject::CorrelationId(id) => {
                segment.events.iter().any(|event| known[event].id == *id)
            }
        })
    }

    fn rotate(&mut self, now: Timestamp, known: &BTreeMap<EventPath, Known>) {
        let closed = |date: Date| date.end().micros() + KEEP_LIVE * DAY <= now.micros();
        let mut made: BTreeMap<(Date, bool), BTreeSet<EventPath>> = BTreeMap::new();
        for event in std::mem::take(&mut self.live) {
            if closed(event.date) {
                let class = (event.date, known[&event].is_incident);
                made.entry(class).or_default().insert(event);
            } else {
                self.live.insert(event);
            }
        }
        for ((date, is_incident), events) in made {
            self.segments.push(Segment { date, is_incident, events });
        }
    }

    fn prune(&mut self, now: Timestamp, known: &BTreeMap<EventPath, Known>) {
        for segment in std::mem::take(&mut self.segments) {
            let keep = if segment.is_incident { KEEP_INCIDENTS } else { KEEP };
            let is_over = segment.date.end().micros() + keep * DAY <= now.micros();
            if is_over && !self.is_held(&segment, known) {
                self.expired.extend(segment.events);
            } else {
                self.segments.push(segment);
            }
        }
    }

    fn compact(&mut self, known: &BTreeMap<EventPath, Known>) {
        let mut groups: BTreeMap<(Date, bool), Vec<Segment>> = BTreeMap::new();
        for segment in std::mem::take(&mut self.segments) {
            if self.is_held(&segment, known) {
                self.segments.push(segment);
            } else {
                groups.entry((segment.date, segment.is_incident)).or_default().push(segment);
            }
        }
        for ((date, is_incident), group) in groups {
            let events = group.into_iter().flat_map(|segment| segment.events).collect();
            self.segments.push(Segment { date, is_incident, events });
        }
    }
}

struct World {
    histories: Vec<History>,
    models: Vec<Model>,
    known: BTreeMap<EventPath, Known>,
    now: Timestamp,
    chance: Chance,
    compared: u64,
    stayed_away: u64,
}

impl World {
    fn new(at: &Path) -> Self {
        let policy = Policy::parse(POLICY, "test").unwrap();
        let history = |name| History::open(at.join(name)).unwrap().with_policy(policy.clone());
        let world = Self {
            histories: ["hub", "pi4", "nas"].map(history).to_vec(),
            models: (0..3).map(|_| Model::default()).collect(),
            known: BTreeMap::new(),
            now: "2026-01-15T00:00:00Z".parse().unwrap(),
            chance: Chance(20_260_516),
            compared: 0,
            stayed_away: 0,
        };
        for history in &world.histories {
            std::fs::create_dir(history.root()).unwrap();
        }
        world
    }

    /// A root at the time it is in this world.
    fn at(&self, root: usize) -> History {
        let context = Context::from_system("test").unwrap().at(self.now);
        self.histories[root].clone().with_context(context)
    }

    fn emit(&mut self, root: usize, days_ago: u64) {
        let severity = ["info", "warning", "error"][self.chance.below(3) as usize];
        let id = format!("run-{}", self.chance.below(40));
        let offset = days_ago as i64 * DAY + self.chance.below(DAY as u64) as i64;
        let timestamp = Timestamp::from_micros(self.now.micros() - offset);
        let history = self.at(root);
        let emitted = history
            .emit("healthcheck_failed")
            .severity(severity.parse().unwrap())
            .source("s")
            .correlation_id(&*id)
            .node(["hub", "pi4", "nas"][root])
            .timestamp(timestamp)
            .send()
            .unwrap();
        let bytes = std::fs::read(emitted.file()).unwrap();
        let is_incident = severity == "error";
        self.known.insert(emitted.path().clone(), Known { bytes, id, is_incident });
        self.models[root].live.insert(emitted.path().clone());
    }

    fn rotate(&mut self, root: usize) {
        let report = self.at(root).rotate(&RotateOptions::default()).unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        self.models[root].rotate(self.now, &self.known);
    }

    fn prune(&mut self, root: usize) {
        let mut options = PruneOptions::default();
        options.consent = true;
        let report = self.at(root).prune(&options).unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        self.models[root].prune(self.now, &self.known);
    }

    fn compact(&mut self, root: usize) {
        let history = self.at(root);
        if !history.archive_path().exists() {
            return;
        }
        let report = history.compact(&CompactOptions::default()).unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        self.models[root].compact(&self.known);
    }

    fn hold(&mut self, root: usize) {
        let on = if self.chance.in_ten(5) {
            HoldSubject::CorrelationId(format!("run-{}", self.chance.below(40)))
        } else {
            let from = self.now.date().plus_days(-(self.chance.below(400) as i64));
            HoldSubject::Days(from, from.plus_days(self.chance.below(40) as i64))
        };
        let report = self.at(root).hold(&on, "a test").unwrap();
        self.models[root].holds.insert(report.holds[0].id, on);
    }

    fn release(&mut self, root: usize) {
        let Some(id) = self.models[root].holds.keys().next().copied() else { return };
        self.at(root).release(id, None).unwrap();
        self.models[root].holds.remove(&id);
    }

    /// What the destination lacks arrives, but for what is of a day, node and class of which
    /// events expired there.
    fn sync(&mut self, from: usize, to: usize, scratch: &Path) {
        let ends = [from, to].map(|root| End::here(&self.histories[root]));
        let options = SyncOptions::new(scratch);
        let report = self.at(to).sync(&ends[0], &ends[1], &options).unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let kind =
            |event: &EventPath| (event.date, event.node.to_string(), self.known[event].is_incident);
        let over: BTreeSet<_> = self.models[to].expired.iter().map(kind).collect();
        let has = self.models[to].readable();
        let mut passed_over = 0;
        for event in self.models[from].readable() {
            if !has.contains(&event) && over.contains(&kind(&event)) {
                passed_over += 1;
            } else if !has.contains(&event) {
                self.models[to].live.insert(event);
            }
        }
        assert!(report.expired <= passed_over, "{report:?}");
        self.stayed_away += report.expired;
    }

    /// The events that a root gives: each once, and as it was written.
    fn seen(&self, root: usize) -> BTreeSet<EventPath> {
        let mut seen = BTreeSet::new();
        for event in self.histories[root].events() {
            let event = event.unwrap();
            assert!(*event.bytes == *self.known[&event.path].bytes, "{}", event.path);
            assert!(seen.insert(event.path.clone()), "{} is seen twice", event.path);
        }
        seen
    }

    fn compare(&mut self, root: usize, after: &str) {
        let (seen, wanted) = (self.seen(root), self.models[root].readable());
        let now = self.now;
        let missing: Vec<_> = wanted.difference(&seen).collect();
        let beyond: Vec<_> = seen.difference(&wanted).collect();
        assert!(
            missing.is_empty() && beyond.is_empty(),
            "{now}, root {root}, after {after}: missing {missing:?}, too many {beyond:?}"
        );
        self.compared += seen.len() as u64;
        // What expired is told, not just absent.
        if let Some(event) = self.models[root].expired.iter().next() {
            let error = self.histories[root].find(&event.to_string()).unwrap_err().to_string();
            assert!(error.contains("expired"), "{error}");
        }
    }

    fn verify(&self, root: usize) {
        let report = self.at(root).verify(&VerifyOptions::default()).unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
}

#[test]
fn ten_years_of_three_roots_are_what_a_model_of_them_says() {
    let shm = Path::new("/dev/shm");
    let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
    let directory = tempfile::tempdir_in(parent).unwrap();
    let mut world = World::new(directory.path());
    for month in 0..MONTHS {
        world.now = Timestamp::from_micros(world.now.micros() + 30 * DAY);
        for root in 0..3 {
            for _ in 0..2 + world.chance.below(3) {
                let days_ago = world.chance.below(30);
                world.emit(root, days_ago);
            }
            if world.chance.in_ten(4) {
                let days_ago = 30 + world.chance.below(400);
                world.emit(root, days_ago);
            }
            world.compare(root, "emit");
            for (step, times) in
                [("rotate", 8), ("hold", 1), ("prune", 4), ("release", 1), ("compact", 2)]
            {
                if !world.chance.in_ten(times) {
                    continue;
                }
                match step {
                    "rotate" => world.rotate(root),
                    "hold" => world.hold(root),
                    "prune" => world.prune(root),
                    "release" => world.release(root),
                    _ => world.compact(root),
                }
                world.compare(root, step);
            }
            if world.chance.in_ten(5) {
                let from = (root + 1 + world.chance.below(2) as usize) % 3;
                world.sync(from, root, directory.path());
                world.compare(root, "sync");
            }
        }
        if month % 12 == 11 {
            (0..3).for_each(|root| world.verify(root));
        }
    }
    let expired: usize = world.models.iter().map(|model| model.expired.len()).sum();
    let held: usize = world.models.iter().map(|model| model.holds.len()).sum();
    assert!(expired > 500 && held > 3 && world.compared > 50_000, "{expired} {held}");
    assert!(world.stayed_away > 20, "{} events stayed away", world.stayed_away);
}
