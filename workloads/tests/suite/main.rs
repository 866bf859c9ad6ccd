//! The command, the zoo and the load generators from outside: a module for each family of rules.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    reason = "real processes, clocks, sockets and threads"
)]

mod bench;
mod campaigns;
mod cli;
mod command;
mod debug;
mod diff;
mod edge_faults;
mod explore;
#[cfg(unix)]
mod files;
mod forged;
mod hostile;
mod incident;
mod isolation;
mod load;
mod own;
mod owner;
mod page;
mod serve;
mod server;
mod single;
mod terminal;
mod timelines;
mod tutorial;
mod view;
mod zoo;
