//! The table of tools: names, the description for the model, and the code that runs.

use std::sync::Arc;

use rmcp::handler::server::tool::schema_for_input;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use rmcp::schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::call::{Answer, Call, arguments};
use super::{attempts, count, emit, events, outages, state};

/// A tool.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    title: &'static str,
    description: &'static str,
    schema: fn() -> Arc<JsonObject>,
    pub(super) run: fn(&Call, JsonObject) -> Answer,
    writes: bool,
}

impl Entry {
    pub(super) fn describe(&self) -> Tool {
        let hints = ToolAnnotations::with_title(self.title)
            .read_only(!self.writes)
            .destructive(false)
            .idempotent(!self.writes)
            .open_world(false);
        Tool::new(self.name, self.description, (self.schema)())
            .with_title(self.title)
            .with_annotations(hints)
    }
}

fn schema<T: JsonSchema + 'static>() -> Arc<JsonObject> {
    // It fails only for what is not an object, and all of these are.
    schema_for_input::<T>().unwrap_or_default()
}

/// Parses the arguments, then runs the tool.
fn run<T: DeserializeOwned>(
    call: &Call,
    given: JsonObject,
    tool: impl FnOnce(&Call, T) -> Answer,
) -> Answer {
    tool(call, arguments(given)?)
}

/// Returns the tools; the one that writes only if it is allowed.
pub(super) fn tools(allow_emit: bool) -> Vec<Entry> {
    let mut tools = vec![
        Entry {
            name: "status",
            title: "State of the homelab and its history",
            description: "\
Look here first. Gives the problems that are open now, however old, the worst and newest first \
(services unhealthy without a later recovery, nodes offline, what failed or was critical without \
a later success), each with its error and correlation_id for trace; unended, the number of unfinished \
runs; what somebody should see to (findings), how much is live and archived, the last rotate and prune and what the next will \
do, and in last_runs how rotate, verify and prune last ended, where that is known. attention is \
true when attention is needed. Costs little.",
            schema: schema::<state::Status>,
            run: |call, given| run(call, given, |call, wanted| state::status(call, &wanted)),
            writes: false,
        },
        Entry {
            name: "attempts",
            title: "Earlier attempts",
            description: "\
Call this before you remediate, restart or redeploy anything, with the service and node. \
by_action sums up what each action achieved (tries, helped, no_effect, failed, superseded by \
another attempt, unknown, last_helped): prefer what helped, and do not repeat what never did. \
attempts are the newest remediations, who tried what, which try it was, and its outcome. With \
unresolved true, only what did not help. No attempts means that nothing was tried in that \
range; searched then names a service, node or source that no event has, which is a slip rather than \
peace.",
            schema: schema::<attempts::Attempts>,
            run: |call, given| run(call, given, attempts::attempts),
            writes: false,
        },
        Entry {
            name: "outages",
            title: "Outages: how long and how often",
            description: "\
Answers how often a service or node was down, for how long, how often it flaps, and its MTTR, MTBF \
and availability, in services, one entry for each service and node (service null is the node as a \
whole): one call with the service and a since is enough. outages has each of them, open ones \
first, then the newest, with its cause, the last attempts, and which of them preceded the \
recovery. What is left out is counted in left.",
            schema: schema::<outages::Outages>,
            run: |call, given| run(call, given, outages::outages),
            writes: false,
        },
        Entry {
            name: "count",
            title: "Numbers of events",
            description: "\
Counts events by fields and periods: which service flaps most (by service, type \
service_unhealthy), errors per day, which events mention a text and how many. One call instead of \
pages of list. groups has values in the order of by, the largest first; events is the number of \
all, in_other_groups that of groups left out.",
            schema: schema::<count::Count>,
            run: |call, given| run(call, given, count::count),
            writes: false,
        },
        Entry {
            name: "list",
            title: "Events in time order",
            description: "\
Finds events by time, node, type, severity, service, source, correlation id or text, live and archived \
alike. Without date, since or until: today's, and only_today is true. Where there are none, searched \
names the days searched and the values that no event has. Each event has its own fields, then _path (its \
identity) and, once archived, _segment. Narrow by filters rather than page through everything; \
latest_first with a small limit shows what happened last. For one correlation id prefer trace; \
for remediations prefer attempts.",
            schema: schema::<events::List>,
            run: |call, given| run(call, given, events::list),
            writes: false,
        },
        Entry {
            name: "trace",
            title: "The story of one correlation id",
            description: "\
Follows a correlation id over all days: each step with its offset from the first, the telling \
part of its payload as detail, and of the whole the outcome (completed, recovered, remediated, \
remediating, failed, running or unknown), the cause (the first failure; later ones are also), \
what was tried and whether it helped, and what is still open. 0 events means that no event has this id (searched names the \
nearest), unless expired says that it may be gone, or unreached that it is remote and could not \
be read.",
            schema: schema::<events::Trace>,
            run: |call, given| run(call, given, events::trace),
            writes: false,
        },
        Entry {
            name: "show",
            title: "One event in full",
            description: "\
Gives one event by its UUID or path, with its full payload, which trace only sums up and list \
may leave out. A kept file that is not an event comes as text.",
            schema: schema::<events::Show>,
            run: |call, given| run(call, given, |call, wanted| events::show(call, &wanted)),
            writes: false,
        },
        Entry {
            name: "inspect",
            title: "What an archived day holds",
            description: "\
Numbers of an archived day from its index alone: events by type, node, service, severity and \
source, first and last time, sizes. Quick, whatever the day's size; use it to see whether list \
is worth calling and which filters fit. A day that is still live has none.",
            schema: schema::<state::Inspect>,
            run: |call, given| run(call, given, |call, wanted| state::inspect(call, &wanted)),
            writes: false,
        },
        Entry {
            name: "verify",
            title: "Check that the history is intact",
            description: "\
Checks that nothing was lost or altered; findings name each thing that is wrong, and no findings \
mean that all is well. Quick unless depth says otherwise; full reads every byte of the archive \
and may take minutes. proves says in a sentence what is proved, depth and witness by what; live files \
have no checksum until they are archived. It changes nothing.",
            schema: schema::<state::Verify>,
            run: |call, given| run(call, given, |call, wanted| state::verify(call, &wanted)),
            writes: false,
        },
    ];
    if allow_emit {
        tools.push(Entry {
            name: "emit_event",
            title: "Write an event",
            description: "\
Writes one event into the history; it is on the disk when this returns, and nothing takes it \
back. Emit remediation_started before you remediate and remediation_completed with the same \
correlation id, service and node afterwards, so that others see what was tried. Each call writes \
another event: do not repeat one that succeeded.",
            schema: schema::<emit::EmitEvent>,
            run: |call, given| run(call, given, emit::emit_event),
            writes: true,
        });
    }
    tools
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use crate::store::Store;
    use serde_json::{Value, json};

    use super::super::call::Desk;
    use super::*;

    fn history(root: &Path) {
        let folder = root.join("2026-05-16/pi4");
        fs::create_dir_all(&folder).unwrap();
        for number in 0..50 {
            let name =
                format!("20260516T000000Z_x_0196d8a2-0000-7000-8000-0000000000{number:02}.json");
            let text = "{\"timestamp\":\"2026-05-16T00:00:00Z\",\"node\":\"pi4\",\
                        \"type\":\"remediation_started\",\"severity\":\"info\",\"source\":\"s\",\
                        \"service\":\"all\",\"correlation_id\":\"c\",\"payload\":{}}";
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn a_call_that_is_cancelled_ends_in_the_middle_of_its_work() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("events");
        history(&root);
        let desk = Arc::new(Desk {
            store: Store::new(root, None),
            policy: None,
            metrics: None,
            command: "test".to_owned(),
        });
        let tools = tools(false);
        for (name, arguments) in [
            ("list", json!({ "since": "2026-05-01" })),
            ("trace", json!({ "correlation_id": "c" })),
            ("attempts", json!({})),
            ("outages", json!({})),
            ("count", json!({ "by": ["service"], "where": ["payload"] })),
            ("verify", json!({ "depth": "full" })),
        ] {
            let tool = tools.iter().find(|tool| tool.name == name).unwrap();
            let Value::Object(arguments) = arguments else { unreachable!() };
            let polls = Arc::new(AtomicU32::new(0));
            // The first check finds nothing wrong; the client gives up before the second.
            let counter = Arc::clone(&polls);
            let cancelled = move || counter.fetch_add(1, Ordering::Relaxed) > 0;
            let call = Call::new(Arc::clone(&desk), Arc::new(cancelled));
            let trouble = (tool.run)(&call, arguments).err().unwrap();
            assert_eq!(trouble.0, "the call was cancelled", "{name}");
            assert!(polls.load(Ordering::Relaxed) < 10, "{name} went on");
        }
    }
}
