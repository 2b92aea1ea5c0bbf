//! Fetching of pieces, many at once; those that are cached are not asked for.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use futures_util::StreamExt;
use object_store::ObjectStoreExt;

use super::{Backend, Bucket, PART_BYTES};
use crate::remote::directory::Directory;
use crate::remote::failure::as_io;
use crate::segment::{Fetch, Piece, are_frames};

/// The most requests that run at once.
const AT_ONCE: usize = 8;

impl Bucket {
    /// Explains an error of reading an object, if it is in a directory where nothing is there.
    fn explained(&self, directory: &Directory, object: &str, error: io::Error) -> io::Error {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        if is_missing && !directory.has_host_of(object) { self.nothing_here() } else { error }
    }

    fn nothing_here(&self) -> io::Error {
        let reason = format!("nothing of this archive is at {}; is it mounted?", self.url);
        io::Error::new(io::ErrorKind::HostUnreachable, reason)
    }

    /// Fetches pieces that are not cached; adjacent pieces of an object in one request.
    fn fetch_missing(&self, pieces: &[Piece], fetched: &mut [Option<io::Result<Vec<u8>>>]) {
        let mut by_object: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, piece) in pieces.iter().enumerate() {
            if fetched[number].is_none() {
                by_object.entry(&piece.object).or_default().push(number);
            }
        }
        let mut requests: Vec<(Range<u64>, Vec<usize>)> = Vec::new();
        for mut numbers in by_object.into_values() {
            numbers.sort_by_key(|number| pieces[*number].range.start);
            let mut last: Option<(Range<u64>, Vec<usize>)> = None;
            for number in numbers {
                let range = pieces[number].range.clone();
                match &mut last {
                    Some((before, with))
                        if before.end == range.start && range.end - before.start <= PART_BYTES =>
                    {
                        before.end = range.end;
                        with.push(number);
                    }
                    _ => requests.extend(last.replace((range, vec![number]))),
                }
            }
            requests.extend(last);
        }
        let gets = requests.into_iter().map(|(range, numbers)| async move {
            let object = numbers.first().map_or("", |number| &*pieces[*number].object);
            let got = match (&self.store, self.reachable()) {
                (_, Err(error)) => Err(error),
                (Backend::Directory(directory), _) => directory
                    .get_range(object, &range)
                    .map_err(|error| self.explained(directory, object, error)),
                (Backend::S3(store), _) => {
                    let got = store.get_range(&self.path(object), range.clone()).await;
                    got.map(Vec::from).map_err(|error| self.noted(as_io(&error)))
                }
            };
            (numbers, range, got)
        });
        let gets = futures_util::stream::iter(gets).buffer_unordered(AT_ONCE);
        for (numbers, range, got) in self.runtime.block_on(gets.collect::<Vec<_>>()) {
            for number in numbers {
                let piece = &pieces[number];
                fetched[number] = Some(match &got {
                    Ok(bytes) => {
                        let from = (piece.range.start - range.start) as usize;
                        let to = (piece.range.end - range.start) as usize;
                        match bytes.get(from..to) {
                            Some(bytes) => {
                                // A damaged piece would be found damaged ever after.
                                if let Some(cache) = &self.cache
                                    && are_frames(bytes)
                                {
                                    cache.put(piece, bytes);
                                }
                                Ok(bytes.to_vec())
                            }
                            None => Err(io::ErrorKind::UnexpectedEof.into()),
                        }
                    }
                    Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
                });
            }
        }
    }
}

impl Fetch for Bucket {
    fn lost(&self, objects: &[&str]) -> io::Result<Vec<String>> {
        let Backend::Directory(directory) = &self.store else { return Ok(Vec::new()) };
        if !objects.iter().any(|object| directory.has_host_of(object)) {
            return Err(self.nothing_here());
        }
        let mut lost = Vec::new();
        for object in objects {
            let size = directory.size(object);
            if size.map_err(|error| io::Error::other(error.to_string()))?.is_none() {
                lost.push((*object).to_owned());
            }
        }
        Ok(lost)
    }

    fn fetch(&self, pieces: &[Piece]) -> Vec<io::Result<Vec<u8>>> {
        let kept = |piece: &Piece| self.cache.as_ref()?.get(piece).map(Ok);
        let mut fetched: Vec<Option<io::Result<Vec<u8>>>> = pieces.iter().map(kept).collect();
        self.fetch_missing(pieces, &mut fetched);
        let missing = || Err(io::ErrorKind::UnexpectedEof.into());
        fetched.into_iter().map(|fetched| fetched.unwrap_or_else(missing)).collect()
    }
}
