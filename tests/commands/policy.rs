use std::fs;

use crate::common::{Lab, cannot};
use crate::support::{assert_untouched, json, policy, sentence};

#[test]
fn show_prints_the_policy_in_force_as_it_is_written() {
    let lab = Lab::new();
    let text = "# mine\nversion = 1\n\n[rotate]\nkeep_live = \"3d\"\n";
    policy(&lab, text);
    let path = lab.path("policy.toml").display().to_string();
    let run = lab.run(["policy", "show"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, text));
    let none = "; it keeps everything and promises nothing, since no retention is set ([retain])";
    assert_eq!(run.stderr, format!("# from {path}{none}\n"));
    let object = json(&lab.ok(["policy", "show", "-o", "json"]));
    let digest = hlarchive::internals::segment::Sha256Hash::of(text.as_bytes()).to_string();
    assert_eq!(
        object,
        serde_json::json!({ "origin": path, "digest": digest, "promises": null, "text": text })
    );
    // What is shown is a policy that can be written down and used again.
    fs::write(lab.path("again.toml"), run.stdout).unwrap();
    assert_eq!(lab.ok(["policy", "check", "again.toml"]), "again.toml: OK\n");
}

#[test]
fn without_one_the_built_in_policy_holds() {
    if std::path::Path::new("/etc/hlarchive/policy.toml").exists() {
        cannot("this machine has a policy of its own");
        return;
    }
    let lab = Lab::new();
    let output = lab.command(["policy", "show"]).env_remove("HLARCHIVE_POLICY").output().unwrap();
    let built_in = include_str!("../../policies/default.toml");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), built_in);
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "# from the built-in policy; it keeps everything and promises nothing, since no retention is \
         set ([retain])\n"
    );
    let mut shown = lab.command(["policy", "show", "-ojson"]);
    let shown = shown.env_remove("HLARCHIVE_POLICY").output().unwrap();
    assert!(json(&String::from_utf8(shown.stdout).unwrap())["promises"].is_null());
    policy(&lab, "version = 1\n[retain]\nkeep = \"2y\"\n");
    let chosen = lab.run(["policy", "show"]);
    assert!(!chosen.stderr.contains("promises nothing"), "{chosen:?}");
    assert_eq!(json(&lab.ok(["policy", "show", "-ojson"]))["promises"], "2y");
}

#[test]
fn the_flag_outweighs_the_environment() {
    let lab = Lab::new();
    policy(&lab, "version = 1\n");
    fs::write(lab.path("other.toml"), "version = 1 # other\n").unwrap();
    assert_eq!(lab.ok(["policy", "show", "-q"]), "version = 1\n");
    assert_eq!(lab.ok(["policy", "show", "-q", "--policy=other.toml"]), "version = 1 # other\n");
}

#[test]
fn every_shipped_policy_is_good() {
    let lab = Lab::new();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/policies")).unwrap() {
        let path = entry.unwrap().path().display().to_string();
        let told = assert_untouched(&lab, || lab.ok(["policy", "check", &path]));
        assert_eq!(told, format!("{path}: OK\n"));
        let object = json(&lab.ok(["policy", "check", &path, "-ojson"]));
        assert_eq!((&object["origin"], &object["ok"]), (&path.into(), &true.into()));
    }
}

#[test]
fn a_mistake_is_refused_with_its_line_the_reason_and_a_way_out() {
    let lab = Lab::new();
    let class = "version = 1\n\n[[retain.class]]\n";
    let cases = [
        (
            "version = 1\n[events]\nunknown_typs = \"warn\"\n".to_owned(),
            ":3: unknown key unknown_typs in [events]; did you mean unknown_types?",
        ),
        (
            "version = 1\n[rotate]\nxyzzy = 1\n".to_owned(),
            ":3: unknown key xyzzy in [rotate]; known keys are keep_live, level, frame_size, invalid",
        ),
        (
            "version = 1\n\n\n[rotate]\nlevel = 0\n".to_owned(),
            ":5: level = 0: expected a zstd level from 1 to 22",
        ),
        (
            "version = 1\n[retain]\nkeep = \"2d\"\n".to_owned(),
            ":3: keep = \"2d\" is shorter than keep_live = \"1w\", so days would expire while they are live; make keep longer or keep_live shorter",
        ),
        ("version = 1\nversion = 1\n".to_owned(), ":2: this is not TOML: duplicate key"),
        (
            format!("{class}name = \"A b\"\nkeep = \"1y\"\nmatch = {{ node = \"x\" }}\n"),
            ":4: name = \"A b\": expected a short name: a lower-case letter, then letters, digits or dashes, at most 32",
        ),
        (
            format!("{class}name = \"a\"\nmatch = {{ node = \"x\" }}\n"),
            ":3: a class has no keep; write for example keep = \"7y\"",
        ),
        (
            format!("{class}name = \"a\"\nkeep = \"1y\"\nmatch = {{ severity = [\"bad\"] }}\n"),
            ":6: severity \"bad\" does not exist; expected severities: info, warning, error or critical",
        ),
        (
            format!("{class}name = \"a\"\nkeep = \"1y\"\nmatch = {{ nod = \"x\" }}\n"),
            ":6: unknown key nod in match; did you mean node?",
        ),
    ];
    for (text, wanted) in cases {
        fs::write(lab.path("p.toml"), &text).unwrap();
        let run = assert_untouched(&lab, || lab.fails(78, ["policy", "check", "p.toml"]));
        assert_eq!(sentence(&run), format!("p.toml{wanted}"), "{text}");
        let run = lab.fails(78, ["policy", "check", "p.toml", "-o", "json"]);
        let message = format!("p.toml{wanted}");
        let error = serde_json::json!({ "error": { "code": 78, "message": message } });
        assert_eq!(json(&run.stderr), error);
    }
    let run = lab.fails(66, ["policy", "check", "nowhere.toml"]);
    assert_eq!(sentence(&run), "nowhere.toml: cannot read: no such file or directory");
}

#[test]
fn a_grace_that_outweighs_a_term_is_remarked_on_and_no_mistake() {
    let lab = Lab::new();
    let check = |retain: &str| {
        policy(&lab, &format!("version = 1\n[retain]\n{retain}\n"));
        let run = lab.run(["policy", "check"]);
        assert_eq!(run.code, 0, "{run:?}");
        run.stderr
    };
    let told = "keep = \"20d\" is less than what every day is kept for: keep_live = \"1w\" as files, \
                and then grace = \"30d\" in the archive; make grace shorter if days are to go sooner\n";
    assert_eq!(check("keep = \"20d\""), told);
    for good in [
        "keep = \"37d\"",
        "keep = \"20d\"\ngrace = \"13d\"",
        "keep = \"forever\"",
        "grace = \"0d\"",
    ] {
        assert_eq!(check(good), "", "{good}");
    }
    for (bad, why) in [("grace = \"11y\"", "at most 10y"), ("grace = 30", "expected a duration")] {
        policy(&lab, &format!("version = 1\n[retain]\n{bad}\n"));
        let run = lab.fails(78, ["policy", "check"]);
        assert!(run.stderr.contains(why), "{run:?}");
    }
}
