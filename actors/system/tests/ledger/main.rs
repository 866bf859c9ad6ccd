//! What the ledger acknowledged it keeps, whatever happens to its disk.
#![allow(missing_docs)]

#[path = "../files/mod.rs"]
mod files;

mod chains;
mod common;
mod disk_faults;
mod disks;
mod writing;
