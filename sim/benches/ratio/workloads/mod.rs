//! The actors that are measured. Each file has one function to run its load,
//! which gives the number of units of work done.

pub(crate) mod fan_in;
pub(crate) mod ping_pong;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod ring;
pub(crate) mod still;
