//! The checks of journals hold for the actors under random failures, and each
//! catches a journal in which one thing is wrong.

mod common;
mod messages;
mod pool;
mod supervision;
