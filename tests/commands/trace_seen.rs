//! The pictures of a chain, as the programs see them that show them: Chromium and Graphviz.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::common::{Lab, system, tool};
use crate::support::{EVENT, Event};

/// What a page is asked for by a script beside it, at a given width.
const ASK: &str = include_str!("trace_seen.js");

const HOSTILE: &str = "hostile\"><script>document.title='pwned'</script>";

/// Sixty events on three nodes and two days.
fn sixty(lab: &Lab) {
    let kinds = [
        ("deployment_started", "info"),
        ("healthcheck_failed", "warning"),
        ("deployment_failed", "error"),
        ("node_offline", "critical"),
    ];
    for number in 0..60_u32 {
        let (kind, severity) = kinds[number as usize % 4];
        let hour = 20 + number * number / 300;
        let time =
            format!("2026-05-{}T{:02}:{:02}:30.000000Z", 15 + hour / 24, hour % 24, number % 60);
        Event {
            time: &time,
            node: ["nas", "pi4", "rack2-server"][number as usize % 3],
            kind,
            severity,
            service: ["mosquitto", "grafana", "all"][(number / 3) as usize % 3],
            payload: r#"{"error":"connection refused by 10.0.0.7:1883 after 3 attempts","deep":{"list":[1.10,2]}}"#,
            number,
            ..EVENT
        }
        .write(lab);
    }
}

/// An event whose every text is hostile: `port` listens to who asks.
fn hostile(lab: &Lab, port: u16) {
    let tag = format!(
        "</title></script></style></pre></details><script>document.title='pwned'</script>\
         <img src=http://127.0.0.1:{port}/i onerror=document.title='pwned'>\
         <link rel=stylesheet href=http://127.0.0.1:{port}/l><iframe src=http://127.0.0.1:{port}/f>\
         </iframe>\\u0022 onmouseover=alert(1) style=position:fixed '\\u202e\\u001b[2J\\u2066"
    );
    let bidi = format!("\u{202e}{tag}");
    let payload = format!(
        "{{\"error\":\"{tag}\",\"{tag}\":[\"{bidi}\"],\"long\":\"{}\"}}",
        "w".repeat(1 << 20)
    );
    let id = HOSTILE.replace('"', "\\\"");
    for (number, kind, text) in [(0, "node_online", &tag), (1, "node_offline", &bidi)] {
        let event = Event { kind, number, ..EVENT };
        let line = Event {
            node: text,
            source: text,
            service: text,
            correlation: &id,
            payload: &payload,
            ..event
        }
        .line();
        lab.write(&event.path(), line);
    }
}

/// A port, and how often it was asked for something. Nobody gets an answer, but an end.
fn ear() -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(AtomicU32::new(0));
    let hears = Arc::clone(&heard);
    std::thread::spawn(move || {
        for asked in listener.incoming() {
            drop(asked);
            hears.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, heard)
}

/// Chromium without a window.
fn chromium(lab: &Lab, dark: bool) -> Option<Command> {
    let mut command = Command::new(tool("chromium")?);
    let scheme = u8::from(!dark);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--disable-background-networking", "--no-first-run", "--disable-dev-shm-usage"])
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--user-data-dir={}", lab.path("chromium").display()))
        .env("HOME", lab.path(""));
    Some(command)
}

/// The document as it is after everything that a page does.
fn dom(lab: &Lab, dark: bool, file: &Path) -> Option<String> {
    let mut command = chromium(lab, dark)?;
    command.arg("--dump-dom").arg(format!("file://{}", file.display()));
    Some(String::from_utf8(system(&mut command)).unwrap())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// What [`ASK`] finds out about a page at this width.
fn asked(lab: &Lab, page: &str, width: u32, dark: bool) -> Option<Value> {
    let frame = format!(
        "<!DOCTYPE html><body style=\"margin:0\"><iframe id=\"page\" style=\"border:0;\
         width:{width}px;height:900px\" srcdoc=\"{}\"></iframe><pre id=\"found\"></pre>\
         <script>{ASK}</script>",
        escaped(page)
    );
    let file = lab.path(&format!("frame-{width}-{dark}.html"));
    fs::write(&file, frame).unwrap();
    let dom = dom(lab, dark, &file)?;
    let (_, rest) = dom.rsplit_once("<pre id=\"found\">").unwrap();
    let found = unescaped(rest.split_once("</pre>").unwrap().0);
    Some(serde_json::from_str(&found).unwrap_or_else(|error| panic!("{error}: {found}")))
}

#[test]
fn a_page_is_whole_and_legible_wide_and_narrow_dark_and_light() {
    let lab = Lab::new();
    sixty(&lab);
    let page = lab.ok(["trace", "run-1", "-o", "html"]);
    for (width, dark) in [(1280, false), (1280, true), (800, false), (390, false), (390, true)] {
        let Some(found) = asked(&lab, &page, width, dark) else { return };
        let place = format!("{width}, dark {dark}: {found}");
        assert_eq!(found["width"], width, "{place}");
        assert_eq!(found["dark"], dark, "{place}");
        assert_eq!((&found["events"], &found["dots"]), (&60.into(), &60.into()), "{place}");
        assert_eq!(found["targets"], 60, "each dot leads to its event: {place}");
        assert_eq!(found["overflow"], 0, "nothing is wider than the page: {place}");
        assert_eq!(found["cut"], serde_json::json!([]), "{place}");
        assert_eq!(found["overlaps"], serde_json::json!([]), "{place}");
        assert!(found["texts"].as_u64().unwrap() > 300, "{place}");
        assert!(found["contrast"].as_f64().unwrap() >= 4.5, "{place}");
        assert_eq!(
            found["payload"],
            "{\n  \"error\": \"connection refused by 10.0.0.7:1883 after 3 attempts\",\n  \"deep\": {\n    \"list\": [\n      1.10,\n      2\n    ]\n  }\n}"
        );
    }
}

#[test]
fn a_page_of_hostile_events_runs_nothing_and_asks_for_nothing() {
    let lab = Lab::new();
    let (port, heard) = ear();
    let heard = || heard.swap(0, Ordering::SeqCst);
    hostile(&lab, port);
    let page = lab.ok(["trace", HOSTILE, "-o", "html"]);
    assert!(page.len() < 1 << 20, "bounded: {}", page.len());
    let file = lab.path("page.html");
    fs::write(&file, &page).unwrap();
    let Some(dom) = dom(&lab, false, &file) else { return };
    let (_, title) = dom.split_once("<title>").unwrap();
    assert_eq!(unescaped(title.split_once("</title>").unwrap().0), HOSTILE);
    for tag in ["<script", "<img", "<iframe", "<link", "onerror=\"", "onmouseover=\""] {
        assert!(!dom.contains(tag), "{tag}");
    }
    assert_eq!(dom.matches("<li ").count(), 2);
    assert_eq!(heard(), 0, "somebody asked for something");
    for width in [1280, 390] {
        let found = asked(&lab, &page, width, true).unwrap();
        assert_eq!((&found["events"], &found["overflow"]), (&2.into(), &0.into()), "{found}");
        assert_eq!(found["unseen"], 0, "no mark of direction is left: {found}");
    }
    assert_eq!(heard(), 0, "somebody asked for something");
    // Without the page's rules and escapes the same text would be noticed.
    let bare = lab.path("bare.html");
    let tag = format!("<script>document.title='pwned'</script><img src=http://127.0.0.1:{port}/i>");
    fs::write(&bare, format!("<!DOCTYPE html><title>t</title>{tag}")).unwrap();
    assert!(self::dom(&lab, false, &bare).unwrap().contains("<title>pwned</title>"));
    assert!(heard() > 0, "the ear is not deaf");
    // The page's own rules alone stop it as well.
    let ruled = page.replacen("<main>", &format!("<main>{tag}"), 1);
    fs::write(&bare, ruled).unwrap();
    assert!(!self::dom(&lab, false, &bare).unwrap().contains("<title>pwned</title>"));
    assert_eq!(heard(), 0, "the rules let something pass");
}

#[test]
fn a_page_of_ten_thousand_events_has_them_all() {
    let lab = Lab::new();
    let lines: Vec<String> = (0..10_000)
        .map(|number| {
            format!(
                "{{\"type\":\"node_online\",\"severity\":\"info\",\"source\":\"s\",\"service\":\
                 \"all\",\"node\":\"n{}\",\"correlation_id\":\"many\",\"payload\":{{\"n\":{number}}},\
                 \"timestamp\":\"2026-05-16T{:02}:{:02}:{:02}Z\"}}\n",
                number % 5,
                number / 3600,
                number / 60 % 60,
                number % 60
            )
        })
        .collect();
    let run = lab.pipe(lines.concat().as_bytes(), ["emit", "--batch"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let page = lab.ok(["trace", "many", "-o", "html"]);
    assert!(page.len() < 16 << 20, "{}", page.len());
    let file = lab.path("page.html");
    fs::write(&file, &page).unwrap();
    let Some(dom) = dom(&lab, false, &file) else { return };
    assert_eq!(dom.matches("<li class=\"event").count(), 10_000);
    assert_eq!(dom.matches("href=\"#e").count(), 10_000);
}

#[test]
fn graphviz_draws_a_box_for_each_event_whatever_it_says() {
    let lab = Lab::new();
    sixty(&lab);
    hostile(&lab, 9);
    let Some(dot) = tool("dot") else { return };
    for (id, boxes) in [("run-1", 60), (HOSTILE, 2)] {
        let graph = lab.path("graph.dot");
        fs::write(&graph, lab.ok(["trace", id, "-o", "dot"])).unwrap();
        let output = Command::new(&dot).arg("-Tsvg").arg(&graph).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        let svg = String::from_utf8(output.stdout).unwrap();
        assert_eq!(svg.matches("class=\"node\"").count(), boxes);
        assert_eq!(svg.matches("class=\"edge\"").count(), boxes - 1);
        assert!(!svg.contains("<script") && !svg.contains("<img"));
        if boxes == 2 {
            assert!(svg.contains("&lt;/title&gt;&lt;/script&gt;"), "{svg}");
        }
    }
}

#[test]
fn mermaid_has_a_line_for_each_event_and_nothing_that_it_would_read() {
    let lab = Lab::new();
    let chain = Event { node: "nas", kind: "deployment_started", service: "web", ..EVENT };
    chain.write(&lab);
    Event {
        time: "2026-05-16T10:11:14.500000Z",
        kind: "deployment_failed",
        severity: "error",
        payload: r#"{"error":"end; #quot; %% \"x\" -->> n0"}"#,
        number: 1,
        ..chain
    }
    .write(&lab);
    Event {
        time: "2026-05-16T10:12:12.000000Z",
        kind: "service_recovered",
        node: "pi4",
        number: 2,
        ..chain
    }
    .write(&lab);
    assert_eq!(
        lab.ok(["trace", "run-1", "-o", "mermaid"]),
        "sequenceDiagram\n    \
         title run-1: failed#59; 3 events in 1m00s\n    \
         participant n0 as nas\n    \
         participant n1 as pi4\n    \
         Note over n0: +0.000s deployment_started (web)\n    \
         Note over n0: #10007; +2.500s deployment_failed (web): end#59; #35;quot#59; #37;#37; \
         #34;x#34; --#62;#62; n0\n    \
         Note over n1: +1m00s service_recovered (web)\n    \
         Note over n0,n1: cause#58; deployment_failed web on nas, 2026-05-16 10#58;11#58;14#58; \
         end#59; #35;quot#59; #37;#37; #34;x#34; --#62;#62; n0\n    \
         Note over n0,n1: open#58; deployment_failed web on nas, since 2026-05-16 \
         10#58;11#58;14\n"
    );
    lab.fails(1, ["trace", "nobody", "-o", "mermaid"]);
    lab.fails(2, ["list", "-o", "mermaid"]);
}
