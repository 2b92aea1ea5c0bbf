//! The names of segments in an archive.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::layout::{PEERS, STUB_SUFFIX};
use crate::event::{Date, Malformed, serde_as_text, shown};

/// A segment's path below the archive: `YYYY/YYYY-MM-DD[.N][.CLASS].tar.zst`.
///
/// The order is by day, then number, then class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The day that all its events are filed under.
    pub date: Date,
    /// 0 for the first segment of the day; late arrivals go into 1 and on.
    pub number: u32,
    /// The retention class, if its events belong to one.
    pub class: Option<String>,
}

impl SegmentName {
    /// Returns the name inside the year's folder.
    pub fn file_name(&self) -> String {
        let mut name = String::new();
        // Writing into memory cannot fail.
        let _ = self.write_file_name(&mut name);
        name
    }

    fn write_file_name(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(self.date.text().as_str())?;
        if self.number > 0 {
            write!(out, ".{}", self.number)?;
        }
        if let Some(class) = &self.class {
            write!(out, ".{class}")?;
        }
        out.write_str(".tar.zst")
    }

    /// Returns the name of its checksum file.
    pub fn checksum_name(&self) -> String {
        format!("{}.sha256", self.file_name())
    }

    /// Returns the name of its stub.
    pub(crate) fn stub_name(&self) -> String {
        format!("{}{STUB_SUFFIX}", self.file_name())
    }

    /// Returns the folder it lies in.
    pub(crate) fn folder(&self) -> String {
        format!("{:04}", self.date.year())
    }

    /// Parses a file name in the folder of a year.
    pub(super) fn from_file_name(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".tar.zst")?;
        let (date, rest) = stem.split_at_checked(10)?;
        let date: Date = date.parse().ok()?;
        let mut parts = rest.split('.');
        if parts.next() != Some("") {
            return None;
        }
        let mut number = 0;
        let mut class = None;
        for part in parts {
            if class.is_some() {
                return None;
            }
            if part.starts_with(|c: char| c.is_ascii_digit()) {
                if number > 0 || part.starts_with('0') || !part.bytes().all(|b| b.is_ascii_digit())
                {
                    return None;
                }
                number = part.parse().ok()?;
            } else if is_class(part) {
                class = Some(part.to_owned());
            } else {
                return None;
            }
        }
        Some(Self { date, number, class })
    }
}

fn is_class(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date.text();
        write!(f, "{}/", &date.as_str()[..4])?;
        self.write_file_name(f)
    }
}

/// The location of a segment: this archive, or the mirror of another host's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentPlace {
    /// The other host, for a segment in a mirror.
    pub host: Option<Arc<str>>,
    /// The name.
    pub name: SegmentName,
}

impl From<SegmentName> for SegmentPlace {
    fn from(name: SegmentName) -> Self {
        Self { host: None, name }
    }
}

impl fmt::Display for SegmentPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{PEERS}/{host}/")?;
        }
        self.name.fmt(f)
    }
}

impl serde::Serialize for SegmentPlace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for SegmentName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parsed = text.split_once('/').and_then(|(folder, file)| {
            Self::from_file_name(file).filter(|name| name.folder() == folder)
        });
        parsed.ok_or_else(|| {
            Malformed(format!(
                "\"{}\" is not the path of a segment: expected YYYY/YYYY-MM-DD.tar.zst",
                shown(text)
            ))
        })
    }
}

serde_as_text!(SegmentName: "the path of a segment");

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_they_are_written() {
        for text in [
            "2026/2026-05-16.tar.zst",
            "2026/2026-05-16.1.tar.zst",
            "2026/2026-05-16.incidents.tar.zst",
            "2026/2026-05-16.12.incidents-2.tar.zst",
            "0999/0999-01-01.tar.zst",
        ] {
            assert_eq!(text.parse::<SegmentName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_name_has_its_folder_file_and_checksum_file() {
        let name: SegmentName = "2026/2026-05-16.12.incidents.tar.zst".parse().unwrap();
        assert_eq!(name.folder(), "2026");
        assert_eq!(name.file_name(), "2026-05-16.12.incidents.tar.zst");
        assert_eq!(name.checksum_name(), "2026-05-16.12.incidents.tar.zst.sha256");
        assert_eq!((name.number, name.class.as_deref()), (12, Some("incidents")));
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, "\"2026/2026-05-16.12.incidents.tar.zst\"");
        assert_eq!(serde_json::from_str::<SegmentName>(&json).unwrap(), name);
        serde_json::from_str::<SegmentName>("\"2026/x\"").unwrap_err();
    }

    #[test]
    fn classes_are_short_words() {
        let parse = |class: &str| format!("2026/2026-05-16.{class}.tar.zst").parse::<SegmentName>();
        for good in ["a", "a-1", &"a".repeat(32)] {
            assert_eq!(parse(good).unwrap().class.as_deref(), Some(good));
        }
        for bad in ["", "-a", "a_b", "aB", "é", &"a".repeat(33)] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for bad in [
            "2026-05-16.tar.zst",
            "2025/2026-05-16.tar.zst",
            "2026/../2026-05-16.tar.zst",
            "2026/2026-05-16.0.tar.zst",
            "2026/2026-05-16.01.tar.zst",
            "2026/2026-05-16.1.2.tar.zst",
            "2026/2026-05-16.a.1.tar.zst",
            "2026/2026-05-16..tar.zst",
            "2026/2026-05-16.A.tar.zst",
            "2026/2026-05-16x.tar.zst",
            "2026/2026-02-30.tar.zst",
            "2026/2026-05-16.99999999999.tar.zst",
            "2026/2026-05-16.tar",
            "2026/éé26-05-16.tar.zst",
        ] {
            assert!(bad.parse::<SegmentName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn segments_of_a_day_come_in_the_order_of_their_numbers() {
        let names: Vec<SegmentName> = [
            "2026/2026-05-15.9.tar.zst",
            "2026/2026-05-16.tar.zst",
            "2026/2026-05-16.incidents.tar.zst",
            "2026/2026-05-16.2.tar.zst",
            "2026/2026-05-16.10.tar.zst",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        assert!(names.is_sorted());
    }
}
