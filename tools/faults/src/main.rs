//! `faults`: see the library.

use std::process::ExitCode;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() -> ExitCode {
    faults::main()
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() -> ExitCode {
    eprintln!("faults: this needs Linux on x86-64, where it knows the system calls");
    ExitCode::FAILURE
}
