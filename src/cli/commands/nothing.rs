//! Answers without a match: where the command searched, and which values no event has.

use crate::ops::answers::trace::{Named, named};
use crate::store::{EventStream, Looked, Query, Store};
use serde::Serialize;

use super::trace::NoChain;
use crate::cli::args::Format;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;

/// The places in which nothing was found.
#[derive(Debug)]
pub(in crate::cli) struct Nothing {
    looked: Option<Looked>,
    /// True if there is neither a tree nor an archive, which was reported.
    nowhere: bool,
}

impl Nothing {
    /// Returns where a query found nothing; empty if it found something.
    pub(in crate::cli) fn of(
        store: &Store,
        query: impl FnOnce() -> Query,
        is_empty: bool,
    ) -> crate::Result<Self> {
        let looked = is_empty.then(|| store.looked(&query(), &|| false)).transpose()?;
        Ok(Self { looked, nowhere: false })
    }

    /// Reports it on standard error, after the command's own message. `first` is left out if
    /// neither half of the history exists.
    pub(in crate::cli) fn tell(
        &mut self,
        session: &Session,
        first: Option<&str>,
    ) -> Result<(), Failure> {
        self.nowhere = session.warn_of_nowhere()?;
        if self.nowhere {
            return Ok(());
        }
        if let Some(first) = first {
            session.remark(first);
        }
        for sentence in self.looked.iter().flat_map(Looked::sentences) {
            session.remark(&sentence);
        }
        Ok(())
    }

    /// Adds a member that says where nothing was found to a report.
    pub(in crate::cli) fn with<'a, R: Serialize>(&'a self, report: &'a R) -> With<'a, R> {
        With { report, searched: self.looked.as_ref() }
    }
}

/// A report, and the places in which nothing was found.
#[derive(Serialize)]
pub(in crate::cli) struct With<'a, R> {
    #[serde(flatten)]
    report: &'a R,
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<&'a Looked>,
}

/// Returns the chain that `trace` is asked for, or the exit code if there is none.
pub(super) fn chain(
    session: &mut Session,
    asked: &str,
    format: Format,
) -> Result<Result<(String, EventStream), Exit>, Failure> {
    let Named { id, mut events, looked } = named(&session.store, asked.to_owned(), &|| false)?;
    let Some(looked) = looked else {
        if id != asked {
            let shown = crate::event::shown;
            session.remark(&format!("\"{}\" is taken for \"{}\"", shown(asked), shown(&id)));
        }
        return Ok(Ok((id, events)));
    };
    if format == Format::Json {
        let notices = events.notices();
        let (expired, unreached) = (notices.expired(), notices.unreached());
        session.json(&NoChain::of(&id, expired, unreached, Some(&looked)))?;
    }
    session.flush()?;
    session.notices(events.notices());
    session.end_notices();
    if format == Format::Json {
        session.warn_of_nowhere()?;
    } else {
        let first = looked
            .unknown
            .is_empty()
            .then(|| format!("no event has the correlation id \"{}\"", crate::event::shown(&id)));
        Nothing { looked: Some(looked), nowhere: false }.tell(session, first.as_deref())?;
    }
    Ok(Err(Exit::Wrong))
}
