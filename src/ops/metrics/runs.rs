//! Outcomes of runs, kept in the archive itself for readers without a metrics file.

use super::{Ended, Gauge, Sheet};
use crate::Result;
use crate::store::Store;

/// Records in the archive how a run ended, if there is an archive and this user may write there.
/// Another run at the same moment may win.
///
/// # Errors
///
/// The file cannot be written; it is then unchanged.
pub(crate) fn leave(store: &Store, ended: Ended<'_>, report: &[Gauge]) -> Result<()> {
    let Some(archive) = store.any_archive()? else { return Ok(()) };
    if !archive.may_put_runs() {
        return Ok(());
    }
    let mut sheet = left(store);
    sheet.ran(ended, report);
    archive.put_runs(&sheet.render())
}

/// Returns what runs recorded in the archive; empty if that is not sound.
pub(crate) fn left(store: &Store) -> Sheet {
    let text = store.any_archive().ok().flatten().and_then(|archive| archive.runs());
    text.and_then(|text| Sheet::parse(&text).ok()).unwrap_or_default()
}
