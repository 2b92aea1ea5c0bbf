//! The `hlarchive` command.
fn main() {}
