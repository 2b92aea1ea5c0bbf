//! The page: what a runbook asks its reader to type, and where.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A section `### …` below `## Runbooks`.
pub(super) struct Runbook {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

/// A fenced block ```` ```sh MACHINE… ````, and the ```` ```text ```` that follows it.
pub(super) struct Block {
    pub(super) machines: Vec<String>,
    /// Each command, with the exit code that the page promises: 0, or `# ends with N`.
    commands: Vec<(String, i32)>,
    /// Lines that are printed.
    pub(super) shown: Vec<String>,
    /// Where it begins on the page.
    pub(super) line: usize,
}

impl Block {
    /// A script that runs the commands one by one in one shell, as somebody types them, and stops
    /// at the first that does not end as it should.
    pub(super) fn script(&self) -> String {
        let mut script = String::from(
            "step() {\n    eval \"$2\"\n    local code=$?\n    [[ $code == \"$1\" ]] && return\n    \
             printf 'ended with %s and not with %s: %s\\n' \"$code\" \"$1\" \"$2\"\n    exit 99\n}\n",
        );
        for (command, code) in &self.commands {
            let quoted = command.replace('\'', "'\\''");
            script.push_str(&format!("step {code} '{quoted}'\n"));
        }
        script
    }
}

pub(super) fn runbooks() -> Vec<Runbook> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let text = fs::read_to_string(path).unwrap();
    let mut runbooks: Vec<Runbook> = Vec::new();
    let mut within = false;
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            within = title == "Runbooks";
        } else if let Some(title) = line.strip_prefix("### ").filter(|_| within) {
            runbooks.push(Runbook { title: title.to_owned(), blocks: Vec::new() });
        } else if let Some(info) = line.trim_start().strip_prefix("```").filter(|_| within) {
            let indent = line.len() - line.trim_start().len();
            let body: Vec<String> = lines
                .by_ref()
                .map(|(_, line)| line.get(indent..).unwrap_or_default().to_owned())
                .take_while(|line| !line.starts_with("```"))
                .collect();
            let blocks = runbooks.last_mut().map(|runbook| &mut runbook.blocks);
            let mut words = info.split_whitespace();
            match (words.next(), blocks) {
                (Some("sh"), Some(blocks)) => {
                    let machines: Vec<String> = words.map(str::to_owned).collect();
                    assert!(!machines.is_empty(), "line {}: on which machine?", number + 1);
                    let commands = commands(&body);
                    blocks.push(Block { machines, commands, shown: Vec::new(), line: number + 1 });
                }
                (Some("text"), Some(blocks)) => {
                    if let Some(block) = blocks.last_mut() {
                        block.shown.extend(body);
                    }
                }
                (Some("ini" | "toml"), _) => {}
                _ => panic!("line {}: a block that nobody runs: {info}", number + 1),
            }
        }
    }
    assert!(!runbooks.is_empty(), "the page has no section \"Runbooks\"");
    runbooks
}

/// The commands of a block: as many lines as bash takes for a whole.
fn commands(body: &[String]) -> Vec<(String, i32)> {
    let mut commands = Vec::new();
    let mut command = String::new();
    for line in body {
        if command.is_empty() && (line.trim().is_empty() || line.starts_with('#')) {
            continue;
        }
        command.push_str(line);
        command.push('\n');
        let open = line.ends_with('\\');
        let parsed = Command::new("bash").args(["-n", "-c", &command]).output().unwrap();
        // A here-document without its end is only warned of.
        if !open && parsed.status.success() && parsed.stderr.is_empty() {
            let code = command.split("# ends with ").nth(1).map_or(0, |rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().unwrap()
            });
            commands.push((std::mem::take(&mut command), code));
        }
    }
    assert!(command.is_empty(), "bash does not understand: {command}");
    commands
}
