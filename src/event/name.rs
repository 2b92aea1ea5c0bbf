//! File names and paths: an event's identity.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::node::safe_component;
use super::{Date, EventType, Malformed, NodeName, Timestamp, shown};

/// The parts of a well-formed name `TIMESTAMP_TYPE_UUID.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventName<'a> {
    /// The instant the name claims.
    pub timestamp: Timestamp,
    /// The type the name claims.
    pub event_type: &'a str,
    /// The event's id, of any UUID version.
    pub id: Uuid,
}

impl<'a> EventName<'a> {
    /// Parses a name; `None` if it does not have the form.
    ///
    /// The timestamp ends at the first underscore, the UUID begins after the last, and the type
    /// is everything between them.
    pub fn parse(name: &'a str) -> Option<Self> {
        let stem = name.strip_suffix(".json")?;
        let (timestamp, rest) = stem.split_once('_')?;
        let (event_type, id) = rest.rsplit_once('_')?;
        let id_fits = matches!(id.len(), 32 | 36);
        if event_type.is_empty() || !id_fits {
            return None;
        }
        Some(Self { timestamp: timestamp.parse().ok()?, event_type, id: Uuid::try_parse(id).ok()? })
    }

    /// Returns the stem `TIMESTAMP_TYPE_UUID` that a name begins with: an event's own name
    /// without `.json`; for a stray copy, such as `TIMESTAMP_TYPE_UUID (1).json` or
    /// `TIMESTAMP_TYPE_UUID.sync-conflict-20260516-101112-ABCDEFG.json`, the stem of the event it
    /// was copied from. `None` if the name has neither form.
    pub fn stem(name: &'a str) -> Option<&'a str> {
        let stem = name.strip_suffix(".json")?;
        if let Some((_, id)) = stem.rsplit_once('_')
            && matches!(id.len(), 32 | 36)
            && Uuid::try_parse(id).is_ok()
        {
            return Some(stem);
        }
        stem.match_indices('_').rev().find_map(|(at, _)| {
            let id = at + 1;
            [36, 32].into_iter().find_map(|length| {
                let (own, added) = stem.split_at_checked(id + length)?;
                let is_added = added.starts_with(|c: char| !c.is_ascii_alphanumeric());
                let is_stem = is_added
                    && Uuid::try_parse(&own[id..]).is_ok()
                    && EventName::parse(&[own, ".json"].concat()).is_some();
                is_stem.then_some(own)
            })
        })
    }

    /// Returns the name that `emit` gives:
    /// `20260516T101112.123456Z_deployment_started_<uuid>.json`.
    pub fn format(timestamp: Timestamp, event_type: &EventType, id: Uuid) -> FileName {
        let (time, mut buffer) = (timestamp.to_name(), Uuid::encode_buffer());
        let id = id.hyphenated().encode_lower(&mut buffer);
        FileName([&time, "_", event_type.as_str(), "_", id, ".json"].concat())
    }
}

/// The name of a file that may be an event: 6 to 255 bytes that end in `.json`, without
/// `/`, control characters or a leading dot. It need not have the form of [`EventName`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the parts of the name, if it is well formed.
    pub fn parts(&self) -> Option<EventName<'_>> {
        EventName::parse(&self.0)
    }

    fn check(text: &str) -> Result<&str, Malformed> {
        if safe_component(text) && text.ends_with(".json") {
            Ok(text)
        } else {
            Err(Malformed::new(format!("\"{}\" cannot be the name of an event file", shown(text))))
        }
    }

    /// Returns the name of the event that a stray copy was made from; `None` for any other name.
    pub(crate) fn original(&self) -> Option<Self> {
        let stem = EventName::stem(&self.0)?;
        (stem.len() + ".json".len() < self.0.len()).then(|| Self([stem, ".json"].concat()))
    }

    /// Returns the event's id from the name; `None` if the name does not have that form.
    pub fn id(&self) -> Option<Uuid> {
        self.parts().map(|parts| parts.id)
    }
}

impl FromStr for FileName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::check(text).map(|text| Self(text.to_owned()))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An event's identity, and its path below the event root: `DATE/NODE/FILENAME`.
///
/// The order is that of members in a segment: by type, then the timestamp that the *name* claims,
/// then node, then name. A name without that form sorts as the empty type at the start of the
/// day. So the order follows from paths alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventPath {
    /// The partition.
    pub date: Date,
    /// The directory below it.
    pub node: NodeName,
    /// The file.
    pub name: FileName,
}

impl EventPath {
    /// Returns the type and the instant that events are sorted by in a segment.
    pub(crate) fn sort_parts(&self) -> (&str, Timestamp) {
        let MemberOrder { event_type, timestamp, .. } = self.borrowed().member_order();
        (event_type, timestamp)
    }

    /// Returns the identity of the event that a stray copy was made from; `None` for any other
    /// name.
    pub(crate) fn original(&self) -> Option<Self> {
        let name = self.name.original()?;
        Some(Self { date: self.date, node: self.node.clone(), name })
    }

    /// Returns the path with its names borrowed.
    pub(crate) fn borrowed(&self) -> PathRef<'_> {
        PathRef { date: self.date, node: self.node.as_str(), name: self.name.as_str() }
    }
}

impl Ord for EventPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.borrowed().member_order().cmp(&other.borrowed().member_order())
    }
}

impl PartialOrd for EventPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for EventPath {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        PathRef::parse(text).map(PathRef::to_path)
    }
}

impl fmt::Display for EventPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.borrowed().fmt(f)
    }
}

/// An [`EventPath`] with borrowed names, for example from a tar. The names are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PathRef<'a> {
    date: Date,
    node: &'a str,
    name: &'a str,
}

/// The sort key of a segment's members; the first field counts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MemberOrder<'a> {
    date: Date,
    event_type: &'a str,
    timestamp: Timestamp,
    node: &'a str,
    name: &'a str,
}

impl<'a> PathRef<'a> {
    /// Parses `DATE/NODE/FILENAME`.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let mut parts = text.split('/');
        let (Some(date), Some(node), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed::new(format!(
                "\"{}\" is not an event's path: expected YYYY-MM-DD/NODE/FILE.json",
                shown(text)
            )));
        };
        Self::from_parts(date, node, name)
    }

    /// Returns the path made of these three components.
    pub(crate) fn from_parts(date: &str, node: &'a str, name: &'a str) -> Result<Self, Malformed> {
        Ok(Self { date: date.parse()?, node: NodeName::check(node)?, name: FileName::check(name)? })
    }

    /// Returns the path of names that were validated before, given as bytes.
    pub(crate) fn from_valid(date: Date, node: &'a [u8], name: &'a [u8]) -> Self {
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        Self { date, node: text(node), name: text(name) }
    }

    /// Returns the partition.
    pub fn date(self) -> Date {
        self.date
    }

    /// Returns the directory below it.
    pub fn node(self) -> &'a str {
        self.node
    }

    /// Returns the file.
    pub fn name(self) -> &'a str {
        self.name
    }

    /// Returns an owned copy of the path.
    pub fn to_path(self) -> EventPath {
        EventPath {
            date: self.date,
            node: NodeName(self.node.to_owned()),
            name: FileName(self.name.to_owned()),
        }
    }

    /// Returns its sort key among the members of a segment.
    pub(crate) fn member_order(self) -> MemberOrder<'a> {
        let (event_type, timestamp) = match EventName::parse(self.name) {
            Some(parts) => (parts.event_type, parts.timestamp),
            None => ("", self.date.start()),
        };
        MemberOrder { date: self.date, event_type, timestamp, node: self.node, name: self.name }
    }
}

impl fmt::Display for PathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.date, self.node, self.name)
    }
}

impl PartialEq<EventPath> for PathRef<'_> {
    fn eq(&self, other: &EventPath) -> bool {
        *self == other.borrowed()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "019b76da-acd6-70f2-a430-64b3d3ac94af";

    #[test]
    fn a_written_name_reads_back() {
        let when: Timestamp = "2026-05-16T10:11:12.123456Z".parse().unwrap();
        let kind = EventType::normalize("deployment_started").unwrap();
        let id = Uuid::try_parse(ID).unwrap();
        let name = EventName::format(when, &kind, id);
        assert_eq!(name.as_str(), format!("20260516T101112.123456Z_deployment_started_{ID}.json"));
        let parts = name.parts().unwrap();
        assert_eq!((parts.timestamp, parts.event_type, parts.id), (when, kind.as_str(), id));
    }

    #[test]
    fn a_file_name_is_a_visible_name_that_ends_in_json() {
        let id = Uuid::try_parse(ID).unwrap();
        let name: FileName = format!("20260516T101112Z_x_{ID}.json").parse().unwrap();
        assert_eq!(name.id(), Some(id));
        assert_eq!(format!("{:>8}|", "a.json".parse::<FileName>().unwrap()), "  a.json|");
        assert_eq!("a.json".parse::<FileName>().unwrap().id(), None);
        for bad in [".json", "json", "a.jso", "a.json/", "\u{85}.json"] {
            assert!(bad.parse::<FileName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_order_of_paths_follows_from_date_and_the_parts_of_the_name() {
        let path = |text: &str| text.parse::<EventPath>().unwrap();
        let odd = path("2026-05-16/pi4/odd.json");
        assert_eq!(odd.sort_parts(), ("", odd.date.start()));
        let written = path(&format!("2026-05-16/pi4/20260516T101112Z_x_{ID}.json"));
        assert_eq!(written.sort_parts(), ("x", "2026-05-16T10:11:12Z".parse().unwrap()));
        assert_eq!(odd.partial_cmp(&written), Some(Ordering::Less));
        assert_eq!(path("2026-05-17/a/a.json").cmp(&written), Ordering::Greater);
        assert_eq!(odd.cmp(&odd.clone()), Ordering::Equal);
        assert!(odd.borrowed() == odd && odd.borrowed() != written);
    }

    #[test]
    fn foreign_names_are_read_and_others_are_not() {
        for good in [
            format!("2026-05-16T10:11:12Z_a_{ID}.json"),
            format!("20260516T101112+0200_Some.Type_{ID}.json"),
            format!("20260516T1011Z_x_{}.json", ID.replace('-', "")),
        ] {
            assert!(EventName::parse(&good).is_some(), "{good}");
        }
        for bad in [
            "x.json".to_owned(),
            format!("20260516T101112Z__{ID}.json"),
            format!("20260516T101112Z_{ID}.json"),
            format!("20260516T101112Z_a_{ID}.json.tmp"),
            "20260516T101112Z_a_not-a-uuid.json".to_owned(),
        ] {
            assert!(EventName::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_stray_copys_name_leads_to_the_event_it_was_copied_from() {
        let own = format!("20260516T101112.123456Z_a_b_{ID}");
        let name = |text: &str| text.parse::<FileName>().unwrap();
        for added in [
            ".sync-conflict-20261101-101112-ABCDEFG",
            " (1)",
            " - Copy",
            " (conflicted copy 2026-11-01)",
            "_conflict-20261101",
            "-1",
            "~",
        ] {
            let copy = name(&format!("{own}{added}.json"));
            assert_eq!(copy.original(), Some(name(&format!("{own}.json"))), "{copy}");
            assert_eq!(EventName::stem(copy.as_str()), Some(own.as_str()));
        }
        let simple = format!("2026-05-16T10:11:12Z_x_{}", ID.replace('-', ""));
        assert_eq!(EventName::stem(&format!("{simple} 2.json")), Some(simple.as_str()));
        for other in [
            format!("{own}.json"),
            format!("{own}0.json"),
            format!("{ID} (1).json"),
            "a (1).json".into(),
        ] {
            assert_eq!(name(&other).original(), None, "{other}");
        }
    }

    #[test]
    fn no_path_leaves_the_tree() {
        for bad in [
            "../2026-05-16/a/b.json",
            "2026-05-16/../b.json",
            "/2026-05-16/a/b.json",
            "2026-05-16/a/b/c.json",
            "2026-05-16/a/.b.json",
            "2026-05-16/a/.json",
            "2026-05-16/a/b.txt",
            "2026-05-16//b.json",
        ] {
            assert!(bad.parse::<EventPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn members_are_ordered_by_type_timestamp_node_and_name() {
        let path = |text: String| text.parse::<EventPath>().unwrap();
        let sorted = [
            path("2026-05-16/z/not-an-event-name.json".to_owned()),
            path(format!("2026-05-16/b/20260516T235959Z_aaa_{ID}.json")),
            path(format!("2026-05-16/a/20260516T000000Z_bbb_{ID}.json")),
            path(format!("2026-05-16/b/2026-05-16T00:00:00Z_bbb_{ID}.json")),
            path(format!("2026-05-16/a/20260516T000001Z_bbb_{ID}.json")),
        ];
        assert!(sorted.is_sorted());
    }
}
