//! A chain as a Mermaid sequence diagram: the nodes side by side, time downwards.
//!
//! Each event is a note at its node, never an arrow: that one thing came after another does not
//! mean that it caused it. A cross marks failures; the cause, the remediations and what is open
//! are listed below. Mermaid itself limits a diagram's text to 50,000 characters, so of a long
//! chain only the beginning and the end are shown.

use super::{Chain, verdict};
use crate::event::Severity;
use crate::text::offset;
use crate::text::visible;

/// Maximum number of events shown.
const MAX: usize = 120;
/// Maximum number of nodes shown; what happened on others is placed beside the last.
const MAX_NODES: usize = 20;
/// Maximum length of a label, in characters as written.
const MAX_LABEL: usize = 150;

/// Renders the diagram.
pub(crate) fn mermaid(chain: &Chain) -> String {
    let nodes = chain.nodes(MAX_NODES);
    let number = |node: &str| {
        nodes.iter().position(|known| *known == node).unwrap_or(nodes.len().saturating_sub(1))
    };
    let mut out = String::from("sequenceDiagram\n");
    out.push_str(&format!(
        "    title {}\n",
        format_args!("{}: {}", label(&chain.id), label(&verdict(chain)))
    ));
    for (at, node) in nodes.iter().enumerate() {
        out.push_str(&format!("    participant n{at} as {}\n", label(node)));
    }
    let (first, last) = chain.ends(MAX);
    for (at, event) in chain.events.iter().enumerate() {
        let node = number(&event.step.node);
        if at >= first && at < chain.events.len() - last {
            if at == first {
                let between = chain.events.len() - first - last;
                out.push_str(&format!("    Note over n0: {between} events are not shown\n"));
            }
            continue;
        }
        let step = &event.step;
        let mut text = format!("{} {}", offset(step.offset_us), step.event_type);
        if step.service != "all" {
            text.push_str(&format!(" ({})", step.service));
        }
        let mut text = label(&text);
        if let Some(detail) = &step.detail {
            text.push_str(&format!(": {}", label(detail)));
        }
        let mark = if event.severity >= Severity::Error { "#10007; " } else { "" };
        out.push_str(&format!("    Note over n{node}: {mark}{text}\n"));
    }
    if chain.left_out() > 0 {
        out.push_str(&format!("    Note over n0: {} more events\n", chain.left_out()));
    }
    let end = nodes.len().saturating_sub(1);
    let over = if end == 0 { "n0".to_owned() } else { format!("n0,n{end}") };
    for (what, words) in chain.summary.notes() {
        out.push_str(&format!("    Note over {over}: {}\n", label(&format!("{what}: {words}"))));
    }
    for remark in &chain.remarks {
        out.push_str(&format!("    Note over n0: {}\n", label(remark)));
    }
    out
}

/// Escapes a text for Mermaid: every character that is not plain becomes its number.
fn label(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        let is_plain = c.is_alphanumeric()
            || matches!(c, ' ' | '.' | ',' | '_' | '-' | '+' | '=' | '/' | '(' | ')');
        let part = if is_plain { c.to_string() } else { format!("#{};", u32::from(c)) };
        if out.len() + part.len() > MAX_LABEL {
            out.push('…');
            break;
        }
        out.push_str(&part);
    }
    if out.trim().is_empty() { "#8211;".to_owned() } else { out }
}
