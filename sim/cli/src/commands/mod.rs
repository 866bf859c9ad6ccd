//! The commands of every program.

mod arguments;
mod campaign;
mod campaign_text;
pub(super) mod case;
pub(super) mod debug;
pub(super) mod explore;
pub(super) mod export;
pub(super) mod inspect;
mod live;
mod progress;
pub(super) mod run;
mod timeline_text;
pub(super) mod view;

pub use arguments::Isolation;
