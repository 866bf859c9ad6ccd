//! Records a live process of actors, so that a simulator can follow what it did.
//!
//! While a [`Recording`] runs, it takes part in every gate of the process (see the crate
//! `retake`): it gives one task at a time the turn, and writes down who had it, what came
//! from outside, and how it ended. So the recorded order is a real one, also of what actors
//! share in memory, and it is the price: one step at a time. Within a step, time does not
//! move, and random numbers come from a seed in the recording.
//!
//! ```
//! use ractor::{Actor, ActorProcessingErr, ActorRef};
//!
//! struct Greeter;
//!
//! #[retake::simulated]
//! impl Actor for Greeter {
//!     type Msg = String;
//!     type State = ();
//!     type Arguments = ();
//!
//!     async fn pre_start(&self, _: ActorRef<String>, (): ()) -> Result<(), ActorProcessingErr> {
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("greeter.retake");
//! let recording = retake_live::start(&path, retake_live::Config::new("greeter"))?;
//! let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
//! runtime.block_on(retake::record::scenario(async {
//!     let (greeter, handle) = Actor::spawn(None, Greeter, ()).await.unwrap();
//!     greeter.cast("hello".to_owned()).unwrap();
//!     greeter.drain().unwrap();
//!     handle.await.unwrap();
//! }));
//! let recorded = recording.finish()?;
//! assert!(recorded.steps >= 3, "post_start, handle and post_stop");
//! # Ok(())
//! # }
//! ```
//!
//! The modules, in reading order: `recording` starts and ends one; `recorder` is what gates
//! ask; `state` is who has the turn and what has been written; `after_poll` is how long a turn
//! lasts that ends an actor or task; [`identity`] is who is called what, and [`rng`] where random
//! numbers come from, both as in a simulation.

mod after_poll;
pub mod identity;
mod recorder;
mod recording;
pub mod rng;
mod state;

pub use recording::{Config, Recording, StartError, start};
pub use state::RecordingReport;
