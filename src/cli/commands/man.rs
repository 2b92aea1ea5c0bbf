//! `hlarchive man`.

use std::io::Write;
use std::path::PathBuf;

use clap::Command;
use clap_mangen::Man;
use hlarchive::Error;

use crate::cli::exit::{Exit, Failure, stdout_failed};
use crate::cli::session::Session;

/// Print the manual page, or write all of them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive man | man -l -
  hlarchive man --to /usr/local/share/man/man1")]
pub(in crate::cli) struct Args {
    /// Write a page for each command into this directory
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let mut command = crate::cli::command();
        command.build();
        let Some(directory) = self.to else {
            let page = page(&command, "hlarchive")?;
            session.out.write_all(&page).map_err(stdout_failed)?;
            return Ok(Exit::Done);
        };
        std::fs::create_dir_all(&directory)
            .map_err(|error| Error::io(&directory, "create", error))?;
        for (name, command) in pages(&command, "hlarchive") {
            let file = directory.join(format!("{name}.1"));
            std::fs::write(&file, page(&command, &name)?)
                .map_err(|error| Error::io(&file, "create", error))?;
            let line = file.display().to_string();
            session.line(&line)?;
        }
        Ok(Exit::Done)
    }
}

fn pages(command: &Command, name: &str) -> Vec<(String, Command)> {
    let mut all = vec![(name.to_owned(), command.clone())];
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        all.extend(pages(sub, &format!("{name}-{}", sub.get_name())));
    }
    all
}

fn page(command: &Command, name: &str) -> Result<Vec<u8>, Failure> {
    let command = command.clone().name(name.to_owned()).display_name(name.to_owned());
    let mut text = Vec::new();
    Man::new(command)
        .title(name.to_uppercase())
        .section("1")
        .manual("hlarchive manual")
        // Without it the page would change with the day it is made on.
        .date("")
        .render(&mut text)
        .map_err(|error| Error::io(name, "create", error))?;
    Ok(with_empty_date(text, name))
}

/// The title line has its fields by place: an empty date must stand there as such, or the
/// program's name is taken for one.
fn with_empty_date(text: Vec<u8>, name: &str) -> Vec<u8> {
    let title = format!(".TH {} 1 ", name.to_uppercase());
    match String::from_utf8(text) {
        Ok(text) => text.replacen(&format!("{title} "), &format!("{title}\"\" "), 1).into_bytes(),
        Err(error) => error.into_bytes(),
    }
}
