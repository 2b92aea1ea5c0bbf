//! System calls as changes: what each one that counts does.

use std::fmt;
use std::path::PathBuf;

/// What a call does to the state that must survive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Opens a file so that it is made or emptied.
    Create { path: PathBuf, truncates: bool },
    /// Makes a file that has no name yet.
    Unnamed,
    /// Writes to a file. Without an offset, the call's effect cannot be replayed.
    Write { inode: u64, offset: Option<u64>, data: Vec<u8> },
    /// Cuts or lengthens a file.
    Resize { inode: u64, length: u64 },
    /// Brings a file or directory onto the disk.
    Sync { inode: u64 },
    /// Brings a whole file system onto the disk.
    SyncAll,
    /// Makes a directory.
    MakeDir { path: PathBuf },
    /// Gives a file a further name.
    Link { inode: u64, to: PathBuf },
    /// Moves a name.
    Rename { from: PathBuf, to: PathBuf },
    /// Removes a name.
    Unlink { path: PathBuf },
    /// Removes a directory.
    RemoveDir { path: PathBuf },
    /// Changes modes or times: nothing that a reader of events looks at.
    Attributes,
    /// Tells the caller something on standard output.
    Answer { data: Vec<u8> },
    /// Changes nothing: opens, reads, lists or looks up.
    Look,
}

/// A call that counts, in the one order of all threads.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// Its name.
    pub(crate) name: &'static str,
    /// What it works on.
    pub(crate) path: PathBuf,
    /// What it does.
    pub(crate) change: Change,
    /// What it gave, once it has ended.
    pub(crate) result: Option<i64>,
    /// The inode that it made.
    pub(crate) made: Option<u64>,
    /// Which argument says how much is written, and how much that is.
    pub(super) amount: Option<(usize, u64)>,
}

impl Call {
    /// The kind that a lasting failure strikes: all creations, all writes, and so on.
    pub(crate) fn kind(&self) -> Kind {
        match &self.change {
            Change::Create { .. } | Change::Unnamed => Kind::Create,
            Change::Write { .. } | Change::Resize { .. } => Kind::Write,
            Change::Sync { .. } | Change::SyncAll => Kind::Sync,
            Change::MakeDir { .. } => Kind::MakeDir,
            Change::Link { .. } | Change::Rename { .. } => Kind::Name,
            Change::Unlink { .. } | Change::RemoveDir { .. } => Kind::Remove,
            Change::Attributes => Kind::Attributes,
            Change::Answer { .. } => Kind::Answer,
            Change::Look if self.name.starts_with("open") => Kind::Open,
            Change::Look => Kind::Look,
        }
    }

    /// Whether half of it can be done.
    pub(crate) fn can_be_halved(&self) -> bool {
        self.amount.is_some()
            && matches!(&self.change, Change::Write { data, .. } | Change::Answer { data }
                if data.len() > 1)
    }
}

/// Kinds of calls that fail alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Create,
    Write,
    Sync,
    MakeDir,
    Name,
    Remove,
    Attributes,
    Answer,
    Open,
    Look,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.path.display())?;
        match &self.change {
            Change::Rename { to, .. } | Change::Link { to, .. } => {
                write!(f, " to {}", to.display())?;
            }
            Change::Write { data, .. } | Change::Answer { data } => {
                write!(f, " ({} bytes)", data.len())?;
            }
            _ => {}
        }
        match self.result {
            Some(result) => write!(f, " = {result}"),
            None => Ok(()),
        }
    }
}
