//! Made-up histories of any size: the same numbers give the same bytes.

use std::fmt::Write as _;
use std::path::Path;

use hlarchive::Context;
use hlarchive::internals::archive::{ManifestWriter, NewRecord, Op, SegmentName};
use hlarchive::internals::segment::{SegmentOptions, SegmentWriter};
use hlarchive::internals::store::Store;
use hlarchive::{Date, EventPath, Timestamp};

/// The size of a history.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub days: u32,
    pub per_day: u32,
    pub nodes: u32,
}

/// The first day of every made-up history.
pub fn first_day() -> Date {
    "2025-01-01".parse().unwrap()
}

/// How often each type occurs, with its severity and source.
const TYPES: [(&str, &str, &str, u64); 10] = [
    ("healthcheck_failed", "warning", "healthcheck.sh", 30),
    ("service_unhealthy", "error", "monitor.py", 15),
    ("service_recovered", "info", "monitor.py", 15),
    ("remediation_started", "warning", "diagnostics.sh", 8),
    ("remediation_completed", "info", "diagnostics.sh", 8),
    ("deployment_started", "info", "deploy.sh", 8),
    ("deployment_completed", "info", "deploy.sh", 7),
    ("deployment_failed", "error", "deploy.sh", 1),
    ("node_offline", "critical", "heartbeat.sh", 4),
    ("node_online", "info", "heartbeat.sh", 4),
];

const SERVICES: [&str; 11] = [
    "mosquitto",
    "ollama",
    "home-assistant",
    "grafana",
    "prometheus",
    "traefik",
    "postgres",
    "redis",
    "nextcloud",
    "jellyfin",
    "all",
];

/// `splitmix64` (Steele, Lea, Flood 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn among<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }

    fn hex(&mut self, digits: usize) -> String {
        format!("{:016x}", self.next())[..digits].to_owned()
    }
}

/// One day's events, in the order of a segment.
pub fn day(date: Date, shape: Shape) -> Vec<(EventPath, Vec<u8>)> {
    let mut random = Random::new(date.start().micros() as u64);
    let step = 86_400_000_000 / i64::from(shape.per_day);
    let mut ids: Vec<String> = (0..50).map(|_| format!("deploy-{}", random.hex(10))).collect();
    let total: u64 = TYPES.iter().map(|kind| kind.3).sum();
    let mut events: Vec<(EventPath, Vec<u8>)> = (0..i64::from(shape.per_day))
        .map(|number| {
            let offset = number * step + random.below(step as u64) as i64;
            let time = Timestamp::from_micros(date.start().micros() + offset);
            let mut ticket = random.below(total);
            let kind = TYPES
                .iter()
                .find(|kind| {
                    let taken = ticket < kind.3;
                    ticket = ticket.saturating_sub(kind.3);
                    taken
                })
                .unwrap();
            let node = format!("node-{:02}", random.below(u64::from(shape.nodes)));
            if kind.0 == "deployment_started" {
                let slot = random.below(50) as usize;
                ids[slot] = format!("deploy-{}", random.hex(10));
            }
            let id = &ids[random.below(50) as usize];
            let service = random.among(&SERVICES);
            let mut line = String::with_capacity(400);
            writeln!(
                line,
                "{{\"timestamp\":\"{time}\",\"node\":\"{node}\",\"type\":\"{}\",\"severity\":\"{}\",\
                 \"source\":\"{}\",\"service\":\"{service}\",\"correlation_id\":\"{id}\",\
                 \"payload\":{}}}",
                kind.0,
                kind.1,
                kind.2,
                payload(kind.0, service, &mut random)
            )
            .unwrap();
            let millis = time.micros() / 1000;
            let name = format!(
                "{date}/{node}/{}_{}_{:08x}-{:04x}-7{}-a{}-{}.json",
                time.to_string().replace(['-', ':'], ""),
                kind.0,
                millis >> 16,
                millis & 0xffff,
                random.hex(3),
                random.hex(3),
                random.hex(12)
            );
            (name.parse().unwrap(), line.into_bytes())
        })
        .collect();
    events.sort_by(|a, b| a.0.cmp(&b.0));
    events
}

fn payload(kind: &str, service: &str, random: &mut Random) -> String {
    match kind {
        "healthcheck_failed" => format!(
            "{{\"url\":\"http://{service}.lan:{}/health\",\"status\":{},\"latency_ms\":{}.{},\
             \"attempt\":{}}}",
            [80, 443, 1883, 3000, 8123][random.below(5) as usize],
            [0, 500, 502, 503, 504][random.below(5) as usize],
            random.below(900),
            random.below(10),
            1 + random.below(5)
        ),
        "service_unhealthy" => format!(
            "{{\"error\":\"{}\",\"container\":\"{}\",\"restarts\":{}}}",
            random.among(&["OOM", "exit 137", "exit 1", "connection refused", "unhealthy"]),
            random.hex(12),
            random.below(21)
        ),
        "service_recovered" => {
            format!("{{\"downtime_s\":{}.{:02}}}", random.below(300), random.below(100))
        }
        "node_offline" | "node_online" => format!(
            "{{\"heartbeat_lost_s\":{},\"load\":[{}.{:02},{}.{:02}]}}",
            10 + random.below(890),
            random.below(4),
            random.below(100),
            random.below(4),
            random.below(100)
        ),
        kind if kind.starts_with("remediation") => format!(
            "{{\"action\":\"{}\",\"attempt\":{},\"by\":\"{}\"}}",
            random.among(&["restart_container", "prune_images", "rollback", "renew_cert"]),
            1 + random.below(3),
            random.among(&["agent", "operator", "systemd"])
        ),
        _ => format!(
            "{{\"version\":\"{}.{}.{}\",\"commit\":\"{}\",\"stage\":\"{}\"}}",
            1 + random.below(4),
            random.below(31),
            random.below(10),
            random.hex(12),
            random.among(&["pull", "build", "up", "verify"])
        ),
    }
}

/// Writes the history as plain files.
pub fn tree(root: &Path, shape: Shape) {
    for number in 0..shape.days {
        for (path, bytes) in day(first_day().plus_days(i64::from(number)), shape) {
            let file = root.join(path.to_string());
            if let Err(error) = std::fs::write(&file, &bytes) {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(&file, &bytes).unwrap();
            }
        }
    }
}

/// Writes the history as an archive, without the way over plain files, which would take
/// hours for ten years.
pub fn archive(store: &Store, context: &Context, shape: Shape) {
    let archive = store.create_archive().unwrap();
    let lock = archive.lock().unwrap();
    let (mut manifest, _) =
        ManifestWriter::open(&archive, &lock, context.now(), context.by()).unwrap();
    for number in 0..shape.days {
        let date = first_day().plus_days(i64::from(number));
        let name = SegmentName { date, number: 0, class: None };
        let temp = archive.create_temp(date, u64::from(number), &lock).unwrap();
        let mut writer =
            SegmentWriter::new(temp.file(), temp.path(), date, SegmentOptions::default());
        for (path, bytes) in day(date, shape) {
            writer.add(&path, &bytes).unwrap();
        }
        let (_, summary) = writer.finish().unwrap();
        temp.publish(&name).unwrap();
        archive.write_checksum(&name, &summary.sha256, 1 << 40 | u64::from(number), &lock).unwrap();
        let mut record = NewRecord::new(context.now(), Op::Rotate);
        record.by = Some(context.by().clone());
        record.describe(&name, &summary);
        manifest.append(record).unwrap();
    }
}
