//! A bucket that is a directory, accessed by handle: others may write to it, too.
//!
//! Nothing below it is opened by path, and no symbolic link in it is followed, so whoever may
//! write there can spoil copies and nothing else. An entry that cannot be examined is an error,
//! since a copy that is taken for missing would make a shorter archive of the rest; and a failed
//! sync is final, since nobody knows what is on the disk after a second one.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::Object;
use crate::fs::{self, Dir, Staged};
use crate::{Error, Result};

/// The directory of a bucket.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    handle: OwnedFd,
}

impl Directory {
    /// Opens the directory; links on the way to it are the operator's choice, and are followed.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let handle = fs::open_root(path).map_err(|errno| match errno {
            // A missing directory may only need to be mounted.
            Errno::NOENT => {
                let reason = "there is no such directory; is it mounted?";
                let away = io::Error::new(io::ErrorKind::HostUnreachable, reason);
                Error::io(path, "open", away)
            }
            errno => Error::io(path, "open", errno),
        })?;
        Ok(Self { path: path.to_owned(), handle })
    }

    fn failed(&self, name: &str, action: &'static str) -> impl Fn(Errno) -> Error + use<> {
        let path = self.path.join(name);
        move |errno| Error::io(&path, action, errno)
    }

    /// Opens a folder by its path below the directory; with `make`, missing parts are created.
    fn folder(&self, path: &str, make: bool) -> Result<OwnedFd, Errno> {
        let mut folder = rustix::io::fcntl_dupfd_cloexec(&self.handle, 0)?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if matches!(part, "." | "..") {
                return Err(Errno::INVAL);
            }
            if make {
                fs::make_dir(folder.as_fd(), part)?;
            }
            folder = fs::open_dir(folder.as_fd(), part)?;
        }
        Ok(folder)
    }

    /// Opens the folder of an object; returns it and the object's name in it.
    fn place<'n>(&self, name: &'n str, make: bool) -> Result<(OwnedFd, &'n str), Errno> {
        let (folders, leaf) = name.rsplit_once('/').unwrap_or(("", name));
        let folder = self.folder(folders, make)?;
        if matches!(leaf, "" | "." | "..") { Err(Errno::INVAL) } else { Ok((folder, leaf)) }
    }

    /// Lists the objects below a folder, in any order.
    pub(super) fn list(&self, below: &str) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let at = format!("{below}/{folder}");
            let failed = self.failed(&at, "list");
            let handle = match self.folder(&at, false) {
                Ok(handle) => handle,
                // It was removed meanwhile, or never existed.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(failed(errno)),
            };
            for (name, file_type) in entries(handle.as_fd()).map_err(&failed)? {
                let below =
                    if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                match file_type {
                    FileType::Directory => folders.push(below),
                    FileType::RegularFile => match size(handle.as_fd(), &name) {
                        Ok(Some(bytes)) => objects.push(Object { name: below, bytes }),
                        // It was removed meanwhile.
                        Ok(None) => {}
                        Err(errno) => return Err(self.failed(&below, "look up")(errno)),
                    },
                    _ => {}
                }
            }
        }
        Ok(objects)
    }

    /// Lists the folders directly below it.
    pub(super) fn folders(&self) -> Result<Vec<String>> {
        let entries = entries(self.handle.as_fd()).map_err(self.failed("", "list"))?.into_iter();
        let is_folder = |file_type| file_type == FileType::Directory;
        Ok(entries.filter_map(|(name, kind)| is_folder(kind).then_some(name)).collect())
    }

    /// Returns the size of an object; `None` if there is no regular file of its name.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>> {
        let found = self.place(name, false).and_then(|(folder, leaf)| size(folder.as_fd(), leaf));
        match found {
            Err(Errno::NOENT) => Ok(None),
            found => found.map_err(self.failed(name, "look up")),
        }
    }

    /// Returns the number of its file system.
    pub(super) fn device(&self) -> Result<u64> {
        let stat = rustix::fs::fstat(&self.handle).map_err(self.failed("", "look up"))?;
        #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
        Ok(stat.st_dev as u64)
    }

    /// Reports whether anything of the host that an object belongs to is there.
    pub(super) fn has_host_of(&self, object: &str) -> bool {
        let host = object.split('/').next().unwrap_or_default();
        // An entry that cannot be examined may be there.
        let found = rustix::fs::statat(&self.handle, host, AtFlags::SYMLINK_NOFOLLOW);
        !matches!(found, Err(Errno::NOENT))
    }

    /// Puts an object that `write` writes in its place, complete and synced, or not at all.
    pub(super) fn put(
        &self,
        name: &str,
        write: &mut dyn FnMut(&mut File) -> Result<()>,
    ) -> Result<()> {
        let (folder, leaf) = self.place(name, true).map_err(self.failed(name, "create"))?;
        let path = self.path.join(name);
        let folder = Dir::of(folder, path.parent().unwrap_or(&self.path));
        let aside = format!("{leaf}#{}", std::process::id());
        // A process with the same id may have been interrupted here. Listings ignore the name.
        folder.remove(&aside)?;
        let mut staged = Staged::create(folder, aside, 0o666)?;
        write(staged.file_mut())?;
        staged.sync()?;
        staged.replace(leaf)
    }

    /// Makes an object durable that an interrupted run may have put there: syncs it, and the
    /// folders above it.
    pub(super) fn settle(&self, name: &str) -> Result<()> {
        let failed = self.failed(name, "sync");
        let (folder, leaf) = self.place(name, false).map_err(&failed)?;
        let file = fs::open_regular(folder.as_fd(), leaf)
            .map_err(|error| Error::io(self.path.join(name), "open", error))?;
        rustix::fs::fsync(&file).map_err(&failed)?;
        drop(folder);
        for (at, _) in name.rmatch_indices('/') {
            let folder = self.folder(&name[..at], false).map_err(&failed)?;
            rustix::fs::fsync(&folder).map_err(&failed)?;
        }
        rustix::fs::fsync(&self.handle).map_err(failed)
    }

    /// Reads a range of an object's bytes.
    pub(super) fn get_range(&self, name: &str, range: &Range<u64>) -> io::Result<Vec<u8>> {
        let (folder, leaf) = self.place(name, false)?;
        let file = fs::open_regular(folder.as_fd(), leaf)?;
        // Checked first: memory is not allocated on the word of a record.
        if range.start > range.end || file.metadata()?.len() < range.end {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than that"));
        }
        let mut bytes = vec![0; (range.end - range.start) as usize];
        file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }

    /// Removes an object; a missing one is not an error.
    pub(super) fn delete(&self, name: &str) -> Result<()> {
        let removed =
            self.place(name, false).and_then(|(folder, leaf)| fs::unlink(folder.as_fd(), leaf));
        match removed {
            Err(Errno::NOENT) => Ok(()),
            removed => removed.map(drop).map_err(self.failed(name, "remove")),
        }
    }
}

/// Returns the size of a regular file; `None` if there is none of this name.
fn size(folder: BorrowedFd<'_>, name: &str) -> Result<Option<u64>, Errno> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
            Ok(u64::try_from(stat.st_size).ok())
        }
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Lists the names in a folder, and the type of each.
fn entries(folder: BorrowedFd<'_>) -> Result<Vec<(String, FileType)>, Errno> {
    let mut found = Vec::new();
    fs::read_dir(folder, &mut |name, file_type| {
        // The name of an object still being written ends with this sign and a number.
        if let Ok(name) = name.to_str()
            && !name.contains('#')
        {
            found.push((name.to_owned(), file_type));
        }
    })?;
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    fn put(place: &Directory, name: &str, text: &str) -> Result<()> {
        place.put(name, &mut |out| {
            out.write_all(text.as_bytes()).map_err(|error| Error::io(name, "send", error))
        })
    }

    #[test]
    fn whole_objects_are_listed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let place = Directory::open(directory.path()).unwrap();
        fs::create_dir_all(directory.path().join("nas/2026")).unwrap();
        fs::create_dir_all(directory.path().join("pi4")).unwrap();
        for (name, text) in [("nas/2026/a", "123"), ("nas/2026/b#1", "x"), ("nas/c", "12345")] {
            fs::write(directory.path().join(name), text).unwrap();
        }
        symlink("/etc/passwd", directory.path().join("nas/link")).unwrap();
        let object = |name: &str, bytes| Object { name: name.to_owned(), bytes };
        let mut listed = place.list("nas").unwrap();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(listed, [object("2026/a", 3), object("c", 5)]);
        assert_eq!(place.list("nowhere").unwrap(), []);
        let mut folders = place.folders().unwrap();
        folders.sort();
        assert_eq!(folders, ["nas", "pi4"]);
    }

    #[test]
    fn an_object_comes_back_as_it_was_put_and_goes_once() {
        let directory = tempfile::tempdir().unwrap();
        let place = Directory::open(directory.path()).unwrap();
        assert_eq!(place.size("nas/2026/a").unwrap(), None);
        put(&place, "nas/2026/a", "hello").unwrap();
        place.settle("nas/2026/a").unwrap();
        assert_eq!(place.size("nas/2026/a").unwrap(), Some(5));
        assert_eq!(place.get_range("nas/2026/a", &(1..4)).unwrap(), b"ell");
        let short = place.get_range("nas/2026/a", &(1..6)).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        place.delete("nas/2026/a").unwrap();
        place.delete("nas/2026/a").unwrap();
        assert_eq!(place.list("").unwrap(), []);
        for name in ["../a", "nas/../../a", "nas/", ".."] {
            assert!(put(&place, name, "x").is_err(), "{name}");
        }
    }

    #[test]
    fn no_link_in_it_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("a"), "theirs").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let place = Directory::open(directory.path()).unwrap();
        symlink(outside.path(), directory.path().join("nas")).unwrap();
        fs::create_dir(directory.path().join("pi4")).unwrap();
        symlink(outside.path().join("a"), directory.path().join("pi4/a")).unwrap();
        let aside = format!("pi4/b#{}", std::process::id());
        symlink(outside.path().join("b"), directory.path().join(aside)).unwrap();
        assert!(put(&place, "nas/b", "ours").is_err());
        assert!(place.list("nas").is_err() && place.delete("nas/a").is_err());
        assert!(place.get_range("nas/a", &(0..1)).is_err());
        assert!(place.get_range("pi4/a", &(0..1)).is_err());
        assert_eq!(place.size("pi4/a").unwrap(), None);
        put(&place, "pi4/b", "ours").unwrap();
        put(&place, "pi4/a", "ours").unwrap();
        assert_eq!(place.get_range("pi4/a", &(0..4)).unwrap(), b"ours");
        assert_eq!(fs::read(outside.path().join("a")).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }
}
