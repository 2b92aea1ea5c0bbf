//! How runs ended, left in the archive itself: for who looks there without a file of metrics.

use super::{Ended, Gauge, Sheet};
use crate::Result;
use crate::store::Store;

/// Leaves in the archive how a run ended, if there is one and this user may write there. One
/// that is at it in the same moment may win.
///
/// # Errors
///
/// The file cannot be written; it is then as it was.
pub(crate) fn leave(store: &Store, ended: Ended<'_>, report: &[Gauge]) -> Result<()> {
    let Some(archive) = store.any_archive()? else { return Ok(()) };
    if !archive.may_put_runs() {
        return Ok(());
    }
    let mut sheet = left(store);
    sheet.ran(ended, report);
    archive.put_runs(&sheet.render())
}

/// What runs left in the archive; nothing, where that is not sound.
pub(crate) fn left(store: &Store) -> Sheet {
    let text = store.any_archive().ok().flatten().and_then(|archive| archive.runs());
    text.and_then(|text| Sheet::parse(&text).ok()).unwrap_or_default()
}
