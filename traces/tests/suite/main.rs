//! Traces, their files and their events: a module for each family of rules.
#![allow(missing_docs)]

mod events;
mod files;
mod headers;
#[cfg(unix)]
mod output;

/// An error that says all of this.
#[track_caller]
fn is_refused<T, E: std::fmt::Display>(result: Result<T, E>, parts: &[&str]) {
    let error = result.err().expect("an error").to_string();
    for part in parts {
        assert!(error.contains(part), "{part}: {error}");
    }
}
