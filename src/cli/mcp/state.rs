//! The tools that report on the state of the history: status, inspect and verify.

use crate::history::machine;
use std::collections::BTreeMap;

use crate::ops::inspect::{InspectSubject, SegmentPicture};
use crate::ops::status::StatusOptions;
use crate::ops::verify::{Depth, VerifyOptions};
use crate::segment::Sha256Hash;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answer, Call, Trouble, answer};
use super::page::{BYTES, Left, clipped, numbers};
use crate::cli::args::{dates, instant};
use crate::ops::answers::status::standing_status;

/// Bytes of a status, some 1,700 tokens: it is asked for first, and often.
const STATUS_BYTES: usize = 5000;

/// Entries of each list in one answer.
const ENTRIES: usize = 100;

/// The arguments of status.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Status {
    /// How far back unfinished runs and new files are reported; problems are reported however
    /// old: a date, a timestamp, "3 days ago". Default "7d".
    since: Option<String>,
    /// The next of the previous answer, with all other arguments the same.
    next: Option<String>,
}

pub(super) fn status(call: &Call, wanted: &Status) -> Answer {
    call.must_exist()?;
    let [skip] = numbers(wanted.next.as_deref())?;
    let since = instant("since", wanted.since.as_deref().unwrap_or("7d"), call.now)?;
    let options = StatusOptions {
        since,
        calendar_from: call.now.date(),
        trust_now: false,
        spool: machine::spool(),
        metrics: call.metrics(),
    };
    let (report, cost) =
        standing_status(call.store(), &call.policy()?, &call.context()?, &options)?;
    let mut value = to_value(&report)?;
    value["complete"] = json!(!cost && !report.is_away());
    windowed("status", &value, skip, STATUS_BYTES)
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Part {
    #[default]
    All,
    Live,
    Archived,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum HowDeep {
    /// Sizes, checksum files, indexes and seek tables of segments: seconds.
    #[default]
    Quick,
    /// A random twentieth of the segments in full.
    Sample,
    /// Every byte: may take minutes.
    Full,
}

/// The arguments of verify.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Verify {
    /// Only these days; without any, all.
    date: Vec<String>,
    /// Which half of the history.
    part: Part,
    /// How much of the archive is read. Live files are always read in full.
    depth: HowDeep,
    /// A head of the manifest that was kept outside this machine, 64 hexadecimal digits:
    /// proves that nothing up to it was rewritten.
    head: Option<String>,
    /// The next of the previous answer, with all other arguments the same; it checks again.
    next: Option<String>,
}

pub(super) fn verify(call: &Call, wanted: &Verify) -> Answer {
    call.must_exist()?;
    let [skip] = numbers(wanted.next.as_deref())?;
    let head = wanted.head.as_deref().map(|head| {
        head.trim().to_ascii_lowercase().parse::<Sha256Hash>().map_err(|_| {
            Trouble(
                "head: expected 64 hexadecimal digits, as \"hlarchive manifest head\" prints \
                     them"
                    .to_owned(),
            )
        })
    });
    let head = head.transpose()?;
    if head == Some(Sha256Hash::ZERO) {
        return Err(Trouble(
            "head: 64 zeros are the head before the first record, with which every manifest \
             begins, so they prove nothing"
                .to_owned(),
        ));
    }
    if head.is_some() && wanted.part == Part::Live {
        return Err(Trouble(
            "head: with part live the manifest is not checked; leave one of them out".to_owned(),
        ));
    }
    if wanted.part == Part::Archived
        && call.store().any_archive()?.is_none()
        && !call.store().archive_left()?
    {
        let path = call.store().archive_path().display().to_string();
        return Err(Trouble(format!("{path}: there is no archive; ask for part all or live")));
    }
    let options = VerifyOptions {
        dates: dates(&wanted.date, call.now)?,
        live: wanted.part != Part::Archived,
        archive: wanted.part != Part::Live,
        depth: match wanted.depth {
            HowDeep::Quick => Depth::Quick,
            HowDeep::Sample => Depth::Sample(5.0),
            HowDeep::Full => Depth::Full,
        },
        head,
        witness: None,
    };
    let report = call.history()?.verify(&options)?;
    call.go_on()?;
    windowed("verify", &to_value(&report)?, skip, BYTES)
}

fn to_value(report: &impl serde::Serialize) -> Result<Value, Trouble> {
    serde_json::to_value(report).map_err(|error| Trouble(format!("the report is lost: {error}")))
}

/// Renders a report with a window on each of its lists, as wide as the bytes allow.
fn windowed(tool: &str, report: &Value, skip: usize, bytes: usize) -> Answer {
    let mut most = ENTRIES;
    loop {
        let mut value = report.clone();
        let beyond = window(&mut value, skip, most);
        let left = match beyond {
            0 => Left::nothing(),
            _ => Left::after(
                tool,
                (skip + most).to_string(),
                &format!("{beyond} more entries of its lists follow"),
            ),
        };
        value["next"] = json!(left.next());
        value["left"] = json!(left.words());
        let text = answer(&value)?;
        if text.len() <= bytes || most == 1 {
            return Ok(text);
        }
        most /= 2;
    }
}

/// Narrows every list to `most` entries from `skip` on, and cuts long texts; returns how many
/// entries come later.
fn window(value: &mut Value, skip: usize, most: usize) -> usize {
    match value {
        Value::Array(entries) => {
            let beyond = entries.len().saturating_sub(skip.saturating_add(most));
            let mut kept: Vec<Value> = entries.drain(..).skip(skip).take(most).collect();
            kept.iter_mut().for_each(clip);
            *entries = kept;
            beyond
        }
        Value::Object(members) => members.values_mut().map(|value| window(value, skip, most)).sum(),
        other => {
            clip(other);
            0
        }
    }
}

/// Cuts long texts.
fn clip(value: &mut Value) {
    match value {
        Value::String(text) => *text = clipped(text),
        Value::Array(entries) => entries.iter_mut().for_each(clip),
        Value::Object(members) => members.values_mut().for_each(clip),
        _ => {}
    }
}

/// The arguments of inspect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Inspect {
    /// An archived day: "2026-05-16", "yesterday".
    date: String,
    /// The next of the previous answer, with all other arguments the same.
    next: Option<String>,
}

pub(super) fn inspect(call: &Call, wanted: &Inspect) -> Answer {
    call.must_exist()?;
    let [first, skip] = numbers(wanted.next.as_deref())?;
    let history = call.history()?;
    let days = dates(std::slice::from_ref(&wanted.date), call.now)?;
    let date = days.first().copied().ok_or_else(|| Trouble("date: name a day".to_owned()))?;
    let pictures = history.inspect(&InspectSubject::Day(date))?;
    let expired = history.expired(date)?;
    let (mut segments, mut bytes, mut skip, mut next) = (Vec::new(), 0, skip, None);
    for (number, picture) in pictures.iter().enumerate().skip(first) {
        let (value, more) = picture_of(picture, skip)?;
        bytes += value.to_string().len();
        if bytes > BYTES && !segments.is_empty() {
            next = Some(format!("{number}.{skip}"));
            break;
        }
        segments.push(value);
        if more {
            next = Some(format!("{number}.{}", skip + ENTRIES));
            break;
        }
        skip = 0;
    }
    let left = next.map_or_else(Left::nothing, |next| {
        Left::after("inspect", next, "more values or segments of the day follow")
    });
    let few: Vec<_> = expired.iter().take(ENTRIES).collect();
    answer(&json!({
        "segments": segments,
        "expired": few,
        "expired_segments": expired.len(),
        "next": left.next(),
        "left": left.words(),
    }))
}

/// Renders a segment with a window on the values of each field; returns whether more come later.
fn picture_of(picture: &SegmentPicture, skip: usize) -> Result<(Value, bool), Trouble> {
    let mut value = to_value(picture)?;
    let mut more = false;
    for (name, counts) in [
        ("types", &picture.types),
        ("nodes", &picture.nodes),
        ("services", &picture.services),
        ("severities", &picture.severities),
        ("sources", &picture.sources),
    ] {
        // The most frequent first.
        let mut sorted: Vec<_> = counts.iter().collect();
        sorted.sort_by_key(|(value, events)| (std::cmp::Reverse(**events), (*value).clone()));
        more |= sorted.len() > skip + ENTRIES;
        let shown: BTreeMap<String, u64> = sorted
            .into_iter()
            .skip(skip)
            .take(ENTRIES)
            .map(|(value, events)| (value.chars().take(80).collect(), *events))
            .collect();
        value[name] = json!(shown);
    }
    Ok((value, more))
}
