//! What must hold, as checks: for simulations and, where they are cheap, live.
//!
//! Each check looks at what anybody can see of a part, or at a
//! [`Journal`](crate::journal::Journal), and gives all violations that it finds.
//! The numbers are those of the list below.
//!
//! ```
//! use retake_otp::pool::{PoolConfig, PoolState, PoolStatus, CheckoutCounts};
//! use retake_otp::invariants;
//!
//! let config = PoolConfig { size: 2, ..PoolConfig::default() };
//! let (state, counts) = (PoolState::Ready, CheckoutCounts::default());
//! let status = PoolStatus {
//!     state, idle: 1, overflow: 0, leased: 0, waiting: 0, waiting_max: 0, counts,
//! };
//! let wrong = invariants::pool(&config, &status);
//! assert_eq!(
//!     wrong[0].to_string(),
//!     "invariant 15: 1 idle and 0 leased, of 2 and 0 more (at most 10)",
//! );
//! ```
//!
//! | | holds | checked by |
//! |---|---|---|
//! | 1 | restarts within any period stay within the intensity; one more ends the supervisor, once | [`restarts`] |
//! | 2 | the strategy's set is stopped, in reverse order of starting | [`restart_sets`] |
//! | 3 | nobody outlives the supervisor | [`orphans`] |
//! | 4 | every incarnation ends once, and before the next one of its name starts | [`lives`] |
//! | 5 | a restarted actor begins in its declared recovery state | [`recovered_states`] |
//! | 6 | a failed child's supervisor receives the notice (a panic that nobody receives fails a simulation) | [`unheard`] |
//! | 7 | `post_stop` runs on graceful ends only | [`lives`] |
//! | 8 | a permanent child runs, once the system is at rest | [`tree_at_rest`] |
//! | 9 | messages of one sender are handled in their order | [`messages`] |
//! | 10 | a call comes to one end | [`calls`] |
//! | 11 | a message is handled once, or its receiver has ended | [`messages`] |
//! | 12 | no more messages or clients wait than may | [`mailbox_depth`], [`pool`] |
//! | 13 | nothing is handled after the stop | [`lives`] |
//! | 14 | nobody waits in a circle (a simulation reports it as a deadlock) | [`wait_cycles`] |
//! | 15 | idle + leased = size + overflow, and overflow within its bound | [`pool`] |
//! | 16 | what is leased is held by a client that lives | [`pool_leases`] |
//! | 17 | a worker is leased to one client at a time | [`pool_journal`] |
//! | 18 | clients are served in the order of asking, and nobody is left out | [`pool_journal`] |
//! | 19 | no worker beyond the size once all are given back | [`pool`] |
//! | 20 | nobody waits while a worker can be leased | [`pool`] |
//! | 22 | a state meets only events that it declares | [`Coverage::violations`] |
//! | 23 | which states have met which events is known | [`Coverage`] |
//! | 39 | without a fault nobody is restarted | [`undisturbed`] |
//!
//! 21 and 24 to 35 are about the governed system of `retake-system`, 36 to 38 about the
//! simulator: one seed gives one run, a replay is what it replays, goals are reached.
//! `docs/faults.md` names for each invariant the test that breaks it.

mod coverage;
mod mailbox;
mod pool;
mod supervision;
mod violation;

pub use coverage::Coverage;
pub use mailbox::{calls, mailbox_depth, messages, wait_cycles};
pub use pool::{pool, pool_journal, pool_leases};
pub use supervision::{
    lives, orphans, recovered_states, restart_sets, restarts, tree_at_rest, undisturbed, unheard,
};
pub use violation::Violation;
