//! Supervisors, after `supervisor_SUITE`.

mod children;
mod common;
mod restarts;
