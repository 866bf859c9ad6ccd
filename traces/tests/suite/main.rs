//! Traces, their files and their events: a module for each family of rules.
#![allow(missing_docs)]

mod events;
mod files;
mod headers;
#[cfg(unix)]
mod output;
