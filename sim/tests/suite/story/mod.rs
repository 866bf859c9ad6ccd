//! What the trace says in addition to the schedule.

mod causality;
mod states;
