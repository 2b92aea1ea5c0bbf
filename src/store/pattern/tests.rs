use proptest::prelude::*;
use regex::RegexBuilder;
use serde_json::Value;

use super::*;

fn query(grep: &[&str]) -> TextQuery {
    TextQuery { any_of: owned(grep), ..TextQuery::default() }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn pattern(query: &TextQuery) -> Pattern {
    Pattern::compile(query).unwrap().unwrap()
}

/// Judges as a reader of frames does: only what may match is looked into.
fn matches(pattern: &Pattern, json: &str) -> bool {
    let may_match =
        json.contains('\\') || pattern.scan().is_none_or(|scan| scan.is_match(json.as_bytes()));
    may_match && pattern.matches(json)
}

fn finds(grep: &str, json: &str) -> bool {
    matches(&pattern(&query(&[grep])), json)
}

fn meets(condition: &str, json: &str) -> bool {
    let query = TextQuery { conditions: owned(&[condition]), ..TextQuery::default() };
    matches(&pattern(&query), json)
}

fn lines(json: &str) -> Vec<String> {
    let mut lines = Vec::new();
    each_leaf(json, &mut |path, leaf| {
        lines.push(format!("{path}={}", leaf.text().unwrap_or("(empty)")));
    });
    lines
}

/// The same lines, slowly: from a parsed tree. It knows no digits of numbers but whole ones'.
fn slow_lines(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                slow_lines(&format!("{path}{dot}{name}"), value, lines);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|value| slow_lines(path, value, lines)),
        Value::String(text) => lines.push(format!("{path}={text}")),
        other => lines.push(format!("{path}={other}")),
    }
}

#[test]
fn each_value_has_a_line_with_its_path() {
    let json = r#"{ "node": "pi4", "payload" : {"a":[1.50,[true],{"b":null}], "c": {}, "d":[],
        "e\u0066":"x\ty\u00e9\ud83d\ude00\/", "":"", "half":"\ud83d!"} }"#;
    let expected = [
        "node=pi4",
        "payload.a=1.50",
        "payload.a=true",
        "payload.a.b=null",
        "payload.c=(empty)",
        "payload.d=(empty)",
        "payload.ef=x\tyé😀/",
        "payload.=",
        "payload.half=\u{fffd}!",
    ];
    assert_eq!(lines(json), expected);
}

#[test]
fn a_walk_over_what_is_not_json_ends() {
    for text in ["", "{", "]", "}", "[", "{\"a\"", "\"", "{\"a\":\"\\", "{\"a\":\"\\u12", "é", "{]"]
    {
        lines(text);
    }
}

#[test]
fn lower_case_finds_any_case_and_upper_case_only_itself() {
    let json = r#"{"payload":{"error":"Disk FULL on sda1"}}"#;
    for found in ["disk full", "Disk", "error=.*full", "payload.error=disk", r"\bsda\d", r"\W"] {
        assert!(finds(found, json), "{found}");
    }
    for missing in ["DISK", "Error", "disk=full", "error=full", r"sda\d\d", "^error"] {
        assert!(!finds(missing, json), "{missing}");
    }
}

#[test]
fn a_pattern_never_matches_across_two_values() {
    let json = r#"{"a":"disk","b":"full"}"#;
    assert!(!finds("(?s)disk.*full", json));
    assert!(finds("^a=disk$", json));
}

#[test]
fn alternatives_narrow_further_patterns_and_may_be_inverted() {
    let json = r#"{"payload":{"error":"disk full","host":"nas"}}"#;
    let of = |any_of: &[&str], all_of: &[&str], invert| {
        let (any_of, all_of) = (owned(any_of), owned(all_of));
        matches(&pattern(&TextQuery { any_of, all_of, invert, ..TextQuery::default() }), json)
    };
    assert!(of(&["nothing", "disk"], &[], false));
    assert!(of(&["disk"], &["nas"], false));
    assert!(!of(&["disk"], &["nas", "other"], false));
    assert!(!of(&["disk"], &[], true));
    assert!(of(&["disk"], &["other"], true));
}

#[test]
fn plain_text_is_no_expression() {
    let json = r#"{"a":"1+1=2 (really)"}"#;
    let plain = TextQuery { plain: true, ..query(&["1+1=2 (r"]) };
    assert!(matches(&pattern(&plain), json));
    let error = Pattern::compile(&query(&["(r"])).unwrap_err().to_string();
    assert!(error.contains("unclosed group") && error.contains("-F"), "{error}");
}

#[test]
fn conditions_compare_numbers_as_numbers_and_text_as_text() {
    let json = r#"{"service":"web","payload":{"stage":"pull","attempt":3,"code":"503","size":12.0,
        "big":12345678901234567890,"tags":["a","b"],"deep":{"x":{}},"none":null}}"#;
    for condition in [
        "payload.stage=pull",
        "service=web",
        "payload.attempt>=3",
        "payload.attempt<10",
        "payload.attempt!=4",
        "payload.attempt=3.0",
        "payload.size=12",
        "payload.code>=500",
        "payload.big>12345678901234567889",
        "payload.tags=b",
        "payload.tags!=a",
        "payload.deep",
        "payload.deep.x",
        "!payload.url",
        "payload.none",
        "payload.none=null",
        "payload.stage~^PU.L$|pu",
        " payload.stage = pull ",
    ] {
        assert!(meets(condition, json), "{condition}");
    }
    for condition in [
        "payload.stage=pul",
        "payload.attempt>3",
        "payload.attempt=03x",
        "payload.url!=x",
        "payload.url",
        "!payload.stage",
        "!payload.deep",
        "stage=pull",
        "payload.code=503.0",
        "payload.big<12345678901234567890",
        "payload.stage~PULL",
    ] {
        assert!(!meets(condition, json), "{condition}");
    }
}

#[test]
fn what_is_no_condition_is_refused() {
    for text in ["", "=x", "!", "!a=b", "a!b", "~x", "a~(", "a=>2", "a==b", "a=~b"] {
        let query = TextQuery { conditions: owned(&[text]), ..TextQuery::default() };
        assert!(Pattern::compile(&query).is_err(), "{text:?}");
    }
}

/// A string as some writer may have written it: some characters escaped without need.
fn written(text: &str, escapes: &[bool]) -> String {
    let mut out = String::from("\"");
    for (number, letter) in text.chars().enumerate() {
        let must = letter < ' ' || letter == '"' || letter == '\\';
        if letter == '/' && escapes[number % escapes.len()] {
            out.push_str("\\/");
        } else if must || escapes[number % escapes.len()] {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(letter);
        }
    }
    out.push('"');
    out
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-cA-C=. /]{0,6}", "(disk|full|Disk|=|\\.|\"|\\\\|\n| |é|😀|ſ|k|K){0,5}",]
}

/// JSON as a foreign program may have written it.
fn json(depth: u32) -> BoxedStrategy<String> {
    let escapes = || prop::collection::vec(prop::bool::weighted(0.1), 1..4);
    let string = (text(), escapes()).prop_map(|(text, escapes)| written(&text, &escapes)).boxed();
    let word = prop_oneof!["-?[1-9][0-9]{0,3}", Just("true".to_owned()), Just("null".to_owned())];
    let leaf = prop_oneof![4 => string.clone(), 1 => word];
    let space = prop_oneof![3 => Just(""), 1 => Just(" "), 1 => Just("\n\t")];
    leaf.prop_recursive(depth, 12, 3, move |inner| {
        let member = (string.clone(), inner.clone(), space.clone())
            .prop_map(|(name, value, space)| format!("{space}{name}{space}:{space}{value}{space}"));
        prop_oneof![
            prop::collection::vec(member, 0..4).prop_map(|all| format!("{{{}}}", all.join(","))),
            prop::collection::vec(inner, 0..3).prop_map(|all| format!("[{}]", all.join(" , "))),
        ]
    })
    .boxed()
}

fn expression() -> impl Strategy<Value = String> {
    prop_oneof![
        text().prop_map(|text| regex::escape(&text)),
        "(disk|full|a|b|=|\\.|x)(\\.\\*|)(b|full|=disk|)(\\||)(c|disk|)",
        Just("(disk|ful+)k*".to_owned()),
        Just("[ab]c".to_owned()),
        Just("(?i)DISK".to_owned()),
        Just("\\d+$".to_owned()),
        Just("^a".to_owned()),
        Just("k".to_owned()),
    ]
}

proptest! {
    #[test]
    fn a_search_finds_what_a_slow_one_finds_however_it_is_written(
        json in json(4),
        greps in prop::collection::vec(expression(), 1..3),
        narrow in prop::option::of(expression()),
        invert: bool,
    ) {
        let value: Value = serde_json::from_str(&json).unwrap();
        // With one name twice, a parsed tree keeps the last alone.
        let names = json.matches(':').count();
        let mut slow = Vec::new();
        slow_lines("", &value, &mut slow);
        let fast: Vec<String> = lines(&json).into_iter().filter(|line| !line.ends_with("=(empty)")).collect();
        prop_assume!(fast.len() == slow.len() || names == 0);
        let mut sorted = (fast.clone(), slow.clone());
        sorted.0.sort();
        sorted.1.sort();
        prop_assert_eq!(&sorted.0, &sorted.1);
        let query = TextQuery {
            any_of: greps.clone(),
            all_of: narrow.iter().cloned().collect(),
            invert,
            ..TextQuery::default()
        };
        prop_assume!(Pattern::compile(&query).is_ok());
        let any = |patterns: &[String]| {
            patterns.iter().any(|text| {
                let upper = text.chars().any(char::is_uppercase);
                let regex = RegexBuilder::new(text).case_insensitive(!upper).build().unwrap();
                slow.iter().any(|line| regex.is_match(line))
            })
        };
        let expected = (any(&greps) && narrow.iter().all(|one| any(std::slice::from_ref(one)))) != invert;
        prop_assert_eq!(matches(&pattern(&query), &json), expected, "{:?}", query);
    }
}
