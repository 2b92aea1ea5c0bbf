//! The `hlarchive` command: a thin face over the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hlarchive::cli::main()
}
