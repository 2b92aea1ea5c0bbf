//! A chain as one JSON object, written while the chain is read.
//!
//! The object is begun before its end is known: its steps follow one by one, each on a line of its
//! own, and the summary comes last. A chain without events has the same members.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::{Serializer, Value, json};

use crate::archive::Expired;
use crate::store::{Looked, Unreached};
use crate::views::trace::{Outcome, Step, TraceSummary};

/// A step, and where its event is.
#[derive(Serialize)]
pub(in crate::cli) struct StepLine<'a> {
    #[serde(flatten)]
    pub(in crate::cli) step: &'a Step,
    pub(in crate::cli) path: String,
    pub(in crate::cli) segment: Option<String>,
}

/// Returns what comes before the first step.
pub(super) fn opening(id: &str) -> String {
    format!("{{\"correlation_id\":{},\"steps\":[\n", json!(id))
}

/// Returns what comes after the last step.
pub(super) fn ending(
    summary: &TraceSummary,
    expired: Option<&Expired>,
    unreached: Option<&Unreached>,
) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Ending<'a> {
        #[serde(flatten)]
        summary: &'a TraceSummary,
        expired: Value,
        unreached: Value,
    }
    let ending = Ending { summary, expired: json!(expired), unreached: json!(unreached) };
    let mut text = b"\n]".to_vec();
    ending.serialize(&mut Serializer::with_formatter(&mut text, Continued::default()))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A chain that has no event: the members of every chain, in their order, and where it was
/// looked for, if that is known.
#[derive(Serialize)]
pub(in crate::cli) struct NoChain<'a, Expired, Unreached> {
    correlation_id: &'a str,
    steps: [(); 0],
    events: u64,
    first: (),
    last: (),
    duration_us: (),
    outcome: Outcome,
    failure: (),
    cause: (),
    also: [(); 0],
    tried: [(); 0],
    open: [(); 0],
    expired: Expired,
    unreached: Unreached,
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<&'a Looked>,
}

impl<'a, Expired, Unreached> NoChain<'a, Expired, Unreached> {
    pub(in crate::cli) fn of(
        correlation_id: &'a str,
        expired: Expired,
        unreached: Unreached,
        searched: Option<&'a Looked>,
    ) -> Self {
        Self {
            correlation_id,
            steps: [],
            events: 0,
            first: (),
            last: (),
            duration_us: (),
            outcome: Outcome::Unknown,
            failure: (),
            cause: (),
            also: [],
            tried: [],
            open: [],
            expired,
            unreached,
            searched,
        }
    }
}

/// Returns the object of a chain that has no event.
pub(super) fn no_chain(
    id: &str,
    expired: Option<&Expired>,
    unreached: Option<&Unreached>,
) -> serde_json::Result<String> {
    serde_json::to_string(&NoChain::of(id, json!(expired), json!(unreached), None))
}

/// Writes an object's members as further ones of an object that was begun before, and ends that.
#[derive(Default)]
struct Continued {
    /// The number of objects that are open.
    depth: usize,
}

impl Formatter for Continued {
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        if self.depth == 1 { Ok(()) } else { CompactFormatter.begin_object(writer) }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        CompactFormatter.begin_object_key(writer, first && self.depth > 1)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_object(writer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn members_that_follow_end_the_object_that_was_begun() {
        let more = json!({"a": {"b": {}, "c": [{}]}, "d": 1});
        let mut text = b"{\"steps\":[]".to_vec();
        more.serialize(&mut Serializer::with_formatter(&mut text, Continued::default())).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "{\"steps\":[],\"a\":{\"b\":{},\"c\":[{}]},\"d\":1}");
    }

    #[test]
    fn a_chain_without_events_has_the_members_of_one_that_has_some() {
        assert_eq!(
            no_chain("a\"b", None, None).unwrap(),
            "{\"correlation_id\":\"a\\\"b\",\"steps\":[],\"events\":0,\"first\":null,\
             \"last\":null,\"duration_us\":null,\"outcome\":\"unknown\",\"failure\":null,\
             \"cause\":null,\"also\":[],\"tried\":[],\"open\":[],\"expired\":null,\
             \"unreached\":null}"
        );
    }
}
