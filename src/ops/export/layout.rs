//! The path of a partition's file: `date=YYYY-MM-DD/node=NODE/part-0.EXT`, as Hive writes it and
//! every engine reads it.

use super::ExportFormat;
use crate::event::{Date, NodeName};

/// A day's events of one node, which become one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Partition {
    pub(super) date: Date,
    pub(super) node: NodeName,
}

impl Partition {
    /// Returns the folders, the outer one first.
    pub(super) fn folders(&self) -> [String; 2] {
        [format!("date={}", self.date), format!("node={}", escaped(self.node.as_str()))]
    }

    /// Returns the file's path below the target.
    pub(super) fn file(&self, format: ExportFormat) -> String {
        let [date, node] = self.folders();
        format!("{date}/{node}/{}", file_name(format))
    }
}

/// Returns the name of a partition's only file.
pub(super) fn file_name(format: ExportFormat) -> String {
    format!("part-0.{}", format.extension())
}

/// The name that Hive reads as "no value".
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// Escapes a value as Hive does in a path: some ASCII characters as `%` and two digits, all others
/// as they are.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (at, c) in value.char_indices() {
        let is_special = matches!(
            c,
            '\u{1}'
                ..='\u{1f}'
                    | '"'
                    | '#'
                    | '%'
                    | '\''
                    | '*'
                    | '/'
                    | ':'
                    | '='
                    | '?'
                    | '\\'
                    | '\u{7f}'
                    | '{'
                    | '['
                    | ']'
                    | '^'
        );
        if is_special || (at == 0 && value == NO_VALUE) {
            out.push_str(&format!("%{:02X}", c as u32));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_lies_where_hive_looks_for_it() {
        let partition =
            Partition { date: "2026-05-16".parse().unwrap(), node: "pi4.lan".parse().unwrap() };
        let file = partition.file(ExportFormat::Ndjson);
        assert_eq!(file, "date=2026-05-16/node=pi4.lan/part-0.ndjson");
    }

    #[test]
    fn values_are_escaped_as_hive_does() {
        for (value, wanted) in [
            ("a=b %", "a%3Db %25"),
            ("küche", "küche"),
            ("C:\\x'\"#*?{}[]^", "C%3A%5Cx%27%22%23%2A%3F%7B}%5B%5D%5E"),
            ("__HIVE_DEFAULT_PARTITION__", "%5F_HIVE_DEFAULT_PARTITION__"),
        ] {
            assert_eq!(escaped(value), wanted);
        }
    }
}
