//! Lists a day's files, in the order of a segment, in little memory.
//!
//! A name of the form that `emit` writes is kept as its parts, 32 bytes a file; any other as
//! text. So a million names take 32 MB. A listing may be bounded: then it has a part of the day,
//! and says in which node's directory it ends.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::event::{Date, EventName, EventPath, EventType, FileName, NodeName, Timestamp};
use crate::fs::UnexpectedEntry;

/// The flag in [`ListedFile::kind`] for a name kept as text, whose index among the texts is in
/// `id`.
const AS_TEXT: u32 = 1 << 31;

/// The most unexpected entries that are reported one by one, separately for those that hide
/// events and for others: a day may hold any number of them.
const MAX_UNEXPECTED: usize = 1000;

/// The most stray copies that are told from events; beyond it they count as events.
const MAX_COPIES: usize = 16384;

/// The memory that a name kept as text takes, beside its own bytes.
const TEXT_BYTES: u64 = (size_of::<FileName>() + size_of::<ListedFile>() + 16) as u64;

#[derive(Debug, Clone, Copy)]
struct ListedFile {
    /// The instant that the name claims.
    time: i64,
    id: [u8; 16],
    node: u32,
    kind: u32,
}

/// The files of one day that may be events, sorted as the members of a segment are.
#[derive(Debug)]
pub struct Listing {
    date: Date,
    entries: Vec<ListedFile>,
    nodes: Vec<NodeName>,
    kinds: Vec<ClaimedType>,
    texts: Vec<FileName>,
    unexpected: Vec<UnexpectedEntry>,
    more_unexpected: u64,
    stopped_in: Option<NodeName>,
    passed_over: Option<PathBuf>,
}

/// A type as claimed by names. `written` is `None` for words that `emit` would not write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ClaimedType {
    word: String,
    written: Option<EventType>,
}

impl Listing {
    /// The memory that a file takes, in bytes, if its name has the form that `emit` writes.
    pub const BYTES: usize = size_of::<ListedFile>();

    /// Returns the day.
    pub fn date(&self) -> Date {
        self.date
    }

    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Reports whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the unexpected entries of the day's directory.
    pub fn unexpected(&self) -> &[UnexpectedEntry] {
        &self.unexpected
    }

    /// Returns the number of further unexpected entries, which are not reported one by one.
    pub fn more_unexpected(&self) -> u64 {
        self.more_unexpected
    }

    /// Returns the first entry of other programs that was passed over in the day's directory.
    pub fn passed_over(&self) -> Option<&Path> {
        self.passed_over.as_deref()
    }

    /// Returns the last node listed, if the limit was reached; `None` if the listing has the
    /// whole day.
    pub fn stopped_in(&self) -> Option<&NodeName> {
        self.stopped_in.as_ref()
    }

    /// Returns the file with this number, in member order. Panics if there is none, as indexing
    /// does.
    pub fn path(&self, number: usize) -> EventPath {
        EventPath { date: self.date, node: self.node(number).clone(), name: self.name(number) }
    }

    /// Returns the instant that a file's name claims, for a stray copy that of its original;
    /// `None` if the name has another form.
    pub fn instant(&self, number: usize) -> Option<Timestamp> {
        let entry = &self.entries[number];
        if entry.kind & AS_TEXT == 0 {
            return Some(Timestamp::from_micros(entry.time));
        }
        let name = &self.texts[text_number(entry)];
        let timestamp = |name: &FileName| name.parts().map(|parts| parts.timestamp);
        timestamp(name).or_else(|| timestamp(&name.original()?))
    }

    /// Returns the files that are stray copies by their names, each with the identity of its
    /// original; a bounded number of them, since each takes memory.
    pub fn stray_copies(&self) -> impl Iterator<Item = (usize, EventPath)> {
        let as_text = self.entries.iter().enumerate().filter(|(_, it)| it.kind & AS_TEXT != 0);
        as_text
            .filter_map(|(number, _)| Some((number, self.path(number).original()?)))
            .take(MAX_COPIES)
    }

    /// Returns the node whose directory contains the file.
    pub fn node(&self, number: usize) -> &NodeName {
        &self.nodes[self.entries[number].node as usize]
    }

    /// Returns the file's name.
    pub fn name(&self, number: usize) -> FileName {
        name_of(&self.entries[number], &self.kinds, &self.texts)
    }
}

fn name_of(entry: &ListedFile, kinds: &[ClaimedType], texts: &[FileName]) -> FileName {
    if entry.kind & AS_TEXT != 0 {
        return texts[text_number(entry)].clone();
    }
    let kind = &kinds[entry.kind as usize];
    match &kind.written {
        Some(word) => {
            EventName::format(Timestamp::from_micros(entry.time), word, Uuid::from_bytes(entry.id))
        }
        // Only names that `emit` would write are kept as their parts.
        None => unreachable!("a name kept as parts has a type that is written"),
    }
}

fn text_number(entry: &ListedFile) -> usize {
    let [a, b, c, d, ..] = entry.id;
    u32::from_le_bytes([a, b, c, d]) as usize
}

/// Collects a day's files.
pub(super) struct Builder {
    listing: Listing,
    kind_numbers: HashMap<String, u32>,
    /// The memory that the names take, and the most they may take.
    bytes: u64,
    max_bytes: u64,
    hidden: usize,
}

impl Builder {
    pub(super) fn new(date: Date, max_bytes: u64) -> Self {
        let listing = Listing {
            date,
            entries: Vec::new(),
            nodes: Vec::new(),
            kinds: Vec::new(),
            texts: Vec::new(),
            unexpected: Vec::new(),
            more_unexpected: 0,
            stopped_in: None,
            passed_over: None,
        };
        Self { listing, kind_numbers: HashMap::new(), bytes: 0, max_bytes, hidden: 0 }
    }

    /// Returns the memory that one file takes.
    #[cfg(test)]
    pub(super) fn bytes_per_file(&self) -> usize {
        let entries = &self.listing.entries;
        let texts = self.listing.texts.capacity() * size_of::<FileName>();
        (entries.capacity() * size_of::<ListedFile>() + texts) / entries.len().max(1)
    }

    pub(super) fn unexpected(&mut self, entry: UnexpectedEntry) {
        let like_it = if entry.hides_events {
            self.hidden
        } else {
            self.listing.unexpected.len() - self.hidden
        };
        if like_it >= MAX_UNEXPECTED {
            self.listing.more_unexpected += 1;
            return;
        }
        self.hidden += usize::from(entry.hides_events);
        self.listing.unexpected.push(entry);
    }

    /// Remembers an entry that is passed over: one is enough to say why a directory stays.
    pub(super) fn passed_over(&mut self, path: impl FnOnce() -> PathBuf) {
        self.listing.passed_over.get_or_insert_with(path);
    }

    /// Reports whether there is no room for another name.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.max_bytes
    }

    /// Adds a node; nodes come in the order of their names.
    pub(super) fn node(&mut self, node: NodeName) -> u32 {
        self.listing.nodes.push(node);
        self.listing.nodes.len() as u32 - 1
    }

    pub(super) fn file(&mut self, node: u32, name: &str) {
        if self.is_full() {
            let last = self.listing.entries.last().map_or(node, |entry| entry.node);
            let last = &self.listing.nodes[last as usize];
            self.listing.stopped_in.get_or_insert_with(|| last.clone());
            return;
        }
        let parts = EventName::parse(name);
        let (word, time) = match &parts {
            Some(parts) => (parts.event_type, parts.timestamp),
            None => ("", self.listing.date.start()),
        };
        let kind = self.kind(word);
        let mut entry = ListedFile { time: time.micros(), id: [0; 16], node, kind };
        let written = self.listing.kinds[kind as usize].written.is_some();
        if let (Some(parts), true) = (&parts, written) {
            entry.id = *parts.id.as_bytes();
            let canonical = name_of(&entry, &self.listing.kinds, &self.listing.texts);
            if canonical.as_str() == name {
                self.bytes += Listing::BYTES as u64;
                self.listing.entries.push(entry);
                return;
            }
        }
        if let Ok(text) = name.parse() {
            self.bytes += TEXT_BYTES + name.len() as u64;
            let number = self.listing.texts.len() as u32;
            entry.id = [0; 16];
            entry.id[..4].copy_from_slice(&number.to_le_bytes());
            entry.kind |= AS_TEXT;
            self.listing.texts.push(text);
            self.listing.entries.push(entry);
        }
    }

    fn kind(&mut self, word: &str) -> u32 {
        if let Some(number) = self.kind_numbers.get(word) {
            return *number;
        }
        self.bytes += TEXT_BYTES + 2 * word.len() as u64;
        let number = self.listing.kinds.len() as u32;
        let written =
            EventType::normalize(word).ok().filter(|normalized| normalized.as_str() == word);
        self.listing.kinds.push(ClaimedType { word: word.to_owned(), written });
        self.kind_numbers.insert(word.to_owned(), number);
        number
    }

    /// Sorts the files into the order of a segment.
    pub(super) fn finish(self) -> Listing {
        let mut listing = self.listing;
        let mut order: Vec<u32> = (0..listing.kinds.len() as u32).collect();
        order.sort_unstable_by_key(|number| &listing.kinds[*number as usize]);
        let mut ranks = vec![0_u32; order.len()];
        for (rank, number) in order.iter().enumerate() {
            ranks[*number as usize] = rank as u32;
        }
        listing.kinds.sort_unstable();
        for entry in &mut listing.entries {
            let flag = entry.kind & AS_TEXT;
            entry.kind = ranks[(entry.kind & !AS_TEXT) as usize] | flag;
        }
        let (kinds, texts) = (&listing.kinds, &listing.texts);
        listing.entries.sort_unstable_by(|a, b| {
            (a.kind & !AS_TEXT, a.time, a.node)
                .cmp(&(b.kind & !AS_TEXT, b.time, b.node))
                .then_with(|| compare_names(a, b, kinds, texts))
        });
        listing.unexpected.sort_by(|a, b| a.path.cmp(&b.path));
        listing
    }
}

fn compare_names(
    a: &ListedFile,
    b: &ListedFile,
    kinds: &[ClaimedType],
    texts: &[FileName],
) -> Ordering {
    if (a.kind | b.kind) & AS_TEXT == 0 {
        return a.id.cmp(&b.id);
    }
    name_of(a, kinds, texts).cmp(&name_of(b, kinds, texts))
}
