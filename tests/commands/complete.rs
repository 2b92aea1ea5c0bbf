//! Values of the history at the TAB key: in real shells, at a terminal.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::common::{HLARCHIVE, Lab, NOW, tool};
use crate::support::assert_untouched;

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// The characters at which bash breaks words.
const BREAKS: &str = " \t\n\"'><=;|&(:";

/// Services whose names would do something, were a shell to act upon them.
const HOSTILE: [&str; 4] = ["$(touch pwned)", "`touch pwned`", "a b;touch pwned", "x'\"\\!y"];

fn emit(lab: &Lab, day: u32, service: &str, more: [&str; 4]) {
    let time = format!("2026-05-{day}T10:00:00Z");
    let [kind, node, source, id] = more;
    let words = ["--node", node, "--source", source, "--correlation-id", id, "--service", service];
    lab.ok([&["emit", kind, "--timestamp", &time][..], &words].concat());
}

/// A lab with an archived day, which is held, and a live one.
fn lab() -> Lab {
    let lab = Lab::new();
    emit(&lab, 10, "grafana", ["deployment_started", "pi4", "backup.sh", "deploy:882"]);
    emit(&lab, 10, "nas", ["node_online", "nas", "monitor.py", "run-1"]);
    lab.rotate();
    lab.ok(["hold", "add", "2026-05-10", "--reason", "an incident"]);
    emit(&lab, 11, "mosquitto", ["deployment_failed", "pi5", "monitor.py", "run-2"]);
    lab
}

/// Completes lines that end with TAB, and returns them as the command would hear them: each argument
/// in brackets. A shell at a terminal runs the lines one after the other.
fn typed(lab: &Lab, shell: &str, lines: &[&str]) -> Option<Vec<String>> {
    let (program, script) = (tool(shell)?, tool("script")?);
    let bin = lab.path("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        symlink(HLARCHIVE, bin.join("hlarchive")).unwrap();
    }
    let file = if shell == "zsh" { "bin/_hlarchive" } else { "bin/script" };
    fs::write(lab.path(file), lab.ok(["completions", shell])).unwrap();
    let heard = lab.path("heard");
    let _ = fs::remove_file(&heard);
    let hear = "hlarchive() { printf '<%s>' \"$@\" >>heard; echo >>heard; }\n";
    let program = program.to_str().unwrap();
    let run = match shell {
        "bash" => {
            fs::write(lab.path("rc"), format!(". bin/script\n{hear}")).unwrap();
            format!("{program} --noprofile --rcfile rc -i")
        }
        "zsh" => {
            let init = "fpath=($PWD/bin $fpath)\nautoload -Uz compinit\ncompinit -u -D\n";
            fs::write(lab.path(".zshrc"), format!("{init}{hear}")).unwrap();
            format!("{program} -d -i")
        }
        _ => {
            let hear = "function hlarchive; printf '<%s>' $argv >>heard; echo >>heard; end\n";
            fs::write(lab.path("rc"), format!("source bin/script\n{hear}")).unwrap();
            format!("{program} --private -C 'source rc' -i")
        }
    };
    let mut child = Command::new(script)
        .args(["-qec", &run, "/dev/null"])
        .current_dir(lab.path(""))
        .env_clear()
        .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
        .env("HOME", lab.path(""))
        .env("ZDOTDIR", lab.path(""))
        .env("TERM", "xterm")
        .env("LC_ALL", "C.UTF-8")
        .env("HLARCHIVE_ROOT", lab.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in lines {
        writeln!(input, "hlarchive {line}\t").unwrap();
    }
    writeln!(input, "exit").unwrap();
    drop(input);
    let told = child.wait_with_output().unwrap();
    let heard = fs::read_to_string(&heard)
        .unwrap_or_else(|_| panic!("{shell}: {}", String::from_utf8_lossy(&told.stdout)));
    Some(heard.lines().map(str::to_owned).collect())
}

/// Returns the answer to a script of bash: the exit code and the lines.
fn door(lab: &Lab, line: &str) -> (i32, Vec<String>) {
    let run = lab.run(["__complete", "bash", line, BREAKS]);
    assert_eq!(run.stderr, "", "{line}");
    (run.code, run.stdout.lines().map(str::to_owned).collect())
}

#[test]
fn values_of_the_history_are_completed_in_every_shell() {
    let lab = lab();
    let hold = lab.ok(["hold", "list", "-o", "json"]);
    let hold: serde_json::Value = serde_json::from_str(&hold).unwrap();
    let hold = format!("<hold><release><{}>", hold[0]["id"]);
    let other = Lab::new();
    emit(&other, 10, "elsewhere", ["node_online", "far", "s", "c"]);
    let root = other.root().display().to_string();
    let other = format!("--root {root} list --service ");
    let lines: [(&str, &str); 12] = [
        ("list --service gra", "<list><--service><grafana>"),
        ("list --service=gra", "<list><--service=grafana>"),
        ("count --type node_o", "<count><--type><node_online>"),
        ("attempts --node na", "<attempts><--node><nas>"),
        ("list --source b", "<list><--source><backup.sh>"),
        ("trace dep", "<trace><deploy:882>"),
        ("trace deploy:8", "<trace><deploy:882>"),
        ("restore 2026", "<restore><2026-05-10>"),
        ("hold release ", &hold),
        ("count --by service,no", "<count><--by><service,node>"),
        (&other, &format!("<--root><{root}><list><--service><elsewhere>")),
        // What clap completes, it still completes.
        ("list --archived-o", "<list><--archived-only>"),
    ];
    for shell in SHELLS {
        let Some(heard) = typed(&lab, shell, &lines.map(|(line, _)| line)) else { continue };
        assert_eq!(heard, lines.map(|(_, wanted)| wanted), "{shell}");
    }
}

#[test]
fn a_name_that_a_shell_could_act_upon_is_inserted_as_text() {
    let lab = lab();
    for service in HOSTILE {
        emit(&lab, 10, service, ["node_online", "nas", "s", "c"]);
    }
    let head = r#"{"timestamp":"2026-05-10T10:00:00Z","node":"nas","type":"x","severity":"info","#;
    for (number, service) in ["evil\\nrm -rf", "evil\\u001b[31m", "evil\\u202e"].iter().enumerate()
    {
        let rest =
            format!(r#""source":"s","service":"{service}","correlation_id":"c","payload":{{}}}}"#);
        let id = format!("0196d8a2-0000-7000-8000-00000000000{number}");
        lab.write(&format!("2026-05-10/nas/20260510T100000Z_x_{id}.json"), format!("{head}{rest}"));
    }
    for archived in [false, true] {
        if archived {
            lab.ok(["rotate", "--now", NOW]);
        }
        let lines: [(&str, &str); 6] = [
            ("list --service \\$", "<list><--service><$(touch pwned)>"),
            ("list --service \\`", "<list><--service><`touch pwned`>"),
            ("list --service a", "<list><--service><a b;touch pwned>"),
            ("list --service \"a", "<list><--service><a b;touch pwned>"),
            ("list --service x", "<list><--service><x'\"\\!y>"),
            ("list --service evi", "<list><--service><evi>"),
        ];
        for shell in SHELLS {
            let Some(heard) = typed(&lab, shell, &lines.map(|(line, _)| line)) else { continue };
            assert_eq!(heard, lines.map(|(_, wanted)| wanted), "{shell}");
            assert!(!lab.path("pwned").exists(), "{shell}");
        }
        let (code, told) = door(&lab, "hlarchive list --service ");
        assert_eq!((code, told.len()), (0, 3 + HOSTILE.len()), "{told:?}");
    }
}

#[test]
fn values_that_nobody_knows_are_none_and_no_message() {
    let lab = Lab::new();
    let none = || (0, Vec::new());
    for line in [
        "hlarchive list --service ",
        "hlarchive trace x",
        "hlarchive restore ",
        "hlarchive hold release ",
        "hlarchive --root /no/such list --node ",
        "hlarchive --archive /dev/null list --node ",
    ] {
        assert_eq!(door(&lab, line), none(), "{line}");
    }
    // What belongs there otherwise is for the shell: flags, files, words of clap.
    for line in ["hlarchive list ", "hlarchive restore --to ", "hlarchive inspect x", "hlarchive"] {
        assert_eq!(door(&lab, line), (1, Vec::new()), "{line}");
    }
    assert_eq!(lab.run(["__complete"]).code, 1);
    assert_eq!(lab.run(["__complete", "csh", "x"]).code, 1);
    let held = lab_with_a_broken_archive();
    assert_eq!(door(&held, "hlarchive list --service "), (0, vec!["mosquitto".to_owned()]));
    assert_eq!(door(&held, "hlarchive restore "), none());
    assert_eq!(door(&held, "hlarchive hold release "), none());
}

fn lab_with_a_broken_archive() -> Lab {
    let lab = lab();
    fs::write(lab.archive().join("manifest.jsonl"), "no manifest\n{}\n").unwrap();
    lab
}

#[test]
fn asking_for_values_changes_nothing() {
    let lab = lab();
    assert_untouched(&lab, || {
        for line in ["list --service ", "trace ", "restore ", "hold release ", "list --date "] {
            let (code, told) = door(&lab, &format!("hlarchive {line}"));
            assert!(code == 0 && !told.is_empty(), "{line}");
        }
    });
}

#[test]
fn days_are_those_that_the_command_could_use() {
    let lab = lab();
    let days = |line: &str| door(&lab, line).1;
    assert_eq!(days("hlarchive list --date 2026-05"), ["2026-05-10", "2026-05-11"]);
    assert_eq!(days("hlarchive restore "), ["2026-05-10"]);
    assert_eq!(days("hlarchive hold add 2026-05-01.."), ["2026-05-01..2026-05-10"]);
    assert_eq!(days("hlarchive inspect 2026"), ["2026-05-10"]);
}

#[test]
fn a_shell_without_the_program_completes_what_it_knows_by_itself() {
    let lab = lab();
    for shell in SHELLS {
        fs::create_dir(lab.path("bin")).unwrap();
        let Some(heard) = typed(&lab, shell, &["list --archived-o", "stat"]) else { continue };
        assert_eq!(heard, ["<list><--archived-only>", "<status>"], "{shell}");
        fs::remove_dir_all(lab.path("bin")).unwrap();
    }
}
