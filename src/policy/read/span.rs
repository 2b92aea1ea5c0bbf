//! Durations of a policy.

use crate::policy::PolicyError;
use crate::policy::quantity::{Span, SpanError};
use crate::policy::table::PolicyValue;

pub(super) fn span(value: &PolicyValue<'_>, max: u64, limit: &str) -> Result<Span, PolicyError> {
    let expected = "a duration such as \"7d\", \"12h\" or \"2y\"";
    let span: Span = value.text(expected)?.parse().map_err(|error| match error {
        SpanError::Malformed => value.wrong(expected),
        ambiguous @ SpanError::CapitalM(_) => value.wrong(&format!("{expected}: {ambiguous}")),
    })?;
    if span.seconds() > max {
        return Err(value.wrong(&format!("a duration of {limit}")));
    }
    Ok(span)
}
