//! A bucket that is a directory: what the `object_store` crate does not do carefully enough.
//!
//! Its lists leave out what they could not look at. Whoever takes a copy for missing that is
//! there may make a shorter archive of the rest; so here whatever cannot be looked at is an
//! error. And a sync that failed it tries again, after which nobody knows what is on the disk.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Object;
use crate::{Error, Result};

/// The directory.
#[derive(Debug)]
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    /// The objects below a folder, in any order.
    pub(super) fn list(&self, below: &str) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = self.0.join(below).join(&folder);
            for (name, is_folder) in entries(&path)? {
                let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if is_folder {
                    folders.push(name);
                    continue;
                }
                let path = self.0.join(below).join(&name);
                match fs::symlink_metadata(&path) {
                    Ok(found) if found.is_file() => {
                        objects.push(Object { name, bytes: found.len() });
                    }
                    Ok(_) => {}
                    // It went meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(Error::io(path, "look up", error)),
                }
            }
        }
        Ok(objects)
    }

    /// The folders right below it.
    pub(super) fn folders(&self) -> Result<Vec<String>> {
        let entries = entries(&self.0)?.into_iter();
        Ok(entries.filter_map(|(name, is_folder)| is_folder.then_some(name)).collect())
    }

    /// The number of its file system.
    pub(super) fn device(&self) -> Result<u64> {
        let found = fs::metadata(&self.0).map_err(|error| Error::io(&self.0, "look up", error))?;
        Ok(found.dev())
    }

    /// Whether anything is there of the host that an object is of.
    pub(super) fn has_host_of(&self, object: &str) -> bool {
        let host = object.split('/').next().unwrap_or_default();
        // What cannot be looked at may be there.
        !matches!(self.0.join(host).symlink_metadata(),
            Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether an object is there.
    pub(super) fn has(&self, object: &str) -> io::Result<bool> {
        match self.0.join(object).symlink_metadata() {
            Ok(found) => Ok(found.is_file()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts an object that `write` writes in its place, whole and synced, or not at all.
    pub(super) fn put(
        &self,
        name: &str,
        write: &mut dyn FnMut(&mut File) -> Result<()>,
    ) -> Result<()> {
        let path = self.0.join(name);
        let folders: Vec<&Path> =
            path.ancestors().skip(1).take_while(|place| *place != self.0).collect();
        for folder in folders.into_iter().rev() {
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::io(folder, "create", error));
                }
                _ => {}
            }
        }
        let aside = self.0.join(format!("{name}#{}", std::process::id()));
        let mut file = File::create(&aside).map_err(|error| Error::io(&aside, "create", error))?;
        let written = write(&mut file).and_then(|()| sync(&aside, &file)).and_then(|()| {
            fs::rename(&aside, &path).map_err(|error| Error::io(&path, "create", error))
        });
        if written.is_err() {
            // Lists pass over it.
            let _ = fs::remove_file(&aside);
        }
        written
    }

    /// Makes sure that an object stays, which may have been put there by a run that was stopped:
    /// syncs it, and the folders above it.
    pub(super) fn settle(&self, name: &str) -> Result<()> {
        let path = self.0.join(name);
        for place in path.ancestors().take_while(|place| place.starts_with(&self.0)) {
            let file = File::open(place).map_err(|error| Error::io(place, "open", error))?;
            sync(place, &file)?;
        }
        Ok(())
    }
}

/// Not the standard library's way, which tries again when it was interrupted: a sync that
/// failed is final.
fn sync(path: &Path, file: &File) -> Result<()> {
    rustix::fs::fsync(file).map_err(|errno| Error::io(path, "sync", errno))
}

/// The names in a folder, and whether each is one of a folder; none when it is not there.
fn entries(path: &Path) -> Result<Vec<(String, bool)>> {
    let failed = |error| Error::io(path, "list", error);
    let read = match fs::read_dir(path) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in read {
        let entry = entry.map_err(failed)?;
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        // An object that is being written has a number behind this sign, until it is whole.
        if let Ok(name) = entry.file_name().into_string()
            && !name.contains('#')
        {
            found.push((name, is_folder));
        }
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn whole_objects_are_listed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let place = Directory(directory.path().to_owned());
        fs::create_dir_all(directory.path().join("nas/2026")).unwrap();
        fs::create_dir_all(directory.path().join("pi4")).unwrap();
        for (name, text) in [("nas/2026/a", "123"), ("nas/2026/b#1", "x"), ("nas/c", "12345")] {
            fs::write(directory.path().join(name), text).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("nas/link")).unwrap();
        let object = |name: &str, bytes| Object { name: name.to_owned(), bytes };
        let mut listed = place.list("nas").unwrap();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(listed, [object("2026/a", 3), object("c", 5)]);
        assert_eq!(place.list("nowhere").unwrap(), []);
        let mut folders = place.folders().unwrap();
        folders.sort();
        assert_eq!(folders, ["nas", "pi4"]);
    }
}
