//! What must hold of the governed system, and of the actors that it is made of.
//!
//! These continue [`retake_otp::invariants`], which are here too.
//!
//! | | holds | checked by |
//! |---|---|---|
//! | 21 | governors change state as declared | [`governors`] |
//! | 24 | an action ends within its time, and once; one at a time for a tenant | [`governors`] |
//! | 25 | the hash chains verify from genesis | [`ledger()`], [`chains`] |
//! | 26 | what was acknowledged is there, unchanged | [`acknowledged`] |
//! | 27 | recovery cuts off only what was not acknowledged | [`recovery`] |
//! | 28 | ids have no gaps | [`ledger`] |
//! | 29 | one idempotency key, at most one receipt | [`ledger`] |
//! | 30 | what is served is what was written | [`recovery`] |
//! | 31 | recovering again changes nothing | [`same_recovery`] |
//! | 32 | 200 has a receipt, which is there | [`answers`] |
//! | 33 | requests are shed only when as many as may are worked on | [`shedding`] |
//! | 34 | nothing is taken after its client's deadline | [`late_work`] |
//! | 35 | the queue drains after the load | [`drained`] |

mod governor;
mod ingress;
mod ledger;

pub use retake_otp::invariants::*;

pub use governor::governors;
pub use ingress::{answers, drained, late_work, shedding};
pub use ledger::{acknowledged, chains, ledger, recovery, same_recovery, sequence};
