//! Makes the seeds: a few small inputs for each target, most of them well formed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hlarchive::internals::event::EventPath;
use hlarchive::internals::segment::fuzzing::seek_table_of;
use hlarchive::internals::segment::{SegmentOptions, SegmentWriter};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(root.join(target)).expect("a directory");
        fs::write(root.join(target).join(name), bytes).expect("a file");
    };
    for (name, bytes) in names() {
        put("event_name", name, bytes.as_bytes());
    }
    for (name, bytes) in bodies() {
        put("event_body", name, bytes.as_bytes());
    }
    for (name, bytes) in policies() {
        put("policy", name, bytes.as_bytes());
    }
    put("policy", "default", include_bytes!("../../policies/default.toml"));
    put("seek_table", "empty", &seek_table_of(&[]));
    let mut three = vec![0; 60];
    three.extend_from_slice(&seek_table_of(&[(10, 512), (20, 1024), (30, 0)]));
    put("seek_table", "three_frames", &three);
    for (name, count, frame_size) in [("one", 1, 1 << 20), ("two", 2, 1 << 20), ("frames", 6, 1024)]
    {
        let (file, index, tar) = segment(count, frame_size);
        put("index", name, &index);
        put("segment_reader", &format!("file_{name}"), &[&[0], file.as_slice()].concat());
        let head = |mode: u8, cut: u16| {
            let mut head = vec![mode];
            head.extend_from_slice(&cut.to_le_bytes());
            head.extend_from_slice(&(tar.len() as u16).to_le_bytes());
            head
        };
        let wrapped = [head(1, 1024), tar.clone(), index].concat();
        put("segment_reader", &format!("wrapped_{name}"), &wrapped);
        put("segment_reader", &format!("tar_{name}"), &[head(2, 1024), tar].concat());
    }
    for (name, bytes) in manifests() {
        put("manifest", name, bytes.as_bytes());
    }
}

const ID: &str = "0196d8a2-7c1a-7000-8000-000000000001";

fn names() -> Vec<(&'static str, String)> {
    vec![
        ("name", format!("20260516T101112.123456Z_deployment_started_{ID}.json")),
        ("path", format!("2026-05-16/pi4/20260516T101112.123456Z_node_online_{ID}.json")),
        (
            "foreign",
            "2026-05-16T10:11:12+02:00_Some.Type_0196d8a27c1a70008000000000000001.json".into(),
        ),
        ("two", format!("2026-05-16/a/x.json\n2026-05-16/b/20260516T1011Z_x_{ID}.json")),
        ("date", "2026-02-28".into()),
        ("extended", "2026-05-16T10:11:12.5-01:30".into()),
        ("basic", "20260516T101112,25".into()),
        ("leap", "2016-12-31T23:59:60Z".into()),
        ("node", "pi4.lan".into()),
        ("type", "Deployment-Started".into()),
        ("escape", "2026-05-16/../x.json".into()),
    ]
}

fn body(number: u32) -> String {
    format!(
        "{{\"timestamp\":\"2026-05-16T10:11:{number:02}.000000Z\",\"node\":\"pi4\",\
         \"type\":\"node_online\",\"severity\":\"info\",\"source\":\"s\",\"service\":\"all\",\
         \"correlation_id\":\"run-{}\",\"payload\":{{\"n\":{number}}}}}\n",
        number / 2
    )
}

fn bodies() -> Vec<(&'static str, String)> {
    vec![
        ("plain", body(1)),
        ("pretty", body(2).replace(',', " ,\n  ").replace(':', ": ")),
        ("extra", body(3).replace("\"node\"", "\"more\":[1,{\"a\":null}],\"node\"")),
        ("escapes", body(4).replace("pi4", "p\\u00ef\\n\\\"\\ud83d\\ude00")),
        (
            "numbers",
            body(5).replace(
                "{\"n\":5}",
                "{\"a\":-0.0,\"b\":1e400,\"c\":123456789012345678901234567890}",
            ),
        ),
        ("offset", body(6).replace(".000000Z", "+02:00")),
        ("array", "[1,2]".into()),
        ("cut", body(7)[..60].into()),
    ]
}

fn policies() -> Vec<(&'static str, String)> {
    vec![
        ("least", "version = 1\n".into()),
        (
            "whole",
            "version = 1\n[rotate]\nkeep_live = \"7d\"\nlevel = 9\nframe_size = \"256KiB\"\n\
             invalid = \"hold\"\n[retain]\nkeep = \"2y\"\nmax_size = \"20GiB\"\nmin_free = \"10%\"\n\
             [[retain.class]]\nname = \"incidents\"\n\
             match = { severity = [\"error\", \"critical\"], type = [\"x\"] }\nkeep = \"7y\"\n\
             [events]\nunknown_types = \"warn\"\ntypes = [\"backup_completed\"]\n\
             max_bytes = \"1MiB\"\n"
                .into(),
        ),
        ("unknown_key", "version = 1\n[rotate]\nkeep_life = \"7d\"\n".into()),
        ("absurd", "version = 1\n[rotate]\nlevel = 99999999999999999999\n".into()),
        ("contradiction", "version = 1\n[rotate]\nkeep_live = \"9y\"\n[retain]\nkeep = \"1d\"\n".into()),
    ]
}

/// A segment, the body of its index and its tar.
fn segment(count: u32, frame_size: u64) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let date = "2026-05-16".parse().expect("a date");
    let mut members: BTreeSet<(EventPath, String)> = BTreeSet::new();
    for number in 0..count {
        let name = match number % 3 {
            0 => format!("20260516T1011{number:02}.000000Z_node_online_{ID}.json"),
            1 => format!("{}.json", "long".repeat(40)),
            _ => "no-event.json".to_owned(),
        };
        let path = format!("2026-05-16/node{number}/{name}").parse().expect("a path");
        members.insert((path, if number % 3 == 2 { "x".to_owned() } else { body(number) }));
    }
    let options = SegmentOptions { level: 19, frame_size };
    let mut writer = SegmentWriter::new(Vec::new(), Path::new("seed"), date, options);
    for (path, bytes) in &members {
        writer.add(path, bytes.as_bytes()).expect("a member");
    }
    let (file, summary) = writer.finish().expect("memory");
    let table = 8 + 8 * (summary.frames as usize + 2) + 9;
    let end = file.len() - table;
    let index = zstd::stream::decode_all(&file[end - summary.index_bytes as usize..end]);
    let index = index.expect("zstd");
    let mut tar = zstd::stream::decode_all(file.as_slice()).expect("zstd");
    tar.truncate(tar.len() - 1024);
    (file, index, tar)
}

fn manifests() -> Vec<(&'static str, String)> {
    let rotate = "\"time\":\"2026-06-01T03:00:00.000000Z\",\"op\":\"rotate\",\
                  \"by\":{\"user\":\"u\",\"host\":\"h\",\"command\":\"c\"},\"date\":\"2026-05-16\",\
                  \"segment\":\"2026/2026-05-16.tar.zst\",\"bytes\":10,\"events\":1,\"invalid\":0,\
                  \"nodes\":{\"pi4\":1},\"first\":\"2026-05-16T10:11:12.000000Z\"";
    let prune = "\"time\":\"2026-06-02T03:00:00.000000Z\",\"op\":\"prune\",\
                 \"segment\":\"2026/2026-05-16.tar.zst\"";
    let other = "\"time\":\"2026-06-02T03:00:00.000000Z\",\"op\":\"newer\",\"more\":[[[1]]]";
    vec![
        ("nothing", "\0".into()),
        ("rotate", format!("\x01{rotate}")),
        ("prune", format!("\x01{rotate}\n{prune}\n{other}")),
        ("escape", format!("\x01{}", rotate.replace("2026/2026", "../2026"))),
        ("raw", format!("\0{{{rotate}}}\n")),
        ("torn", "\0{\"v\":1,\"seq\":1,".into()),
        ("zeros", "\0\0\0\0\0\n".into()),
    ]
}
