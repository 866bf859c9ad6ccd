//! Which task runs when, and that a run can be repeated.

mod order;
mod replay;
mod ties;
