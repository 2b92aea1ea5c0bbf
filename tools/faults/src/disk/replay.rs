//! Steps, carried out on a tree in memory, and a tree, carried out on a real disk.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::{Node, Step, TOP};

/// How much of what was written arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Whole,
    /// Its first half.
    Half,
    /// Its length, with zeros for bytes.
    Zeros,
}

/// Names and bytes, by node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    pub(crate) directories: BTreeMap<Node, BTreeMap<String, Node>>,
    pub(crate) files: BTreeMap<Node, Vec<u8>>,
}

impl Tree {
    /// Carries out one step.
    pub(crate) fn apply(&mut self, step: &Step, content: Content) {
        match step {
            Step::Name { directory, name, node } => {
                self.directories.entry(*directory).or_default().insert(name.clone(), *node);
            }
            Step::Unname { directory, name, node } => self.unname(*directory, name, *node),
            Step::Move { from, to, node } => {
                self.unname(from.0, &from.1, *node);
                self.directories.entry(to.0).or_default().insert(to.1.clone(), *node);
            }
            Step::Write { node, offset, data } => {
                let data = match content {
                    Content::Half => &data[..data.len() / 2],
                    _ => &data[..],
                };
                let file = self.files.entry(*node).or_default();
                let (from, to) = (*offset as usize, *offset as usize + data.len());
                if file.len() < to {
                    file.resize(to, 0);
                }
                match content {
                    Content::Zeros => file[from..to].fill(0),
                    _ => file[from..to].copy_from_slice(data),
                }
            }
            Step::Resize { node, length } => {
                self.files.entry(*node).or_default().resize(*length as usize, 0);
            }
            Step::Sync { .. }
            | Step::SyncFailed { .. }
            | Step::SyncAll
            | Step::Answer { .. }
            | Step::End { .. } => {}
        }
    }

    /// Takes a name away, if it is still this node's.
    fn unname(&mut self, directory: Node, name: &str, node: Node) {
        let entries = self.directories.entry(directory).or_default();
        if entries.get(name) == Some(&node) {
            entries.remove(name);
        }
    }

    /// Calls `entry` for everything that can be reached from the top, by path; directories
    /// have no bytes.
    fn walk<'a>(&'a self, node: Node, below: &str, entry: &mut dyn FnMut(&str, Option<&'a [u8]>)) {
        for (name, child) in self.directories.get(&node).into_iter().flatten() {
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            if self.directories.contains_key(child) {
                entry(&path, None);
                self.walk(*child, &path, entry);
            } else {
                entry(&path, Some(self.files.get(child).map_or(&[], Vec::as_slice)));
            }
        }
    }

    /// Hashes what a person would see.
    pub(crate) fn hash(&self, hasher: &mut impl Hasher) {
        self.walk(TOP, "", &mut |path, bytes| {
            path.hash(hasher);
            bytes.hash(hasher);
        });
    }

    /// Makes it real below a directory that is empty.
    pub(crate) fn write(&self, root: &Path) -> io::Result<()> {
        let mut outcome = Ok(());
        self.walk(TOP, "", &mut |path, bytes| {
            if outcome.is_ok() {
                outcome = match bytes {
                    Some(bytes) => fs::write(root.join(path), bytes),
                    None => make_directory(&root.join(path)),
                };
            }
        });
        outcome
    }
}

/// A directory for what is not in place yet was closed to others when it was made; the
/// program goes by that when it finds it again.
fn make_directory(path: &Path) -> io::Result<()> {
    let is_staging =
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".hlarchive-tmp-"));
    fs::DirBuilder::new().mode(if is_staging { 0o700 } else { 0o777 }).create(path)
}
