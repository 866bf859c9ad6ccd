//! What the ledger acknowledged it keeps, whatever happens to its disk.
#![allow(missing_docs)]

#[path = "../files/mod.rs"]
mod files;

mod chains;
mod common;
mod disks;
mod writing;
