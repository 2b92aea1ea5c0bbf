//! `hlarchive list --follow`: new events as they come.
//!
//! Directories are looked at again when their modification time changed; a file is
//! printed once, whenever it was first seen. Rotation takes files away and is no news.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, SystemTime};

use hlarchive::event::{Date, EventHead, EventPath};
use hlarchive::live::FileState;
use hlarchive::segment::Sha256Hash;
use hlarchive::store::{FoundEvent, Query};

use super::list::Printer;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::cli::signals::Stop;

/// How often the tree is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// Files of one day that were seen already, as short hashes of their identities.
type Seen = HashSet<[u8; 16]>;

pub(super) fn follow(
    session: &mut Session,
    mut query: Query,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let stop = Stop::listen();
    let mut days: BTreeMap<Date, (Seen, Vec<SystemTime>)> = BTreeMap::new();
    // What is there before the first answer counts as seen; what comes while it is
    // printed is in the answer or is found by the first look afterwards.
    let mut printed = Seen::new();
    look(session, &mut days, &mut |_| {})?;
    let mut events = session.store.events(query.clone())?;
    for event in &mut events {
        let event = event?;
        printed.insert(short(&event.path));
        printer.print(session, &event)?;
    }
    session.notices(events.notices());
    drop(events);
    query.dates.clear();
    printer.flush(session)?;
    while !stop.asked() {
        let mut news = Vec::new();
        look(session, &mut days, &mut |path| news.push(path))?;
        news.retain(|path| !printed.contains(&short(path)));
        let mut found = read(session, &query, news)?;
        found.sort_by_key(|event| event.head().map_or(i64::MAX, |head| head.timestamp.micros()));
        for event in &found {
            printer.print(session, event)?;
        }
        if found.is_empty() {
            std::thread::sleep(INTERVAL);
        } else {
            printer.flush(session)?;
        }
    }
    Ok(Exit::Stopped)
}

fn short(path: &EventPath) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256Hash::of(path.to_string().as_bytes()).0[..16]);
    short
}

/// Finds files that were not seen before, in days whose directories changed.
fn look(
    session: &Session,
    days: &mut BTreeMap<Date, (Seen, Vec<SystemTime>)>,
    found: &mut dyn FnMut(EventPath),
) -> Result<(), Failure> {
    let Some(live) = session.store.live()? else { return Ok(()) };
    let (dates, _) = live.dates()?;
    days.retain(|date, _| dates.contains(date));
    for date in dates {
        let before = modified(session, date);
        let (seen, last) = days.entry(date).or_default();
        if !before.is_empty() && *last == before {
            continue;
        }
        let listing = live.list(date)?;
        for number in 0..listing.len() {
            let path = listing.path(number);
            if seen.insert(short(&path)) {
                found(path);
            }
        }
        // A change within the clock's grain after this look must not be missed: only
        // times that lie a little back are believed.
        let settled = before
            .iter()
            .all(|time| time.elapsed().is_ok_and(|elapsed| elapsed > Duration::from_millis(100)));
        *last = if settled { before } else { Vec::new() };
    }
    Ok(())
}

/// When the directories of a day were last changed.
fn modified(session: &Session, date: Date) -> Vec<SystemTime> {
    let day = session.store.root().join(date.to_string());
    let time = |path: &std::path::Path| {
        std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok()
    };
    let mut times: Vec<SystemTime> = time(&day).into_iter().collect();
    if let Ok(nodes) = std::fs::read_dir(&day) {
        times.extend(nodes.flatten().filter_map(|node| time(&node.path())));
    }
    times
}

fn read(
    session: &Session,
    query: &Query,
    paths: Vec<EventPath>,
) -> Result<Vec<FoundEvent>, Failure> {
    let Some(live) = session.store.live()? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut bytes = Vec::new();
    for path in paths {
        let partition = live.partition(path.date);
        if let FileState::Read(_) = partition.read_into(&path.node, &path.name, &mut bytes)? {
            match EventHead::parse(&bytes) {
                Ok(head) if query.filter.matches(&head) => {
                    found.push(FoundEvent::new(path, None, bytes.as_slice().into()));
                }
                Ok(_) => {}
                Err(error) => session.warn(&format!("{path}: not an event: {error}")),
            }
        }
    }
    Ok(found)
}
