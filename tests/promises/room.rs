//! What a dry run says that a day needs is what the day then takes, or somewhat more.

use std::fs;

use crate::common::{Lab, NOW};

#[test]
fn the_room_that_a_day_needs_is_foretold_on_the_safe_side() {
    // Few enough to be looked at whole, and so many that a part must do.
    for per_node in [10, 1500] {
        let lab = Lab::new();
        let events = lab.seed(1, per_node);
        let plan: serde_json::Value =
            serde_json::from_str(&lab.ok(["rotate", "-n", "--now", NOW, "-o", "json"])).unwrap();
        let day = &plan["days"][0];
        assert_eq!(day["files"], 3 * per_node);
        let bytes: usize = events.values().map(Vec::len).sum();
        assert_eq!(day["event_bytes"], bytes);
        assert!(day["lacks"].is_null(), "{day}");
        lab.rotate();
        let segment = lab.archive().join("2026/2026-05-10.tar.zst");
        let size = fs::metadata(segment).unwrap().len();
        let needed = day["needed_bytes"].as_u64().unwrap();
        assert!((size..size * 3 / 2 + (64 << 10)).contains(&needed), "{needed} for {size}");
    }
}
