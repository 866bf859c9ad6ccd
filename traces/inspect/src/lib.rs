//! What a trace means to people and to other programs: its story, its timeline, how it
//! differs from another one, and its export to other formats.
//!
//! The modules, in reading order: [`story`] makes lines for people, [`mod@notes`] says
//! why a task resumes, and [`mod@fold`] folds what repeats; [`timeline`] goes to any step and shows the state of all actors there;
//! [`mod@compare`] finds the first difference between two runs line by line, [`causal`] by what
//! caused what; [`export`] writes a run in the formats that other programs read.

pub mod causal;
pub mod compare;
mod entries;
pub mod export;
pub mod fold;
pub mod notes;
mod senders;
pub mod story;
pub mod timeline;

pub use causal::{CausalDiff, causal_diff};
pub use compare::{Comparer, Diff, Divergence, compare, diff};
pub use story::Line;
pub use timeline::Timeline;
