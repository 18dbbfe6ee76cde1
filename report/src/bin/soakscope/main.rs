//! The `soakscope` command.

fn main() {}
