//! Listings of rsync, taken apart.

/// A file as rsync lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops::sync) struct Listed {
    /// Its path below the listed directory.
    pub(in crate::ops::sync) path: String,
    pub(in crate::ops::sync) bytes: u64,
    /// Its modification time, in seconds since 1970.
    pub(in crate::ops::sync) mtime: i64,
    pub(in crate::ops::sync) kind: Kind,
}

/// The kind of a listed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops::sync) enum Kind {
    File,
    Directory,
    Link,
    Other,
}

/// A line of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Entry(Listed),
    /// A remark of rsync, or the directory itself.
    Remark,
}

/// Parses a line of `--list-only`: mode, size, day, time, path.
pub(super) fn parse_listed(line: &str) -> Option<Line> {
    let mode = line.split(' ').next()?;
    // Remarks of rsync and messages of the day of a remote shell are not entries.
    if mode.len() < 10 || !mode.starts_with(['-', 'd', 'l', 'p', 's', 'c', 'b']) {
        return Some(Line::Remark);
    }
    let rest = line[mode.len()..].trim_start();
    let (size, rest) = rest.split_once(' ')?;
    let (day, rest) = rest.split_once(' ')?;
    let (time, path) = rest.split_once(' ')?;
    let instant: crate::Timestamp = format!("{}T{time}Z", day.replace('/', "-")).parse().ok()?;
    if path == "." {
        return Some(Line::Remark);
    }
    let path = match path.split_once(" -> ") {
        Some((name, _)) if mode.starts_with('l') => name,
        _ => path,
    };
    Some(Line::Entry(Listed {
        path: path.to_owned(),
        bytes: size.replace(',', "").parse().ok()?,
        mtime: instant.seconds(),
        kind: match mode.as_bytes()[0] {
            b'-' => Kind::File,
            b'd' => Kind::Directory,
            b'l' => Kind::Link,
            _ => Kind::Other,
        },
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn listed(line: &str) -> Listed {
        match parse_listed(line) {
            Some(Line::Entry(listed)) => listed,
            other => unreachable!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_listing_is_taken_apart() {
        let file = listed("-r--r--r--            199 2026/05/16 10:11:12 2026-05-16/a b.json");
        let path = "2026-05-16/a b.json";
        assert_eq!((file.path.as_str(), file.bytes, file.kind), (path, 199, Kind::File));
        let time: crate::Timestamp = "2026-05-16T10:11:12Z".parse().unwrap();
        assert_eq!(file.mtime, time.seconds());
        let directory = listed("drwxr-xr-x          4,096 2026/05/16 10:11:12 2026-05-16");
        assert_eq!(directory.kind, Kind::Directory);
        let link = listed("lrwxrwxrwx             14 2026/05/16 10:11:12 2026-05-17 -> /etc/x");
        assert_eq!((link.path.as_str(), link.kind), ("2026-05-17", Kind::Link));
        let itself = "drwxr-xr-x          4,096 2026/05/16 10:11:12 .";
        assert_eq!(parse_listed(itself), Some(Line::Remark));
        assert_eq!(parse_listed("Welcome to pi4"), Some(Line::Remark));
        assert_eq!(parse_listed("-r--r--r-- many 2026/05/16 10:11:12 x"), None);
    }
}
