//! A disk that keeps only what it was told to keep.
//!
//! It is stricter than any file system: each byte and each name that was not synced may be
//! there after a power cut or may not, in any combination. The bytes of a file are safe
//! when the file was synced after they were written; a name is safe when its directory was
//! synced after it was made, moved or removed; syncing a file does nothing for its name.
//! Only this is taken for granted: a rename happens or does not happen as a whole. What was
//! waiting when a sync failed is lost for good: the kernel takes it for written, and no later
//! sync of the same file brings it onto the disk.

mod replay;
mod states;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

pub(crate) use replay::{Content, Tree};
pub(crate) use states::{State, states, strictest};

use crate::trace::{Call, Change, Director, Fate};

/// A file or directory, whatever its names are.
pub(crate) type Node = usize;

/// The directory that everything is in. It was always there.
pub(crate) const TOP: Node = 0;

/// One step of what happened to the disk, or of what was said meanwhile.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A name is given.
    Name { directory: Node, name: String, node: Node },
    /// A name is taken away.
    Unname { directory: Node, name: String, node: Node },
    /// A name is moved; what stood in its place is gone.
    Move { from: (Node, String), to: (Node, String), node: Node },
    /// Bytes are written.
    Write { node: Node, offset: u64, data: Vec<u8> },
    /// A file gets another length.
    Resize { node: Node, length: u64 },
    /// A file or directory is brought onto the disk.
    Sync { node: Node },
    /// Bringing it onto the disk failed, and what was waiting is forgotten.
    SyncFailed { node: Node },
    /// All is brought onto the disk.
    SyncAll,
    /// The command said something.
    Answer { data: Vec<u8> },
    /// The command ended by itself, with this code.
    End { code: i32 },
}

/// What a disk may be deaf to, so that it is seen whether anyone would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deaf {
    /// Syncs of directories do nothing.
    ToDirectories,
    /// Syncs of files do nothing, nor do those of everything at once.
    ToFiles,
}

/// What was there in the beginning, and each step from then on, with the call that made it.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    pub(crate) begin: Tree,
    pub(crate) steps: Vec<(Step, String)>,
    /// The tree as the running system sees it.
    now: Tree,
    nodes: HashMap<u64, Node>,
    next: Node,
    pub(crate) deaf: Option<Deaf>,
    /// Calls whose effect is not known: then the model is not to be believed.
    pub(crate) unknown: Vec<String>,
}

impl Disk {
    /// Takes up what is below a directory; all of it is on the disk.
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut disk = Self {
            root: root.to_owned(),
            begin: Tree::default(),
            steps: Vec::new(),
            now: Tree::default(),
            nodes: HashMap::from([(fs::metadata(root)?.ino(), TOP)]),
            next: TOP + 1,
            deaf: None,
            unknown: Vec::new(),
        };
        disk.take_up()?;
        disk.now = disk.begin.clone();
        Ok(disk)
    }

    fn take_up(&mut self) -> io::Result<()> {
        self.begin.directories.entry(TOP).or_default();
        // The directories that lead to where the walk is.
        let mut above = vec![TOP];
        for entry in WalkDir::new(&self.root).min_depth(1) {
            let entry = entry?;
            above.truncate(entry.depth());
            let parent = above[entry.depth() - 1];
            let child = self.new_node(entry.metadata()?.ino());
            let name = entry.file_name().to_string_lossy().into_owned();
            self.begin.directories.entry(parent).or_default().insert(name, child);
            if entry.file_type().is_dir() {
                self.begin.directories.entry(child).or_default();
                above.push(child);
            } else {
                self.begin.files.insert(child, fs::read(entry.path())?);
            }
        }
        Ok(())
    }

    /// A new inode; its number may have been another file's before.
    fn new_node(&mut self, inode: u64) -> Node {
        let node = self.next;
        self.next += 1;
        self.nodes.insert(inode, node);
        node
    }

    /// Says that the command ended by itself.
    pub(crate) fn ended(&mut self, code: i32) {
        self.steps.push((Step::End { code }, "the end".to_owned()));
    }

    /// The directory of a path, and the name in it.
    fn place(&self, path: &Path) -> Option<(Node, String)> {
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some((self.find(path.parent()?)?, name))
    }

    fn find(&self, path: &Path) -> Option<Node> {
        let mut node = TOP;
        for part in path.strip_prefix(&self.root).ok()?.components() {
            node = *self.now.directories.get(&node)?.get(&*part.as_os_str().to_string_lossy())?;
        }
        Some(node)
    }

    /// What a call that succeeded did; `None` when that cannot be told.
    fn steps_of(&mut self, call: &Call) -> Option<Vec<Step>> {
        let made = call.made;
        Some(match &call.change {
            Change::Create { path, truncates: true } => {
                vec![Step::Resize { node: self.find(path)?, length: 0 }]
            }
            Change::Create { path, .. } => {
                let node = self.new_node(made?);
                let (directory, name) = self.place(path)?;
                vec![Step::Name { directory, name, node }]
            }
            Change::MakeDir { path } => {
                let node = self.new_node(made?);
                self.begin.directories.insert(node, BTreeMap::default());
                self.now.directories.insert(node, BTreeMap::default());
                let (directory, name) = self.place(path)?;
                vec![Step::Name { directory, name, node }]
            }
            Change::Unnamed => {
                self.new_node(made?);
                Vec::new()
            }
            Change::Write { inode, offset, data } => {
                let mut data = data.clone();
                data.truncate(usize::try_from(call.result?).ok()?);
                vec![Step::Write { node: *self.nodes.get(inode)?, offset: (*offset)?, data }]
            }
            Change::Resize { inode, length } => {
                vec![Step::Resize { node: *self.nodes.get(inode)?, length: *length }]
            }
            Change::Sync { inode } => {
                let node = *self.nodes.get(inode)?;
                let is_directory = self.now.directories.contains_key(&node);
                match self.deaf {
                    Some(Deaf::ToDirectories) if is_directory => Vec::new(),
                    Some(Deaf::ToFiles) if !is_directory => Vec::new(),
                    _ => vec![Step::Sync { node }],
                }
            }
            Change::SyncAll if self.deaf == Some(Deaf::ToFiles) => Vec::new(),
            Change::SyncAll => vec![Step::SyncAll],
            Change::Link { inode, to } => {
                let (directory, name) = self.place(to)?;
                vec![Step::Name { directory, name, node: *self.nodes.get(inode)? }]
            }
            Change::Rename { from, to } => {
                vec![Step::Move {
                    node: self.find(from)?,
                    from: self.place(from)?,
                    to: self.place(to)?,
                }]
            }
            Change::Unlink { path } | Change::RemoveDir { path } => {
                let (directory, name) = self.place(path)?;
                vec![Step::Unname { directory, name, node: self.find(path)? }]
            }
            Change::Answer { data } => {
                let mut data = data.clone();
                data.truncate(usize::try_from(call.result?).ok()?);
                vec![Step::Answer { data }]
            }
            Change::Attributes | Change::Look => Vec::new(),
        })
    }
}

impl Director for Disk {
    fn before(&mut self, _call: &Call) -> Fate {
        Fate::Pass
    }

    fn after(&mut self, call: &Call) {
        if call.result.is_none_or(|result| result < 0) {
            if let Change::Sync { inode } = call.change
                && let Some(node) = self.nodes.get(&inode)
            {
                self.steps.push((Step::SyncFailed { node: *node }, call.to_string()));
            }
            return;
        }
        match self.steps_of(call) {
            Some(steps) => {
                for step in steps {
                    self.now.apply(&step, Content::Whole);
                    self.steps.push((step, call.to_string()));
                }
            }
            None => self.unknown.push(call.to_string()),
        }
    }
}
