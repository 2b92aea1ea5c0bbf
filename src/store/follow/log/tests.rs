use super::*;

fn entries() -> Vec<LogEntry> {
    let date = |text: &str| text.parse().unwrap();
    vec![
        LogEntry::Known(date("0001-01-01"), [1; 10]),
        LogEntry::Segment([7; 10]),
        LogEntry::Begin,
        LogEntry::Came(date("2026-05-16"), [2; 10]),
        LogEntry::Came(date("9999-12-31"), [0; 10]),
        LogEntry::Given(5),
    ]
}

fn log(path: &Path) -> MarkLog {
    let (mut log, temporary) = MarkLog::create(path, [9; 16]).unwrap();
    log.append(&entries()).unwrap();
    log.publish(&temporary).unwrap();
    log
}

fn all(log: &MarkLog) -> Vec<LogEntry> {
    let mut found = Vec::new();
    log.scan(0, &mut |position, entry| {
        assert_eq!(position, found.len() as u64);
        found.push(entry);
        true
    })
    .unwrap();
    found
}

#[test]
fn entries_are_read_as_they_were_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cursor");
    assert!(MarkLog::open(&path).unwrap().is_none());
    drop(log(&path));
    assert_eq!(all(&MarkLog::open(&path).unwrap().unwrap()), entries());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left");
}

#[test]
fn it_belongs_to_one_follower_at_a_time_and_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cursor");
    let held = log(&path);
    assert!(matches!(MarkLog::open(&path), Err(Error::Refused(_))));
    drop(held);
    let (second, temporary) = MarkLog::create(&path, [8; 16]).unwrap();
    assert!(matches!(second.publish(&temporary), Err(Error::Refused(_))));
    drop(second);
    assert_eq!(MarkLog::open(&path).unwrap().unwrap().id, [9; 16]);
}

#[test]
fn a_torn_end_is_cut_off_and_damage_in_the_middle_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cursor");
    drop(log(&path));
    let sound = std::fs::read(&path).unwrap();
    for torn in [&[1_u8; 7][..], &[0; 16], &[0; 40], &[3; 16]] {
        std::fs::write(&path, [&sound[..], torn].concat()).unwrap();
        assert_eq!(all(&MarkLog::open(&path).unwrap().unwrap()), entries());
        assert_eq!(std::fs::read(&path).unwrap(), sound);
    }
    for at in 32..sound.len() - 16 {
        let mut damaged = sound.clone();
        damaged[at] ^= 4;
        std::fs::write(&path, &damaged).unwrap();
        let error = MarkLog::open(&path).unwrap_err().to_string();
        assert!(error.contains("damaged"), "{at}: {error}");
    }
    for other in [&b""[..], b"HLFOLLOX", &[b"HLFOLLOW", &[2, 0, 0, 0][..], &[0; 20]].concat()] {
        std::fs::write(&path, other).unwrap();
        assert!(matches!(MarkLog::open(&path), Err(Error::Corrupt { .. })));
    }
}

#[test]
fn a_position_is_told_from_every_other() {
    let directory = tempfile::tempdir().unwrap();
    let log = log(&directory.path().join("cursor"));
    let (mut other, _temporary) = MarkLog::create(&directory.path().join("b"), [8; 16]).unwrap();
    other.append(&entries()).unwrap();
    let mut checks: Vec<[u8; 8]> =
        (0..=6).flat_map(|at| [log.check(at).unwrap(), other.check(at).unwrap()]).collect();
    checks.sort_unstable();
    checks.dedup();
    assert_eq!(checks.len(), 14);
    assert_ne!(log.mark(&["a"]), other.mark(&["a"]));
}
