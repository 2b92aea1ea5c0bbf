//! Any tree, rotated and restored, is the same tree, byte for byte: through the library,
//! over trees that nobody thought of.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hlarchive::internals::event::Litter;
use hlarchive::{
    Context, Event, EventPath, History, Policy, RestoreOptions, RestoreTarget, RotateOptions,
    VerifyOptions,
};
use proptest::prelude::*;

use crate::common::{NOW, Tree, tree};

/// A name as any program may choose it: well formed, nearly so, or not at all.
fn file_name() -> impl Strategy<Value = String> {
    let well_formed =
        (0..24_u32, "[a-z][a-z_]{0,20}[a-z]", any::<u128>()).prop_map(|(hour, word, id)| {
            let id = uuid::Uuid::from_u128(id);
            format!("20260510T{hour:02}0000.000000Z_{word}_{id}.json")
        });
    prop_oneof![
        4 => well_formed,
        1 => "[0-9T:+-]{4,20}Z_[a-zA-Z._]{1,40}_[0-9a-f]{32}\\.json",
        1 => "[^/\0]{1,40}\\.json",
        1 => "\\PC{1,30}",
        1 => "[a-zé☃]{60,80}\\.json",
    ]
}

fn node_name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z0-9]{1,8}(\\.lan)?",
        1 => "[^/\0.][^/\0]{0,30}",
        1 => "[A-Z]{120,200}",
    ]
}

/// Bytes of a file: an event with any texts in it, or anything at all.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let event = ("\\PC{0,20}", "[a-z0-9-]{1,12}", any::<i32>(), "[ \n]{0,3}", 0..3000_usize)
        .prop_map(|(source, id, number, blank, more)| {
            let source = serde_json::to_string(&source).unwrap();
            let more = "x".repeat(more);
            format!(
                "{{\"timestamp\":\"2026-05-10T10:11:12Z\",{blank}\"node\":\"n\",\"type\":\"t\",\
                 \"severity\":\"error\",\"source\":{source},\"service\":\"all\",\
                 \"correlation_id\":\"{id}\",\"payload\":{{\"n\":{number},\"more\":\"{more}\"}}}}"
            )
            .into_bytes()
        });
    prop_oneof![4 => event, 1 => prop::collection::vec(any::<u8>(), 0..600)]
}

type Files = BTreeMap<(String, String, String), Vec<u8>>;

fn files() -> impl Strategy<Value = Files> {
    let day = prop_oneof![Just("2026-05-10"), Just("2026-05-11"), Just("2024-02-29")];
    let place = (day.prop_map(str::to_owned), node_name(), file_name());
    prop::collection::btree_map(place, bytes(), 0..60)
}

/// Writes the tree; gives what came of it, since two names may be one to a file system, and
/// a name longer than 255 bytes is none.
fn write(root: &Path, files: &Files) -> Tree {
    for ((day, node, name), bytes) in files {
        let directory = root.join(day).join(node);
        if fs::create_dir_all(&directory).is_ok() && !directory.join(name).exists() {
            let _ = fs::write(directory.join(name), bytes);
        }
    }
    tree(root)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_that_is_rotated_and_restored_is_the_same_tree(
        files in files(),
        frame_size in prop_oneof![Just("4KiB"), Just("64KiB"), Just("1MiB")],
        classes in any::<bool>(),
    ) {
        let place = tempfile::Builder::new().prefix("hlarchive-any-").tempdir().unwrap();
        let history = History::open(place.path().join("events")).unwrap();
        fs::create_dir(history.root()).unwrap();
        let written = write(history.root(), &files);
        // What has no name that can be archived stays where it is.
        // What bears a name of other programs' litter is passed over.
        let is_event = |path: &str| {
            path.parse::<EventPath>().is_ok_and(|path| !Litter::default().covers_event(&path))
        };
        let (archived, left): (Tree, Tree) =
            written.clone().into_iter().partition(|(path, _)| is_event(path));
        let context = Context::from_system("test").unwrap().at(NOW.parse().unwrap());
        let class = "[[retain.class]]\nname = \"own\"\nmatch = { severity = [\"error\"] }\nkeep = \"7y\"\n";
        let class = if classes { class } else { "" };
        let policy = format!("version = 1\n[rotate]\nlevel = 1\nframe_size = \"{frame_size}\"\n{class}");
        let policy = Policy::parse(&policy, "test").unwrap();
        let history = history.with_context(context).with_policy(policy);
        let mut options = RotateOptions::default();
        options.trust_now = true;
        let run = || history.rotate(&options).unwrap();

        let report = run();
        let counted: u64 = report.days.iter().map(|day| day.events).sum();
        prop_assert_eq!(counted, archived.len() as u64);
        prop_assert_eq!(&tree(history.root()), &left);
        let mut checks = VerifyOptions::default();
        checks.live = false;
        let report = history.verify(&checks).unwrap();
        prop_assert_eq!(report.findings, vec![]);

        // Every valid event is given once, whole and from the archive.
        let mut given = Tree::new();
        for event in history.events() {
            let event = event.unwrap();
            prop_assert!(event.segment.is_some());
            prop_assert!(given.insert(event.path.to_string(), event.bytes.to_vec()).is_none());
        }
        let valid = archived.iter().filter(|(_, bytes)| Event::parse(bytes).is_ok());
        prop_assert_eq!(given, valid.map(|(p, b)| (p.clone(), b.clone())).collect::<Tree>());

        // Out of the archive, into a directory of its own and back into the live tree.
        let mut dates: Vec<_> = archived.keys().map(|path| path[..10].parse().unwrap()).collect();
        dates.dedup();
        if dates.is_empty() {
            return Ok(());
        }
        let out = place.path().join("out");
        let mut options = RestoreOptions::to(&out);
        (options.dates, options.live) = (dates, false);
        prop_assert_eq!(history.restore(&options).unwrap().findings, vec![]);
        prop_assert_eq!(&tree(&out), &archived);
        options.target = RestoreTarget::Live;
        prop_assert_eq!(history.restore(&options).unwrap().findings, vec![]);
        prop_assert_eq!(&tree(history.root()), &written);
        let report = run();
        prop_assert_eq!(report.days.iter().map(|day| day.already_archived).sum::<u64>(), archived.len() as u64);
        prop_assert_eq!(&tree(history.root()), &left);
    }
}
