//! The ledger: receipts of what the system did, in one hash chain per tenant.
//!
//! Receipts are read from a [`Store`] in memory that outlives the actor, as an ETS
//! table with an heir does in Erlang: a ledger that is restarted continues where the
//! last one was. With a [`Disk`] they survive the process as well: see
//! [`Durability`] for what an acknowledgement then means. [`LedgerRef`] is the way
//! to the actor, by its name.
//!
//! A full disk is waited for: what does not fit is taken back and refused with
//! [`LedgerError::Full`], and the next request tries again. After any other error of the disk
//! nobody knows what it holds, so the ledger fails without acknowledging anything more. When
//! it is restarted it reads the disk again.
//!
//! What clients can have refused as often as they like goes through [`LedgerRef::refuse`],
//! which bounds what it costs.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ractor::Actor;
//! use retake_system::ledger::{ Draft, Durability, FileDisk, Ledger, LedgerArguments, LedgerRef, ReceiptKind, Store, };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("receipts.log");
//! let arguments = LedgerArguments {
//!     store: Store::new(),
//!     durability: Durability::Fsync(Arc::new(FileDisk::open(path)?)),
//!     ..LedgerArguments::default()
//! };
//! let store = arguments.store.clone();
//! Actor::spawn(Some("ledger".to_owned()), Ledger, arguments).await?;
//! let receipt = LedgerRef::new("ledger")
//!     .append(Draft {
//!         tenant: "acme".to_owned(),
//!         kind: ReceiptKind::Refusal { reason: "not entitled".to_owned() },
//!         payload: "cpu 90.0".to_owned(),
//!         signal: Some("signal-1".to_owned()),
//!         key: None,
//!     })
//!     .await?; // durable from here on
//! assert_eq!(store.of_signal("signal-1"), [receipt]);
//! store.verify()?;
//! # Ok(())
//! # }
//! ```

mod actor;
mod disk;
mod folder;
mod frame;
mod handle;
mod key;
mod log;
mod message;
mod receipt;
mod refusals;
mod simulated_disk;
mod store;
mod verify;

pub use actor::{Durability, Ledger, LedgerArguments, LedgerState};
pub use disk::{Contents, Disk, DiskFile, DiskResult, FileDisk, ReplayedDisk};
pub use folder::{DataFolder, FolderError, Owner};
pub use handle::LedgerRef;
pub use key::Key;
pub use log::{LogError, RecoveryReport};
pub use message::{DRAFT_BYTES_MAX, DRAFTS_BYTES_MAX, LedgerError, LedgerMessage};
pub use receipt::{Draft, Hash, NO_TENANT, Receipt, ReceiptId, ReceiptKind};
pub use simulated_disk::{DiskFault, SimulatedDisk};
pub use store::Store;
pub use verify::{Break, verify};
