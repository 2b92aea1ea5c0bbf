//! The completion scripts: what clap makes of the definition, and around it the questions for
//! values of the history. Without the program, a tree or an archive, what clap made remains.

use clap::Command;
use clap_complete::{Shell, generate};

use super::place::Kind;

const BASH: &str = include_str!("known.bash");
const ZSH: &str = include_str!("known.zsh");
const FISH: &str = include_str!("known.fish");

/// Returns the script for a shell.
pub(in crate::cli) fn script(shell: Shell, definition: &mut Command) -> String {
    let mut bytes = Vec::new();
    generate(shell, definition, "hlarchive", &mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match shell {
        Shell::Bash => text + BASH,
        Shell::Zsh => zsh(&text),
        Shell::Fish => fish(&text, definition),
        _ => text,
    }
}

/// Puts the question before what clap made, under whose name zsh looks for the file's function.
fn zsh(text: &str) -> String {
    let begin = "\n_hlarchive() {\n";
    let end = "\nif [ \"$funcstack[1]\" = \"_hlarchive\" ]";
    let Some((body, _)) = text.split_once(end).filter(|(body, _)| body.contains(begin)) else {
        return text.to_owned();
    };
    body.replacen(begin, "\n_hlarchive_static() {\n", 1) + ZSH
}

/// Has each flag and command of which values are known ask for them.
fn fish(text: &str, definition: &Command) -> String {
    let mut flags: Vec<&str> = Vec::new();
    let mut questions = String::new();
    visit(definition, &mut Vec::new(), &mut |path, command| {
        for arg in command.get_arguments() {
            let (kinds, or_file) = Kind::of_arg(command, arg);
            match arg.get_long() {
                _ if kinds.is_empty() => {}
                Some(long) => flags.push(long),
                None => questions.push_str(&question(path, or_file)),
            }
        }
    });
    let mut script = String::with_capacity(2 * text.len());
    for line in text.lines() {
        script.push_str(line);
        let is_asked = |flag: &&str| line.contains(&format!(" -l {flag} "));
        if line.ends_with(" -r") && flags.iter().any(is_asked) {
            script.push_str(" -f -a \"(__fish_hlarchive_known)\"");
        }
        script.push('\n');
    }
    script + FISH + &questions
}

/// Returns the line for the values of a command that are not a flag's.
fn question(path: &[&str], or_file: bool) -> String {
    let [command, inner @ ..] = path else { return String::new() };
    let mut condition = format!("__fish_hlarchive_using_subcommand {command}");
    for inner in inner {
        condition.push_str(&format!("; and __fish_seen_subcommand_from {inner}"));
    }
    let only = if or_file { "" } else { " -f" };
    format!("complete -c hlarchive -n \"{condition}\"{only} -a \"(__fish_hlarchive_known)\"\n")
}

/// Visits a command's subcommands and theirs, each with its path.
fn visit<'a>(
    command: &'a Command,
    path: &mut Vec<&'a str>,
    see: &mut dyn FnMut(&[&'a str], &'a Command),
) {
    for inner in command.get_subcommands() {
        path.push(inner.get_name());
        see(path, inner);
        visit(inner, path, see);
        path.pop();
    }
}
