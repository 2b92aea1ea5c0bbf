//! The plan of a prune, and by which rule each segment goes: plain data from records, rules and
//! numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::term::{Arrivals, is_over, is_past, since};
use crate::Result;
use crate::archive::{Record, SegmentName, Space};
use crate::event::{Date, Timestamp};
use crate::ops::Finding;
use crate::policy::{Keep, MinFree, RetainRules};

/// The number of days above which a run without consent never takes more than half of the archive.
const FEW_DAYS: usize = 3;

/// The share of the archive that counts as more than half: days are not quite alike.
const HALF: f64 = 0.55;

/// A segment that expires.
#[derive(Debug, Clone, Serialize)]
pub struct Expiring {
    /// Its path in the archive.
    pub segment: SegmentName,
    /// Its day.
    pub date: Date,
    /// Its retention class, if it has one.
    pub class: Option<String>,
    /// The events in it.
    pub events: u64,
    /// Its size.
    pub bytes: u64,
    /// The rule by which it expires.
    pub rule: String,
}

/// A segment that would expire, but is held.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// Its path in the archive.
    pub segment: SegmentName,
    /// The rule by which it would expire.
    pub rule: String,
    /// The number of the hold.
    pub hold: u64,
    /// The reason of the hold.
    pub reason: Option<String>,
}

/// Segments with a promise that differs from the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Their retention class, if they have one.
    pub class: Option<String>,
    /// The promise made when they were rotated.
    pub promised: String,
    /// The term of the policy now.
    pub policy: String,
    /// The one of the two that counts.
    pub counts: String,
    /// Number of segments.
    pub segments: u64,
    /// The earliest of their days.
    pub first_day: Date,
    /// The latest of their days.
    pub last_day: Date,
}

/// A plan of what prune would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PrunePlan {
    /// Segments that expire, oldest day first.
    pub expiring: Vec<Expiring>,
    /// Segments that would expire, but are held.
    pub held: Vec<Held>,
    /// Differences between promises and the policy.
    pub differences: Vec<Difference>,
    /// The reason why this needs somebody's consent, if it does.
    pub needs_consent: Option<String>,
    /// Problems: rules that cannot be kept.
    pub findings: Vec<Finding>,
}

/// Callback that returns the number of the hold that keeps a segment, and its reason.
pub(super) type HeldBy<'a> = dyn Fn(&SegmentName, &Record) -> Option<(u64, Option<String>)> + 'a;

/// All inputs of a plan.
pub(super) struct Input<'a> {
    pub(super) segments: Vec<(&'a SegmentName, &'a Record)>,
    pub(super) arrivals: Arrivals,
    pub(super) rules: &'a RetainRules,
    pub(super) now: Timestamp,
    pub(super) space: Space,
    /// True if the policy counts even if it keeps less than was promised.
    pub(super) shorten: bool,
    pub(super) held: &'a HeldBy<'a>,
}

/// A segment under consideration.
struct Candidate<'a> {
    name: &'a SegmentName,
    record: &'a Record,
    keep: Keep,
    yields: bool,
    /// The start of its term.
    since: Timestamp,
    /// True if it has not been in the archive for long: no term is over yet, and for want of room
    /// it goes last.
    is_new: bool,
    /// The rule by which it goes, or would go.
    rule: Option<String>,
    held: bool,
}

impl Candidate<'_> {
    fn goes(&self) -> bool {
        self.rule.is_some() && !self.held
    }

    fn bytes(&self) -> u64 {
        self.record.bytes.unwrap_or(0)
    }

    /// Returns its share of the archive. A day with one event, however large, and one with many
    /// tiny ones weigh little: emitters must not be able to tip the scales cheaply.
    fn weight(&self) -> f64 {
        (self.bytes().max(1) as f64 * self.record.events.unwrap_or(0).max(1) as f64).sqrt()
    }
}

/// Makes the plan.
pub(super) fn plan(input: &Input<'_>) -> PrunePlan {
    let mut plan = PrunePlan::default();
    let mut differences: BTreeMap<(Option<String>, String), Difference> = BTreeMap::new();
    let mut candidates: Vec<Candidate<'_>> = Vec::with_capacity(input.segments.len());
    for (name, record) in &input.segments {
        let (keep, yields) = terms(input, name, record, &mut differences);
        let arrived = input.arrivals.time(name, record);
        candidates.push(Candidate {
            name,
            record,
            keep,
            yields,
            since: since(name, record, arrived),
            is_new: !is_past(input.rules.grace, arrived, input.now),
            rule: None,
            held: false,
        });
    }
    plan.differences = differences.into_values().collect();
    for candidate in &mut candidates {
        if !candidate.is_new && is_over(candidate.keep, candidate.since, input.now) {
            let of = match &candidate.name.class {
                Some(class) => format!("retain.class {class}: "),
                None => "retain.".to_owned(),
            };
            take(input, candidate, format!("{of}keep = \"{}\"", candidate.keep), &mut plan);
        }
    }
    // Within a day, what is kept for the shortest time goes first; new arrivals, last of all.
    candidates.sort_by(|a, b| {
        (a.is_new, a.name.date, a.keep, a.name).cmp(&(b.is_new, b.name.date, b.keep, b.name))
    });
    let there = |candidates: &[Candidate<'_>]| {
        let bytes = candidates.iter().filter(|candidate| !candidate.goes()).map(Candidate::bytes);
        bytes.fold(0, u64::saturating_add)
    };
    if let Some(max_size) = input.rules.max_size {
        let rule = format!("retain.max_size = \"{}\"", input.rules.max_size_in_words());
        let over = there(&candidates).saturating_sub(max_size);
        make_room(input, &mut candidates, over, &rule, &mut plan);
    }
    if let Some(wanted) = input.rules.min_free {
        let rule = format!("retain.min_free = \"{wanted}\"");
        let gone = candidates.iter().filter(|candidate| candidate.goes()).map(Candidate::bytes);
        let free = gone.fold(input.space.bytes, u64::saturating_add);
        let lacking = least_free(wanted, input.space).saturating_sub(free);
        make_room(input, &mut candidates, lacking, &rule, &mut plan);
    }
    plan.needs_consent = too_much(&candidates);
    candidates.sort_by(|a, b| (a.name.date, a.keep, a.name).cmp(&(b.name.date, b.keep, b.name)));
    for candidate in &candidates {
        if let (Some(rule), false) = (&candidate.rule, candidate.held) {
            plan.expiring.push(Expiring {
                segment: candidate.name.clone(),
                date: candidate.name.date,
                class: candidate.name.class.clone(),
                events: candidate.record.events.unwrap_or(0),
                bytes: candidate.bytes(),
                rule: rule.clone(),
            });
        }
    }
    plan
}

/// Returns how long a segment is kept, and whether it may go earlier for want of room: the longer
/// of the promise and the policy's term.
fn terms(
    input: &Input<'_>,
    name: &SegmentName,
    record: &Record,
    differences: &mut BTreeMap<(Option<String>, String), Difference>,
) -> (Keep, bool) {
    let policy = input.rules.keep_of(name.class.as_deref());
    let Some(words) = &record.keep else { return (policy, true) };
    // A promise in words of a newer version is kept forever.
    let promised = Keep::parse(words).unwrap_or(Keep::Forever);
    let keep = if input.shorten { policy } else { promised.max(policy) };
    if promised != policy {
        let key = (name.class.clone(), words.clone());
        let entry = differences.entry(key).or_insert_with(|| Difference {
            class: name.class.clone(),
            promised: words.clone(),
            policy: policy.to_string(),
            counts: keep.to_string(),
            segments: 0,
            first_day: name.date,
            last_day: name.date,
        });
        entry.segments += 1;
        // They come in the order of their days.
        entry.last_day = name.date;
    }
    (keep, input.shorten || record.yields == Some(true))
}

/// Expires a segment, unless it is held.
fn take(input: &Input<'_>, candidate: &mut Candidate<'_>, rule: String, plan: &mut PrunePlan) {
    if let Some((hold, reason)) = (input.held)(candidate.name, candidate.record) {
        candidate.held = true;
        let segment = candidate.name.clone();
        plan.held.push(Held { segment, rule: rule.clone(), hold, reason });
    }
    candidate.rule = Some(rule);
}

/// Expires the oldest days until this many bytes are free.
fn make_room(
    input: &Input<'_>,
    candidates: &mut [Candidate<'_>],
    mut lacking: u64,
    rule: &str,
    plan: &mut PrunePlan,
) {
    let mut stays = 0_u64;
    for candidate in candidates.iter_mut() {
        if lacking == 0 {
            return;
        }
        if candidate.rule.is_some() {
            continue;
        }
        if !candidate.yields {
            stays += 1;
            continue;
        }
        take(input, candidate, rule.to_owned(), plan);
        if candidate.goes() {
            lacking = lacking.saturating_sub(candidate.bytes());
        }
    }
    if lacking > 0 {
        let held = candidates.iter().filter(|candidate| candidate.held).count();
        plan.findings.push(Finding::new(
            rule,
            format!(
                "{lacking} more bytes would have to go, but {held} segments are held, and {stays} \
                 were promised to stay whatever the room (--shorten)"
            ),
        ));
    }
}

fn least_free(wanted: MinFree, space: Space) -> u64 {
    match wanted {
        MinFree::Bytes(bytes) => bytes,
        // A file system that does not report its size has no share.
        MinFree::Percent(share) => {
            space.total_bytes.map_or(0, |total| (total as f64 * share / 100.0) as u64)
        }
    }
}

/// Returns why removing so much at once is more likely a mistake than intended. What is kept
/// forever is not weighed: it neither goes nor says anything about the rest.
fn too_much(candidates: &[Candidate<'_>]) -> Option<String> {
    let going = || candidates.iter().filter(|candidate| candidate.goes());
    let count = going().count();
    if count == 0 {
        return None;
    }
    let all: BTreeSet<Date> = candidates.iter().map(|candidate| candidate.name.date).collect();
    let days: BTreeSet<Date> = going().map(|candidate| candidate.name.date).collect();
    if count == candidates.len() {
        return Some(format!("the entire archive would expire at once ({count} segments)"));
    }
    let may_go = |candidate: &&Candidate<'_>| candidate.goes() || candidate.keep != Keep::Forever;
    let whole: f64 = candidates.iter().filter(may_go).map(Candidate::weight).sum();
    let part: f64 = going().map(Candidate::weight).sum();
    (all.len() > FEW_DAYS && part > whole * HALF).then(|| {
        format!(
            "{} of the {} archived days would expire at once, with most of the archive",
            days.len(),
            all.len()
        )
    })
}

/// Refuses a plan that needs consent and has none.
pub(super) fn check(plan: &PrunePlan, consent: bool) -> Result<()> {
    match &plan.needs_consent {
        Some(reason) if !consent => Err(crate::Error::NeedsConsent(format!(
            "{reason}; look at \"hlarchive prune --dry-run\", and give --yes-really if it is intended"
        ))),
        _ => Ok(()),
    }
}
