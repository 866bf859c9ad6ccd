//! What the ledger acknowledged it keeps, whatever happens to its disk.

mod chains;
mod common;
mod disk_faults;
mod disks;
mod writing;
