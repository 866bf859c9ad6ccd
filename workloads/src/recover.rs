//! What the file of a ledger holds, recovered from a copy: the file stays as it is.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ractor::Actor;
use retake_system::Store;
use retake_system::ledger::{Contents, Durability, Ledger, LedgerArguments, SimulatedDisk};

/// The receipts in this file; none if there is no file.
///
/// # Errors
/// If it cannot be read, or is no ledger that recovers.
pub async fn receipts(file: &Path) -> Result<Option<Store>, String> {
    let of_file = |what: String| format!("{}: {what}", file.display());
    let Contents { bytes, durable_min } = match Contents::read(file) {
        Ok(contents) => contents,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(of_file(error.to_string())),
    };
    let disk = SimulatedDisk::new();
    disk.corrupt(|platter| *platter = bytes);
    disk.set_mark(durable_min);
    let arguments = LedgerArguments {
        durability: Durability::Fsync(Arc::new(disk)),
        ..LedgerArguments::default()
    };
    let store = arguments.store.clone();
    let started = Actor::spawn(None, Ledger, arguments).await;
    let (ledger, _) = started.map_err(|error| of_file(error.to_string()))?;
    // An error means that it has ended.
    let _ = ledger.stop_and_wait(None, None).await;
    Ok(Some(store))
}
