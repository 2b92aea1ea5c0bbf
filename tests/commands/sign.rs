use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Lab, NOW, Run, keys, tool, tree};
use crate::support::{EVENT, Event, assert_untouched, json, policy};

/// A lab with an archived day, and keys of minisign without a password, made by the crate
/// that signs: what the real tool makes of them is for the tests to see.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(2, 2);
    lab.rotate();
    keys(&lab, "key", None);
    lab
}

const SIGN: [&str; 4] = ["manifest", "sign", "--key", "key.sec"];
const VERIFY: [&str; 3] = ["verify", "--public-key", "key.pub"];

fn record(lab: &Lab, number: u32) {
    let day = 12 + number;
    Event { time: &format!("2026-05-{day}T10:00:00.000000Z"), number, ..EVENT }.write(lab);
    lab.ok(["rotate", "--now", NOW]);
}

fn minisign(lab: &Lab, words: &[&str], input: &str) -> Option<Run> {
    let program = tool("minisign")?;
    let mut child = Command::new(program)
        .args(words)
        .current_dir(lab.path(""))
        .env("HOME", lab.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Some(Run::of(&child.wait_with_output().unwrap()))
}

#[test]
fn a_signed_head_is_checked_with_the_public_key_alone() {
    let lab = lab();
    let told = lab.ok(SIGN);
    assert_eq!(told, format!("{}/heads/2.head.minisig\n", lab.archive().display()));
    let text = fs::read_to_string(lab.archive().join("heads/2.head")).unwrap();
    let head = lab.ok(["manifest", "head"]);
    let time = json(&lab.ok(["manifest", "show", "-o", "json"]))[1]["time"].clone();
    let wanted = format!(
        "hlarchive manifest head 1\nrecords 2\nhead {head}time {}\n",
        time.as_str().unwrap()
    );
    assert_eq!(text, wanted);
    let told = assert_untouched(&lab, || lab.ok(VERIFY));
    assert!(told.contains("2 records (2 of them signed), and 0 live files: all is well"), "{told}");
    // Later records are not signed yet; the earlier ones stay so.
    record(&lab, 1);
    let told = json(&lab.ok(VERIFY.iter().chain(&["-o", "json"])));
    assert_eq!((&told["manifest_records"], &told["signed_records"]), (&3.into(), &2.into()));
    assert_eq!(told["witness"], "signature");
    let proves = told["proves"].as_str().unwrap();
    assert!(proves.contains("by the given signature nothing up to record 2 of 3 was"));
    let told = json(&lab.ok(SIGN.iter().chain(&["-o", "json"])));
    assert_eq!(
        (&told["records"], told["head"].as_str().unwrap()),
        (&3.into(), lab.ok(["manifest", "head"]).trim())
    );
    assert!(lab.ok(VERIFY).contains("(3 of them signed)"));
    assert_eq!(tree(&lab.archive().join("heads")).len(), 4, "the earlier signature stays");
    // Signed once more, nothing changes but the signature's own time.
    lab.ok(SIGN);
    lab.ok(VERIFY);
    assert_eq!(tree(&lab.archive().join("heads")).len(), 4);
    assert!(json(&lab.ok(["verify", "-o", "json"]))["signed_records"].is_null());
}

/// What took something away after the head is told by name, and is no damage.
#[test]
fn what_came_after_a_signed_head_is_named_in_text_and_json() {
    let lab = lab();
    policy(&lab, "version = 1\n[retain]\nkeep = \"20d\"\ngrace = \"0d\"\n");
    lab.ok(["hold", "add", "2026-05-11", "--reason", "evidence"]);
    let head = lab.ok(["manifest", "head"]).trim().to_owned();
    lab.ok(SIGN);
    let quiet = lab.ok(VERIFY);
    assert!(
        quiet.contains(": all is well\nproved: ") && !quiet.contains("after the head"),
        "{quiet}"
    );
    assert_eq!(json(&lab.ok(VERIFY.iter().chain(&["-o", "json"])))["after_head"], json("[]"));
    assert!(json(&lab.ok(["verify", "-o", "json"]))["after_head"].is_null());
    lab.ok(["hold", "release", "3", "--reason", "nobody looks"]);
    lab.ok(["prune", "--now", "2026-07-01T00:00:00Z", "--yes-really", "--shorten"]);
    lab.ok(["hold", "add", "2026-05-11", "--reason", "too late"]);
    for words in
        [&VERIFY[..], &["verify", "--head", &head], &["verify", "--quick", "--head", &head]]
    {
        let (told, me) = (lab.ok(words), crate::common::me());
        for wanted in [
            "(after the head) record 4 of ",
            &format!(": release hold 3 on 2026-05-11, by {me}@"),
            " (nobody looks)\n",
            &format!(": prune 2026/2026-05-10.tar.zst, by {me}@"),
            &format!(": prune 2026/2026-05-11.tar.zst, by {me}@"),
            ": all is well; 4 records came after the head, and nobody vouches for them: 1 hold, \
             2 prune, 1 release\n",
        ] {
            assert!(told.contains(wanted), "{wanted}: {told}");
        }
        assert_eq!(told.matches("(after the head)").count(), 3, "{told}");
        let told = json(&lab.ok(words.iter().chain(&["-o", "json"])));
        let after = told["after_head"].as_array().unwrap();
        let of = |member: &str| after.iter().map(|record| record[member].clone()).collect();
        let ops: serde_json::Value = of("op");
        assert_eq!(ops, json(r#"["release", "prune", "prune", "hold"]"#));
        let numbers: serde_json::Value = of("record");
        assert_eq!(numbers, json("[4, 5, 6, 7]"));
        let takes: serde_json::Value = of("takes_away");
        assert_eq!(takes, json("[true, true, true, false]"));
        assert_eq!(after[0]["what"], "hold 3 on 2026-05-11");
        assert!(after[0]["time"].is_string() && after[0]["by"].is_string(), "{told}");
    }
}

#[test]
fn the_real_minisign_checks_our_signatures_and_we_check_those_it_makes() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    let made = minisign(&lab, &["-G", "-W", "-p", "key.pub", "-s", "key.sec"], "");
    let Some(made) = made else { return };
    assert_eq!(made.code, 0, "{made:?}");
    fs::set_permissions(lab.path("key.sec"), fs::Permissions::from_mode(0o600)).unwrap();
    lab.ok(SIGN);
    let head = "events-archive/heads/1.head";
    let checked = minisign(&lab, &["-V", "-p", "key.pub", "-m", head], "").unwrap();
    assert_eq!(checked.code, 0, "{checked:?}");
    let hash = lab.ok(["manifest", "head"]);
    let comment = format!("records:1\thead:{}\ttime:", hash.trim());
    assert!(checked.stdout.contains(&comment), "{checked:?}");
    // The other way round, with a comment that says nothing.
    fs::remove_file(lab.archive().join("heads/1.head.minisig")).unwrap();
    lab.fails(1, VERIFY);
    let signed =
        minisign(&lab, &["-S", "-W", "-s", "key.sec", "-m", head, "-t", "by hand"], "").unwrap();
    assert_eq!(signed.code, 0, "{signed:?}");
    assert!(lab.ok(VERIFY).contains("(1 of them signed)"));
    // Keys with a password, too.
    let made = minisign(&lab, &["-G", "-p", "own.pub", "-s", "own.sec"], "pass\npass\n").unwrap();
    assert_eq!(made.code, 0, "{made:?}");
    let own = ["manifest", "sign", "--key", "own.sec"];
    assert_eq!(lab.pipe(b"pass\n", own).code, 0);
    let checked = minisign(&lab, &["-V", "-p", "own.pub", "-m", head], "").unwrap();
    assert_eq!(checked.code, 0, "{checked:?}");
    lab.ok(["verify", "--public-key", "own.pub"]);
    lab.ok(SIGN);
    // What it refuses, so do we.
    let text = fs::read_to_string(lab.archive().join("heads/1.head")).unwrap();
    fs::set_permissions(lab.archive().join("heads/1.head"), fs::Permissions::from_mode(0o644))
        .unwrap();
    fs::write(lab.archive().join("heads/1.head"), text.replace("records 1", "records 2")).unwrap();
    assert_eq!(minisign(&lab, &["-V", "-p", "key.pub", "-m", head], "").unwrap().code, 1);
    lab.fails(1, VERIFY);
}

#[test]
fn a_manifest_that_was_cut_off_or_rewritten_is_found_by_a_kept_signature() {
    let lab = lab();
    record(&lab, 1);
    lab.ok(SIGN);
    let kept = lab.path("kept.minisig");
    fs::rename(lab.archive().join("heads/3.head.minisig"), &kept).unwrap();
    fs::remove_dir_all(lab.archive().join("heads")).unwrap();
    let verify = ["verify", "--archived", "--public-key", "key.pub", "--signature", "kept.minisig"];
    lab.ok(verify);
    let manifest = lab.archive().join("manifest.jsonl");
    let whole = fs::read_to_string(&manifest).unwrap();
    // Whoever cut the last line off took its segment away, too.
    let lines: Vec<&str> = whole.lines().collect();
    fs::write(&manifest, format!("{}\n{}\n", lines[0], lines[1])).unwrap();
    for name in ["2026/2026-05-13.tar.zst", "2026/2026-05-13.tar.zst.sha256", "catalogue"] {
        fs::remove_file(lab.archive().join(name)).unwrap();
    }
    lab.ok(["verify", "--archived"]);
    let run = lab.fails(1, verify);
    assert!(run.stdout.contains("kept.minisig: it is of a manifest with 3 records; this one has 2: it was cut off, or rewritten"), "{run:?}");
    // Written anew to the same length, it is another one.
    lab.ok(["manifest", "rebuild"]);
    lab.ok(["verify", "--archived"]);
    let run = lab.fails(1, verify);
    assert!(
        run.stdout.contains(
            "kept.minisig: record 3 is not the one that was signed: the manifest was rewritten"
        ),
        "{run:?}"
    );
    // And without anything that was kept, nothing is proved.
    let run = lab.fails(1, VERIFY);
    assert!(
        run.stdout.contains("no signature of this key is here, so it proves nothing"),
        "{run:?}"
    );
}

#[test]
fn signatures_that_were_changed_or_are_of_others_prove_nothing() {
    let lab = lab();
    lab.ok(SIGN);
    let path = lab.archive().join("heads/2.head.minisig");
    let whole = fs::read_to_string(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    for (from, to) in
        [("records:2", "records:1"), ("timestamp:", "timestamp:1"), ("\tfile:", "\tpile:")]
    {
        fs::write(&path, whole.replace(from, to)).unwrap();
        let run = lab.fails(1, VERIFY);
        assert!(run.stdout.contains("heads/2.head.minisig: "), "{run:?}");
    }
    fs::write(&path, "hello").unwrap();
    assert!(lab.fails(1, VERIFY).stdout.contains("it is not a minisign signature"));
    // Another key's signature is no lie, but no proof either.
    keys(&lab, "other", None);
    fs::write(&path, &whole).unwrap();
    let run = lab.fails(1, ["verify", "--public-key", "other.pub"]);
    assert!(
        run.stdout.contains("1 signatures here are of another key")
            && run.stdout.contains("proves nothing"),
        "{run:?}"
    );
    // A link in the archive is not followed, whatever is behind it.
    fs::rename(&path, lab.path("real.minisig")).unwrap();
    symlink(lab.path("real.minisig"), &path).unwrap();
    assert!(lab.fails(1, VERIFY).stdout.contains("heads/2.head.minisig: "));
    symlink(lab.path("key.sec"), lab.archive().join("key.sec")).unwrap();
    let linked = lab.archive().join("key.sec").display().to_string();
    let run = lab.run(["manifest", "sign", "--key", &linked]);
    assert!(run.code != 0 && run.stderr.contains("a symbolic link is in the way"), "{run:?}");
}

#[test]
fn keys_are_never_shown_and_wrong_ones_are_told_apart() {
    let lab = lab();
    let secret = fs::read_to_string(lab.path("key.sec")).unwrap();
    let secret = secret.lines().nth(1).unwrap();
    fs::write(lab.path("broken.sec"), format!("untrusted comment: x\n{}\n", &secret[..60]))
        .unwrap();
    fs::write(lab.path("random"), [0xff, 0xfe, 1, 2]).unwrap();
    for (code, words) in [
        (65, ["manifest", "sign", "--key", "broken.sec"]),
        (65, ["manifest", "sign", "--key", "key.pub"]),
        (65, ["manifest", "sign", "--key", "random"]),
        (66, ["manifest", "sign", "--key", "none"]),
    ] {
        let run = assert_untouched(&lab, || lab.fails(code, words));
        assert!(!run.stderr.contains(&secret[..12]), "{run:?}");
    }
    lab.fails(65, ["verify", "--public-key", "key.sec"]);
    lab.fails(66, ["verify", "--public-key", "none"]);
    lab.fails(2, ["verify", "--signature", "x"]);
    fs::set_permissions(lab.path("key.sec"), fs::Permissions::from_mode(0o644)).unwrap();
    let run = lab.run(SIGN);
    assert!(
        run.code == 0 && run.stderr.contains("other users may read this secret key"),
        "{run:?}"
    );
    assert!(!Path::new(&lab.archive().join("key.sec")).exists());
    let empty = Lab::new();
    fs::copy(lab.path("key.sec"), empty.path("key.sec")).unwrap();
    empty.fails(66, SIGN);
}

#[test]
fn a_key_with_a_password_takes_it_from_standard_input() {
    let lab = lab();
    keys(&lab, "locked", Some("correct horse"));
    let words = ["manifest", "sign", "--key", "locked.sec"];
    let run = lab.pipe(b"wrong\n", words);
    assert_eq!(run.code, 65, "{run:?}");
    assert!(run.stderr.contains("locked.sec: the password is wrong"), "{run:?}");
    let run = lab.run(words);
    assert!(run.code == 2 && run.stderr.contains("has a password"), "{run:?}");
    let run = lab.pipe(b"correct horse\n", words);
    assert_eq!(run.code, 0, "{run:?}");
    lab.ok(["verify", "--public-key", "locked.pub"]);
}
