//! What verify finds in the manifest itself, and what a head kept elsewhere proves.

use std::fs;

use crate::common::Lab;
use crate::support::sentence;
use crate::verify::{findings, lab, well};

fn manifest(lab: &Lab) -> String {
    fs::read_to_string(lab.archive().join("manifest.jsonl")).unwrap()
}

fn write_manifest(lab: &Lab, text: &str) {
    fs::write(lab.archive().join("manifest.jsonl"), text).unwrap();
}

#[test]
fn any_change_of_the_manifest_is_found() {
    let lab = lab();
    let text = manifest(&lab);
    let lines: Vec<&str> = text.lines().collect();
    let path = lab.archive().join("manifest.jsonl").display().to_string();
    let damaged = "is damaged: it is not as it was written (its own hash does not fit)";
    let unlinked = "does not follow the line before it: a line was changed, removed or moved";
    let join = |lines: &[&str]| lines.join("\n") + "\n";
    let changed = lines[1].replace("\"events\":9", "\"events\":8");
    assert_ne!(changed, lines[1]);
    for (text, wanted) in [
        (join(&[lines[0], &changed, lines[2]]), vec![format!("line 2 {damaged}")]),
        (join(&[lines[0], lines[2]]), vec![format!("line 2 {unlinked}")]),
        (join(&[lines[1], lines[2]]), vec![format!("line 1 {unlinked}")]),
        (
            join(&[lines[1], lines[0], lines[2]]),
            vec![
                format!("line 1 {unlinked}"),
                format!("line 2 {unlinked}"),
                format!("line 3 {unlinked}"),
            ],
        ),
        (
            join(&[lines[0], lines[0], lines[1], lines[2]]),
            vec![
                format!("line 2 {unlinked}"),
                "line 3 has the wrong number 2".to_owned(),
                "line 4 has the wrong number 3".to_owned(),
            ],
        ),
        (
            join(&[lines[0], "", lines[1], lines[2]]),
            vec![format!("line 2 {damaged}"), format!("line 3 {unlinked}")],
        ),
        (join(&[lines[0], lines[1], "{}"]), vec![format!("line 3 {damaged}")]),
    ] {
        write_manifest(&lab, &text);
        let told = findings(&lab, &["--archive", "--quick"]);
        let about: Vec<&str> =
            told.iter().filter_map(|line| line.strip_prefix(&format!("{path}: "))).collect();
        // A line swapped into another place may break the links around it, too.
        for wanted in &wanted {
            assert!(about.contains(&wanted.as_str()), "{wanted}: {told:?}");
        }
        // Readers refuse a damaged manifest instead of giving a part for the whole.
        let run = lab.fails(65, ["list", "--since=2000-01-01"]);
        assert!(sentence(&run).starts_with(&format!("{path}: line ")), "{run:?}");
        lab.fails(65, ["rotate", "--now", crate::common::NOW]);
    }
}

#[test]
fn every_single_bit_of_the_manifest_counts() {
    let lab = lab();
    let sound = manifest(&lab).into_bytes();
    let path = lab.archive().join("manifest.jsonl");
    for at in (0..sound.len()).step_by(41).chain([sound.len() - 1]) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 7);
        fs::write(&path, &bytes).unwrap();
        let told = findings(&lab, &["--archive", "--quick"]);
        assert!(told[0].starts_with(&path.display().to_string()), "byte {at}: {told:?}");
    }
}

#[test]
fn a_text_that_is_no_manifest_is_never_cut_off() {
    let lab = lab();
    write_manifest(&lab, "notes of the operator, without a newline");
    let run = lab.fails(65, ["rotate", "--now", crate::common::NOW]);
    assert!(run.stderr.contains("manifest.jsonl: it is not a manifest"), "{run:?}");
    assert_eq!(manifest(&lab), "notes of the operator, without a newline");
    assert!(findings(&lab, &[])[0].contains("it is not a manifest"));
}

#[test]
fn a_torn_last_line_is_told_apart_from_damage() {
    let lab = lab();
    let sound = manifest(&lab);
    write_manifest(&lab, &format!("{sound}{{\"v\":1,\"se"));
    let told = findings(&lab, &[]);
    let wanted = format!(
        "{}/manifest.jsonl: the last line is torn (10 bytes): a crash cut it off, or it was \
         damaged; the next rotate repairs it and says so",
        lab.archive().display()
    );
    assert_eq!(told, [wanted]);
    // It blocks neither readers nor the next rotation, which mends it.
    assert_eq!(lab.list_all().len(), 28);
    let run = lab.run(["rotate", "--now", crate::common::NOW]);
    assert_eq!(run.code, 0);
    assert_eq!(
        run.stderr,
        format!(
            "hlarchive: {}/manifest.jsonl: the last line was torn by a crash; its 10 bytes were \
             dropped\n",
            lab.archive().display()
        )
    );
    assert!(manifest(&lab).starts_with(&sound));
    well(&lab, &[]);
    // The same when only the newline is missing, or the power cut left zeros.
    let whole = manifest(&lab);
    for text in [whole.trim_end().to_owned(), format!("{whole}\0\0\0\0")] {
        write_manifest(&lab, &text);
        assert_eq!(findings(&lab, &[]).len(), 1);
        assert_eq!(lab.list_all().len(), 28);
        lab.rotate();
        well(&lab, &[]);
    }
}

#[test]
fn a_head_kept_elsewhere_proves_the_manifest() {
    let lab = lab();
    let head = || lab.ok(["manifest", "head"]).trim_end().to_owned();
    let first = head();
    well(&lab, &["--head", &first]);
    well(&lab, &["--head", &first.to_uppercase()]);
    let run = lab.fails(2, ["verify", "--head", &"0".repeat(64)]);
    assert_eq!(
        sentence(&run),
        "--head: 64 zeros are the head before the first record, with which every manifest begins, \
         so they prove nothing; give a head that \"hlarchive manifest head\" printed"
    );
    let before = manifest(&lab);
    lab.rotate();
    assert_ne!(head(), first);
    well(&lab, &["--head", &first]);
    well(&lab, &["--head", &head()]);
    let last = head();
    write_manifest(&lab, &before);
    let told = findings(&lab, &["--head", &last, "--archive"]);
    let no_head = "was never a head of this manifest: it was rewritten or cut off";
    let path = lab.archive().join("manifest.jsonl").display().to_string();
    assert_eq!(told[0], format!("{path}: {last} {no_head}"));
    assert!(told.iter().any(|line| line.starts_with("2026/2026-05-16.tar.zst: no record")));
    well(&lab, &["--head", &first, "2026-05-10"]);
    assert_eq!(findings(&lab, &["--head", &"1".repeat(64), "2026-05-10"]).len(), 1);
    let run = lab.fails(2, ["verify", "--head", "abc"]);
    assert!(run.stderr.contains("expected 64 hexadecimal digits"), "{run:?}");
    fs::remove_dir_all(lab.archive()).unwrap();
    assert_eq!(
        findings(&lab, &["--head", &first]),
        [
            format!(
                "{}: the archive of the events in {} is not here; is its disk mounted? (\"hlarchive \
             rotate --new-archive\" begins another one)",
                lab.archive().display(),
                lab.root().display()
            ),
            format!(
                "{}: there is no archive, so the given head is not in its manifest",
                lab.archive().display()
            )
        ]
    );
}
