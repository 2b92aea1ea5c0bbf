//! What shells and man read: completions and manual pages.

use std::fs;
use std::process::Command;

use crate::common::{HLARCHIVE, Lab, system, tool};
use crate::support::sentence;

const COMMANDS: [&str; 16] = [
    "emit",
    "list",
    "trace",
    "attempts",
    "outages",
    "status",
    "show",
    "rotate",
    "verify",
    "inspect",
    "restore",
    "manifest",
    "policy",
    "completions",
    "man",
    "demo",
];

#[test]
fn completions_name_every_command_in_every_shell() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = lab.ok(["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
        for flag in ["correlation-id", "min-severity", "dry-run"] {
            assert!(script.contains(flag), "{shell}: {flag}");
        }
    }
    let run = lab.fails(2, ["completions", "csh"]);
    assert!(run.stdout.is_empty() && run.stderr.contains("bash, elvish, fish, powershell, zsh"));
}

#[test]
fn bash_understands_its_completions_and_completes() {
    let Some(bash) = tool("bash") else { return };
    let lab = Lab::new();
    fs::write(lab.path("completions"), lab.ok(["completions", "bash"])).unwrap();
    system(Command::new(&bash).args(["-n"]).arg(lab.path("completions")));
    let complete = |line: &str| {
        let script = format!(
            "source completions; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _hlarchive hlarchive \"${{COMP_WORDS[COMP_CWORD]}}\" \"\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let mut run = Command::new(&bash);
        let told = system(run.args(["-c", &script]).current_dir(lab.path("")));
        String::from_utf8(told).unwrap()
    };
    assert_eq!(complete("hlarchive ver"), "verify\n");
    assert_eq!(complete("hlarchive list --min"), "--min-severity\n");
}

#[test]
fn other_shells_understand_their_completions() {
    let lab = Lab::new();
    for shell in ["zsh", "fish"] {
        let Some(program) = tool(shell) else { continue };
        fs::write(lab.path("completions"), lab.ok(["completions", shell])).unwrap();
        system(Command::new(program).arg("-n").arg(lab.path("completions")));
    }
}

#[test]
fn the_manual_is_one_page_or_one_for_each_command() {
    let lab = Lab::new();
    let page = lab.ok(["man"]);
    let title = page.lines().find(|line| line.starts_with(".TH")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(title.starts_with(".TH HLARCHIVE 1 "), "{title}");
    assert!(title.ends_with(&format!(" \"hlarchive {version}\" \"hlarchive manual\"")), "{title}");
    let printed = lab.ok(["man", "--to", "deep/man1"]);
    let mut names: Vec<String> = printed
        .lines()
        .map(|path| path.strip_prefix("deep/man1/hlarchive").unwrap().to_owned())
        .collect();
    assert!(names.contains(&".1".to_owned()) && names.contains(&"-manifest-head.1".to_owned()));
    for command in COMMANDS {
        let name = format!("-{command}.1");
        let text = fs::read_to_string(lab.path(&format!("deep/man1/hlarchive{name}"))).unwrap();
        assert!(text.contains(&format!("hlarchive\\-{command} \\- ")), "{name}: {text}");
        assert!(text.contains("\n.SH EXAMPLES\n"), "{name} has no example");
    }
    assert_eq!(fs::read_to_string(lab.path("deep/man1/hlarchive.1")).unwrap(), page);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), printed.lines().count());
    let run = lab.fails(73, ["man", "--to", "/proc/no/man1"]);
    assert_eq!(sentence(&run), "/proc/no/man1: cannot create: no such file or directory");
}

#[test]
fn groff_sets_the_pages_without_a_complaint() {
    let Some(groff) = tool("groff") else { return };
    let lab = Lab::new();
    for path in lab.ok(["man", "--to", "man1"]).lines() {
        let mut run = Command::new(&groff);
        run.args(["-man", "-Tutf8", "-ww", "-z", path]).current_dir(lab.path(""));
        let output = run.output().unwrap();
        assert!(output.status.success(), "{path}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{path}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let lab = Lab::new();
    assert_eq!(lab.ok(["--version"]), concat!("hlarchive ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = lab.ok(["--help"]);
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
        let own = lab.run([command, "--help"]);
        assert_eq!((own.code, own.stderr.as_str()), (0, ""), "{command}");
        assert!(own.stdout.contains(&format!("Usage: hlarchive {command}")), "{command}");
    }
    // A pipe that is closed early is no error here either.
    let script = "\"$0\" --help | true; echo \"${PIPESTATUS[0]}\"";
    let Some(bash) = tool("bash") else { return };
    let told = system(Command::new(bash).args(["-c", script, HLARCHIVE]));
    assert_eq!(told, b"0\n");
}
