//! A chain as one self-contained web page: no script, no font, no request.
//!
//! At the top the outcome; below it the events on a time axis, a lane for each node and service;
//! then each event in words, its payload collapsed. A policy in the page itself forbids every
//! script and every request, should an escape ever be forgotten.

use super::page::{pretty, text, title};
use super::{Chain, ChainEvent};
use crate::event::{Date, Severity, Timestamp};
use crate::text::{offset, span};
use crate::views::trace::Outcome;

/// Maximum number of lanes; further nodes and services share the last.
const MAX_LANES: usize = 24;

/// Number of labels on the axis.
const TICKS: usize = 7;

/// Renders the page.
pub(crate) fn html(chain: &Chain) -> String {
    let mut out = String::with_capacity(16 << 10);
    out.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
         'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n",
    );
    out.push_str(&format!("<title>{}</title>\n", text(&chain.id)));
    out.push_str("<style>\n");
    out.push_str(include_str!("page.css"));
    out.push_str("</style>\n</head>\n<body>\n<header>\n");
    head(chain, &mut out);
    out.push_str("</header>\n<main>\n");
    chart(chain, &mut out);
    story(chain, &mut out);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn head(chain: &Chain, out: &mut String) {
    let summary = &chain.summary;
    let tone = match summary.outcome {
        Outcome::Completed | Outcome::Recovered => " good",
        Outcome::Failed => " bad",
        _ => "",
    };
    out.push_str(&format!(
        "<p class=\"over\">Correlation id</p>\n<h1><bdi>{}</bdi></h1>\n\
         <p class=\"verdict\"><span class=\"outcome{tone}\">{}</span></p>\n",
        text(&chain.id),
        summary.outcome.describe(),
    ));
    for (label, words) in summary.notes() {
        let (class, label) = match label {
            "cause" => ("failure", "Cause"),
            "also" => ("failure", "Also"),
            "tried" => ("note", "Tried"),
            _ => ("note", "Open"),
        };
        out.push_str(&format!(
            "<p class=\"{class}\"><b>{label}</b><bdi>{}</bdi></p>\n",
            text(&words)
        ));
    }
    for remark in &chain.remarks {
        out.push_str(&format!("<p class=\"remark\">{}</p>\n", text(remark)));
    }
    if chain.left_out() > 0 {
        out.push_str(&format!(
            "<p class=\"remark\">{} more events are not on this page</p>\n",
            chain.left_out()
        ));
    }
    let nodes = chain.nodes(usize::MAX).len();
    let facts = [
        ("Duration", span(summary.duration_us)),
        ("Events", summary.events.to_string()),
        ("Nodes", nodes.to_string()),
        ("First", moment(summary.first)),
        ("Last", moment(summary.last)),
    ];
    out.push_str("<dl class=\"facts\">\n");
    for (name, value) in facts {
        out.push_str(&format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", text(&value)));
    }
    out.push_str("</dl>\n");
}

/// Formats a time as `2026-05-16 10:11:12 UTC`.
fn moment(time: Timestamp) -> String {
    format!("{} {} UTC", time.date(), time.clock())
}

/// Returns each event's position on the axis, from 0 to 1. Pauses grow with the logarithm of
/// their length, and no two events overlap: so seconds and days fit into one picture.
fn places(events: &[ChainEvent]) -> Vec<f64> {
    let gaps: Vec<f64> = events
        .windows(2)
        .map(|pair| pair[1].time.micros().saturating_sub(pair[0].time.micros()).max(0) as f64)
        .collect();
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0).max(1_000.0);
    let mut places = vec![0.0];
    let mut at = 0.0;
    for gap in gaps {
        at += 0.5 + 2.0 * (gap / usual).ln_1p();
        places.push(at);
    }
    let end = if at > 0.0 { at } else { 1.0 };
    places.iter().map(|place| place / end).collect()
}

fn class(severity: Severity) -> &'static str {
    severity.as_str()
}

/// A node, and the events of each of its services.
type Lanes<'a> = (&'a str, Vec<(&'a str, Vec<usize>)>);

fn chart(chain: &Chain, out: &mut String) {
    let places = places(&chain.events);
    let mut lanes: Vec<Lanes<'_>> = Vec::new();
    let (mut count, mut others) = (0, Vec::new());
    for (number, event) in chain.events.iter().enumerate() {
        let (node, service) = (event.step.node.as_str(), event.step.service.as_str());
        let known = lanes.iter().position(|(name, _)| *name == node);
        let is_full = count >= MAX_LANES;
        let lane = match known {
            Some(lane) => lane,
            None if is_full => {
                others.push(number);
                continue;
            }
            None => {
                lanes.push((node, Vec::new()));
                lanes.len() - 1
            }
        };
        let services = &mut lanes[lane].1;
        match services.iter_mut().find(|(name, _)| *name == service) {
            Some((_, events)) => events.push(number),
            None if is_full => others.push(number),
            None => {
                services.push((service, vec![number]));
                count += 1;
            }
        }
    }
    out.push_str("<h2>On the axis of time</h2>\n<div class=\"chart\">\n");
    for (node, services) in &lanes {
        for (number, (service, events)) in services.iter().enumerate() {
            let place = if number == 0 { "first" } else { "more" };
            lane(chain, &places, (place, node, service), events, out);
        }
    }
    if !others.is_empty() {
        lane(chain, &places, ("first", "others", "further nodes and services"), &others, out);
    }
    axis(chain, &places, out);
    out.push_str("</div>\n<p class=\"key\">");
    for severity in Severity::ALL {
        out.push_str(&format!(
            "<span><i class=\"dot {}\"></i>{}</span>",
            class(severity),
            severity.as_str()
        ));
    }
    out.push_str("<span>Long pauses are drawn shorter than they were.</span></p>\n");
}

fn lane(
    chain: &Chain,
    places: &[f64],
    (class_of, node, service): (&str, &str, &str),
    events: &[usize],
    out: &mut String,
) {
    let service = if service == "all" { "all services" } else { service };
    out.push_str(&format!(
        "<div class=\"lane {class_of}\"><div class=\"name\"><bdi class=\"node\">{}</bdi>\
         <bdi class=\"service\">{}</bdi></div><div class=\"track\">",
        text(node),
        text(service)
    ));
    for number in events {
        let (event, place) = (&chain.events[*number], places[*number] * 100.0);
        let label = format!("{} {}", offset(event.step.offset_us), event.step.event_type);
        out.push_str(&format!(
            "<a class=\"dot {}\" style=\"left:{place:.3}%\" href=\"#e{}\" title=\"{}\" \
             aria-label=\"{}\"></a>",
            class(event.severity),
            number + 1,
            title(&label),
            title(&label),
        ));
    }
    out.push_str("</div></div>\n");
}

fn axis(chain: &Chain, places: &[f64], out: &mut String) {
    out.push_str("<div class=\"axis\"><div class=\"name\">UTC</div><div class=\"ticks\">");
    let last = chain.events.len() - 1;
    let mut day = None;
    let mut at = f64::NEG_INFINITY;
    // Far enough from the label before and from the last one.
    let room = 1.0 / TICKS as f64;
    let mut between = 0;
    for (number, event) in chain.events.iter().enumerate() {
        let place = places[number];
        let is_end = number == 0 || number == last;
        if !is_end && (place - at < room || 1.0 - place < room) {
            continue;
        }
        at = place;
        let date = event.time.date();
        // A narrow page shows only the two ends, so the last one must be complete.
        let before = if number == last { chain.events[0].time.date() } else { day.unwrap_or(date) };
        let shown =
            if day.is_some() && before == date { String::new() } else { format!("<br>{date}") };
        day = Some(date);
        let side = if number == 0 {
            "left"
        } else if number == last {
            "right"
        } else {
            between += 1;
            // On a narrower page, every second one must do.
            if between % 2 == 1 || 1.0 - place < 2.0 * room { "mid spare" } else { "mid" }
        };
        out.push_str(&format!(
            "<span class=\"tick {side}\" style=\"left:{:.3}%\">{}{shown}</span>",
            place * 100.0,
            event.time.clock(),
        ));
        if last == 0 {
            break;
        }
    }
    out.push_str("</div></div>\n");
}

fn story(chain: &Chain, out: &mut String) {
    out.push_str("<h2>Event by event</h2>\n");
    let mut day: Option<Date> = None;
    for (number, event) in chain.events.iter().enumerate() {
        let date = event.time.date();
        if day != Some(date) {
            if day.is_some() {
                out.push_str("</ol>\n");
            }
            out.push_str(&format!("<p class=\"day\">{date}</p>\n<ol>\n"));
            day = Some(date);
        }
        told(number, event, out);
    }
    out.push_str("</ol>\n");
}

fn told(number: usize, event: &ChainEvent, out: &mut String) {
    let step = &event.step;
    let millis = event.time.micros().rem_euclid(1_000_000) / 1000;
    out.push_str(&format!(
        "<li class=\"event {}\" id=\"e{}\"><span class=\"time\">{}.{millis:03}</span>\
         <span class=\"offset\">{}</span>\
         <span class=\"type\"><bdi>{}</bdi><span class=\"severity\">{}</span></span>\
         <div class=\"what\"><div class=\"where\"><bdi class=\"node\">{}</bdi> · <bdi>{}</bdi> · \
         <bdi>{}</bdi></div>",
        class(event.severity),
        number + 1,
        event.time.clock(),
        offset(step.offset_us),
        text(&step.event_type),
        step.severity,
        text(&step.node),
        text(&step.service),
        text(&step.source),
    ));
    if let Some(detail) = &step.detail {
        out.push_str(&format!("<p class=\"detail\"><bdi>{}</bdi></p>", text(detail)));
    }
    let (size, whole) = (event.payload_bytes, event.payload.len() == event.payload_bytes);
    let bytes = if size == 1 { "byte" } else { "bytes" };
    out.push_str("<details><summary>");
    if size <= 2 {
        out.push_str("File</summary>");
    } else if whole {
        out.push_str(&format!("Payload, {size} {bytes}</summary>"));
    } else {
        let shown = event.payload.len();
        out.push_str(&format!("Payload, the first {shown} of {size} {bytes}</summary>"));
    }
    if size > 2 {
        out.push_str(&format!(
            "<pre>{}{}</pre>",
            pretty(&event.payload),
            if whole { "" } else { " …" }
        ));
    }
    out.push_str(&format!("<p class=\"path\">{}</p></details></div></li>\n", text(&event.path)));
}
