//! What the trace says beside the schedule.

mod causality;
mod states;
