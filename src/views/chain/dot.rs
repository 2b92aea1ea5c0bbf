//! A chain as a graph for Graphviz: a box for each event, framed by node, and the time that
//! passed between them.
//!
//! Graphviz takes very long to lay out very many boxes, so of a long chain only the beginning and
//! the end are shown.

use super::{Chain, ChainEvent, verdict};
use crate::event::Severity;
use crate::text::visible;
use crate::text::{offset, span};

/// Maximum number of events shown.
const MAX: usize = 400;
/// Maximum number of frames; what happened on further nodes is placed outside.
const MAX_NODES: usize = 50;

/// Renders the graph in the DOT language.
pub(crate) fn dot(chain: &Chain) -> String {
    let mut out = String::from("digraph chain {\n");
    let mut lines = vec![chain.id.clone(), verdict(chain)];
    lines.extend(chain.summary.notes().iter().map(|(label, words)| format!("{label}: {words}")));
    out.push_str(&format!(
        "  graph [label={}, labelloc=t, rankdir=TB, fontname=\"Helvetica\", fontsize=14];\n",
        quoted(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    ));
    out.push_str(
        "  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=11];\n  \
         edge [fontname=\"Helvetica\", fontsize=9, color=\"#667085\"];\n",
    );
    let (first, last) = chain.ends(MAX);
    let rest = chain.events.len() - last;
    let shown = |at: usize| at < first || at >= rest;
    let nodes = chain.nodes(MAX_NODES);
    for (number, node) in nodes.iter().enumerate() {
        out.push_str(&format!(
            "  subgraph cluster_{number} {{ label={}; color=\"#98a2b3\"; fontname=\"Helvetica\";\n",
            quoted(&[node])
        ));
        for (at, event) in chain.events.iter().enumerate() {
            if event.step.node == *node && shown(at) {
                out.push_str(&node_line(chain, at, event));
            }
        }
        out.push_str("  }\n");
    }
    for (at, event) in chain.events.iter().enumerate() {
        if shown(at) && !nodes.contains(&event.step.node.as_str()) {
            out.push_str(&node_line(chain, at, event));
        }
    }
    if first < rest {
        out.push_str(&format!(
            "  gap [shape=plaintext, style=\"\", label=\"{} events are not shown\"];\n",
            rest - first
        ));
    }
    for at in 1..chain.events.len() {
        let waited =
            chain.events[at].time.micros().saturating_sub(chain.events[at - 1].time.micros());
        let waited = span(waited.max(0));
        if shown(at) && shown(at - 1) {
            out.push_str(&format!("  e{} -> e{at} [label=\" {waited}\"];\n", at - 1));
        } else if shown(at - 1) {
            out.push_str(&format!("  e{} -> gap;\n", at - 1));
        } else if shown(at) {
            out.push_str(&format!("  gap -> e{at};\n"));
        }
    }
    out.push_str("}\n");
    out
}

fn node_line(chain: &Chain, at: usize, event: &ChainEvent) -> String {
    let step = &event.step;
    let (fill, line) = match event.severity {
        Severity::Info => ("#eef4ff", "#3538cd"),
        Severity::Warning => ("#fffaeb", "#b54708"),
        Severity::Error => ("#fef3f2", "#b42318"),
        Severity::Critical => ("#fdf2fa", "#9e165f"),
    };
    let head = format!("{}  {}", offset(step.offset_us), step.event_type);
    let place = format!("{} · {}", step.service, step.source);
    let mut lines = vec![head.as_str(), place.as_str()];
    lines.extend(step.detail.as_deref());
    // The cause has a thick frame.
    let is_cause = chain.summary.cause.as_ref().is_some_and(|cause| cause.path == event.path);
    let frame = if is_cause { ", penwidth=3" } else { "" };
    format!(
        "    e{at} [label={}, tooltip={}, fillcolor=\"{fill}\", color=\"{line}\"{frame}];\n",
        quoted(&lines),
        quoted(&[&step.timestamp.to_string(), &event.path])
    )
}

/// Quotes lines as one string: nothing in them ends it, and no entity or escape is interpreted.
fn quoted(lines: &[&str]) -> String {
    let mut out = String::from("\"");
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            out.push_str("\\n");
        }
        for c in visible(line).chars() {
            match c {
                '"' => out.push_str("&quot;"),
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '\\' => out.push_str("&#92;"),
                other => out.push(other),
            }
        }
    }
    out.push('"');
    out
}
