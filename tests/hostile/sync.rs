//! Whoever may emit here, or is a peer of a sync, reaches nothing but events of their own.

mod pair;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hlarchive::Timestamp;
use hlarchive::internals::archive::{ArchiveDir, By, Manifest, ManifestWriter, NewRecord, Op};
use hlarchive::internals::segment::Sha256Hash;
use pair::Pair;
use rustix::fs::{CWD, RenameFlags};

use crate::common::{Lab, NOW, Tree, event, tree};
use crate::support::User;

fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("sync-")).collect()
}

#[test]
fn what_is_planted_where_older_versions_kept_fetched_files_leads_nowhere() {
    let Some(pair) = Pair::new() else { return };
    let before = pair.archived();
    let wanted = pair.peer.seed(2, 3);
    pair.peer.rotate_day("2026-05-10");
    let manifest = pair.manifest();
    let planted = pair.machine.lab.root().join(pair.staging());
    for plant in [
        "mkdir -m 2777 $d; ln -s \"$ARCHIVE\" $d/archive; ln -s \"$ARCHIVE\" $d/events",
        "rm -rf $d; echo x >$d",
        "rm -rf $d; ln -s \"$ARCHIVE\" $d",
        "rm -rf $d; mkdir -p $d/events/2026-05-12/nas; \
         cp \"$(find \"$ROOT\" -name '*.json' | head -n 1)\" $d/events/2026-05-12/nas/",
    ] {
        let script = format!("d=\"$ROOT\"/{}; {plant}", pair.staging());
        pair.machine.shell(User::Mallory, &script);
        let there = tree(&pair.machine.lab.root());
        let run = pair.pull();
        assert_eq!(run.code, 0, "{plant}: {run:?}");
        assert_eq!(pair.segments(), before, "{plant}");
        assert!(pair.manifest().starts_with(&manifest), "{plant}");
        let now = tree(&pair.machine.lab.root());
        let planted = |path: &&String| path.contains(".hlarchive-sync-");
        let of = |tree: &Tree| tree.keys().filter(planted).cloned().collect::<Vec<_>>();
        assert_eq!(of(&now), of(&there), "{plant}: it is not ours to remove");
        let events: Tree = now.into_iter().filter(|(path, _)| !planted(&path)).collect();
        assert_eq!(events, wanted, "{plant}");
    }
    drop(planted);
    assert_eq!(leftovers(&pair.machine.lab.archive()), [""; 0].map(PathBuf::from));
    pair.machine.ok(User::Archiver, ["verify"]);
}

#[test]
fn the_directory_of_a_sync_is_its_users_own_or_refused() {
    let Some(pair) = Pair::new() else { return };
    pair.archived();
    pair.peer.seed(1, 2);
    let place = pair.machine.lab.archive().join(pair.staging());
    let before = tree(&pair.machine.lab.root());
    // Root's, one that others may enter, a link and a file.
    for script in [
        "mkdir -m 700 $d",
        "mkdir -m 755 $d; chown 64001:64001 $d",
        "ln -s \"$ROOT\" $d",
        "echo x >$d; chown 64001:64001 $d",
    ] {
        let d = place.display();
        pair.machine.shell(User::Root, &format!("d={d}; rm -rf $d; {script}"));
        let run = pair.pull();
        assert_ne!(run.code, 0, "{script}: {run:?}");
        assert!(run.stderr.contains(&d.to_string()), "{script}: {run:?}");
        assert_eq!(tree(&pair.machine.lab.root()), before, "{script}");
        assert!(fs::symlink_metadata(&place).is_ok(), "{script}: it is not ours to remove");
    }
    fs::remove_file(&place).unwrap();
    assert_eq!(pair.pull().code, 0);
}

#[test]
fn what_waits_after_a_connection_broke_is_closed_to_all_others() {
    let Some(pair) = Pair::new() else { return };
    pair.archived();
    pair.peer.seed(2, 3);
    pair.peer.rotate();
    // The third connection, which fetches segments, breaks once it has them.
    let count = pair.machine.lab.path("scratch/count");
    pair.shell(&format!(
        "echo x >>{0}; if [ $(wc -l <{0}) -gt 2 ]; then sh -c \"$*\"; exit 255; fi\nexec sh -c \"$*\"",
        count.display()
    ));
    let run = pair.pull();
    assert_ne!(run.code, 0, "{run:?}");
    let place = pair.machine.lab.archive().join(pair.staging());
    if place.exists() {
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
        let listed = pair.machine.shell(User::Mallory, &format!("ls {}", place.display()));
        assert!(!listed.status.success());
    }
    // Readers and verify pass over it, and the next sync goes on.
    pair.machine.ok(User::Archiver, ["verify"]);
    pair.shell("exec sh -c \"$*\"");
    let run = pair.pull();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.starts_with("18 events copied"), "{run:?}");
    assert!(!place.exists());
}

/// Says in a peer's manifest that its segment has another content than it has.
fn claim(peer: &Lab, content: Sha256Hash) {
    let archive = ArchiveDir::open(&peer.archive()).unwrap().unwrap();
    let manifest = Manifest::load(&archive).unwrap();
    let (name, record) = manifest.segments().next().unwrap();
    let now: Timestamp = NOW.parse().unwrap();
    let mut lie = NewRecord::new(now, Op::Import);
    lie.date = Some(name.date);
    lie.segment = Some(name.clone());
    lie.sha256 = record.sha256;
    lie.bytes = record.bytes;
    lie.events = record.events;
    lie.nodes.clone_from(&record.nodes);
    lie.content = Some(content);
    let lock = archive.lock().unwrap();
    let (mut writer, _) = ManifestWriter::open(&archive, &lock, now, &by()).unwrap();
    writer.append(lie).unwrap();
}

fn by() -> By {
    serde_json::from_str(r#"{"user":"a","host":"b","command":"c"}"#).unwrap()
}

#[test]
fn what_one_peer_claims_hides_no_event_of_another() {
    for words in [&[][..], &["--checksum"]] {
        let (hub, liar, honest) = (Lab::new(), Lab::new(), Lab::new());
        hub.seed(1, 1);
        hub.rotate();
        let (path, bytes) = event(20, 0, "honest", 1);
        honest.write(&path, &bytes);
        honest.rotate();
        let (other, bytes) = event(20, 0, "liar", 2);
        liar.write(&other, bytes);
        liar.rotate();
        let archive = ArchiveDir::open(&honest.archive()).unwrap().unwrap();
        let manifest = Manifest::load(&archive).unwrap();
        claim(&liar, manifest.segments().next().unwrap().1.content.unwrap());
        let sync = |lab: &Lab| {
            let from = lab.root().display().to_string();
            hub.run(["sync", &from].iter().chain(words))
        };
        let run = sync(&liar);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains("differ from its manifest's claims"), "{run:?}");
        assert_eq!(sync(&honest).code, 0);
        let listed = hub.ok(["list", "--since=2026-05-01", "-opath"]);
        assert!(listed.contains(&path) && listed.contains(&other), "{listed}");
        // What was read, and is known by that, is not read again.
        let again = sync(&honest).stdout;
        assert!(again.contains("1 of 1 segment known by content"), "{again}");
        hub.ok(["verify"]);
    }
}

#[test]
fn a_digest_that_an_older_version_took_over_from_a_peer_is_not_believed() {
    let (hub, peer) = (Lab::new(), Lab::new());
    hub.seed(1, 1);
    hub.rotate();
    let (path, bytes) = event(20, 0, "pi4", 1);
    peer.write(&path, &bytes);
    peer.rotate();
    let there = ArchiveDir::open(&peer.archive()).unwrap().unwrap();
    let manifest = Manifest::load(&there).unwrap();
    let (name, record) = manifest.segments().next().unwrap();
    // As older versions wrote it: nothing says that anybody read the events.
    let archive = ArchiveDir::open(&hub.archive()).unwrap().unwrap();
    let now: Timestamp = NOW.parse().unwrap();
    let mut old = NewRecord::new(now, Op::Import);
    (old.date, old.content) = (Some(name.date), record.content);
    let lock = archive.lock().unwrap();
    ManifestWriter::open(&archive, &lock, now, &by()).unwrap().0.append(old).unwrap();
    drop(lock);
    hub.ok(["sync", &peer.root().display().to_string()]);
    assert!(hub.ok(["list", "--since=2026-05-01", "-opath"]).contains(&path));
}

#[test]
fn an_event_in_whose_place_another_of_its_size_and_time_stands_is_told_of() {
    let Some(pair) = Pair::new() else { return };
    let (path, bytes) = event(20, 0, "pi4", 1);
    pair.peer.write(&path, &bytes);
    let text = String::from_utf8(bytes).unwrap().replace("monitor.py", "MONITOR.PY");
    let squatted = pair.machine.lab.root().join(&path);
    fs::create_dir_all(squatted.parent().unwrap()).unwrap();
    fs::write(&squatted, text).unwrap();
    for file in [&squatted, &pair.peer.root().join(&path)] {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_779_000_001);
        fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    }
    for run in [pair.pull(), pair.push()] {
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains("another event of this name is live"), "{run:?}");
    }
}

#[test]
fn a_push_leaves_out_what_is_not_a_directory_there_and_sends_the_rest() {
    let Some(pair) = Pair::new() else { return };
    pair.archived();
    let sent = pair.peer.seed(3, 2);
    let outside = pair.machine.lab.path("outside");
    fs::create_dir_all(outside.join("nas")).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o777)).unwrap();
    pair.machine.shell(
        User::Mallory,
        &format!(
            "ln -s {0} \"$ROOT\"/2026-05-10; mkdir \"$ROOT\"/2026-05-11; \
             ln -s {0}/nas \"$ROOT\"/2026-05-11/nas; echo x >\"$ROOT\"/2026-05-11/pi4",
            outside.display()
        ),
    );
    for copied in [8, 0] {
        let run = pair.push();
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stdout.starts_with(&format!("{copied} events copied")), "{run:?}");
        for named in [
            "/2026-05-10: it is a symbolic link there",
            "/2026-05-11/nas: ",
            "/2026-05-11/pi4: it is a file there",
        ] {
            assert!(run.stderr.contains(named), "{named}: {run:?}");
        }
    }
    assert_eq!(tree(&outside), Tree::new());
    let arrived = tree(&pair.machine.lab.root());
    let wanted =
        |path: &&String| path.starts_with("2026-05-12/") || path.starts_with("2026-05-11/pi5");
    assert!(sent.keys().filter(wanted).all(|path| arrived.get(path) == sent.get(path)));
}

#[test]
fn an_rsync_that_writes_through_links_is_not_sent_to() {
    let Some(pair) = Pair::new() else { return };
    pair.peer.seed(1, 2);
    let before = tree(&pair.machine.lab.root());
    pair.shell(
        "case \"$*\" in *--version*) echo 'rsync  version 3.2.7  protocol version 31'; exit;; esac\n\
         exec sh -c \"$*\"",
    );
    let run = pair.push();
    assert_ne!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("rsync 3.2.7") && run.stderr.contains("3.5.0"), "{run:?}");
    assert_eq!(tree(&pair.machine.lab.root()), before);
    // Where it does not say, that is said.
    pair.shell("case \"$*\" in *--version*) exit 1;; esac\nexec sh -c \"$*\"");
    let run = pair.push();
    assert!(run.code == 0 && run.stderr.contains("does not say which rsync"), "{run:?}");
}

#[test]
fn what_a_peer_sends_beyond_all_bounds_is_not_kept() {
    let Some(pair) = Pair::new() else { return };
    pair.archived();
    pair.peer.seed(1, 1);
    pair.peer.rotate();
    let manifest =
        fs::File::options().write(true).open(pair.peer.archive().join("manifest.jsonl")).unwrap();
    manifest.set_len(2 << 30).unwrap();
    let run = pair.pull();
    assert_ne!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("manifest.jsonl"), "{run:?}");
    assert_eq!(leftovers(&pair.machine.lab.archive()), [""; 0].map(PathBuf::from));
    assert_eq!(leftovers(&pair.machine.lab.path("scratch")), [""; 0].map(PathBuf::from));
    pair.machine.ok(User::Archiver, ["verify"]);
}

#[test]
fn a_file_that_grows_while_it_is_sent_ends_the_transfer() {
    let Some(pair) = Pair::new() else { return };
    pair.archived();
    let (path, bytes) = event(20, 0, "pi4", 1);
    pair.peer.write(&path, bytes);
    // The second connection fetches it; by then it is a large one, whatever was listed.
    let file = pair.peer.root().join(&path).display().to_string();
    let count = pair.machine.lab.path("scratch/count").display().to_string();
    // Made before: whatever the transfer starts may not write a file of that size itself.
    let large = pair.machine.lab.path("scratch/large").display().to_string();
    fs::File::create(&large).unwrap().set_len(1 << 30).unwrap();
    for opened in [Path::new(&large), Path::new(&file).parent().unwrap()] {
        fs::set_permissions(opened, fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(pair.machine.lab.path("scratch"), fs::Permissions::from_mode(0o777))
        .unwrap();
    pair.shell(&format!(
        "echo x >>{count}; if [ $(wc -l <{count}) -eq 2 ]; then mv {large} {file}; fi\n\
         exec sh -c \"$*\""
    ));
    let run = pair.pull();
    assert!(!run.stdout.contains("1 event copied"), "{run:?}");
    assert_eq!(tree(&pair.machine.lab.root()), Tree::new());
    assert_eq!(leftovers(&pair.machine.lab.archive()), [""; 0].map(PathBuf::from));
}

/// At least so many swaps, over all that is done meanwhile.
const SWAPS: u64 = 5000;

#[test]
fn nothing_outside_is_written_while_directories_of_the_tree_become_links() {
    let Some(pair) = Pair::new() else { return };
    let before = pair.archived();
    let sent = pair.peer.seed(2, 3);
    let root = pair.machine.lab.root();
    for day in ["2026-05-10", "2026-05-11"] {
        fs::create_dir_all(root.join(day)).unwrap();
        fs::set_permissions(root.join(day), fs::Permissions::from_mode(0o2777)).unwrap();
        symlink(pair.machine.lab.archive(), pair.machine.lab.path(&format!("link-{day}"))).unwrap();
    }
    let turn = || {
        ["2026-05-10", "2026-05-11"].iter().filter(|day| {
            let link = pair.machine.lab.path(&format!("link-{day}"));
            rustix::fs::renameat_with(CWD, root.join(day), CWD, link, RenameFlags::EXCHANGE).is_ok()
        })
    };
    let (stop, turns) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                turns.fetch_add(turn().count() as u64, Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        // A bound, in case nothing can be exchanged.
        for _ in 0..100 {
            pair.pull();
            pair.push();
            pair.machine.run(User::Archiver, ["import".as_ref(), pair.peer.root().as_os_str()]);
            if turns.load(Ordering::Relaxed) >= SWAPS {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(turns.into_inner() >= SWAPS);
    assert_eq!(pair.segments(), before, "segments are as they were");
    let strangers: Vec<_> = fs::read_dir(pair.machine.lab.archive())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| matches!(name.as_str(), "nas" | "pi4" | "pi5") || name.starts_with(".2026"))
        .collect();
    assert_eq!(strangers, [""; 0]);
    // With every directory back in its place, all events arrive.
    for day in ["2026-05-10", "2026-05-11"] {
        let place = root.join(day);
        if fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink()) {
            let link = pair.machine.lab.path(&format!("link-{day}"));
            rustix::fs::renameat_with(CWD, place, CWD, link, RenameFlags::EXCHANGE).unwrap();
        }
    }
    let run = pair.pull();
    assert_eq!(run.code, 0, "{run:?}");
    let arrived = tree(&root);
    assert!(sent.iter().all(|(path, bytes)| arrived.get(path) == Some(bytes)));
    pair.machine.ok(User::Archiver, ["verify", "--archived"]);
}
