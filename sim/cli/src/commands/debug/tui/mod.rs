//! The debugger in a terminal.
//!
//! `model` is what there is to see; `update` changes it by a key; `view` draws it, and
//! knows nothing else; `layout` is where things are; `terminal` runs the three.

mod layout;
mod model;
mod terminal;
#[cfg(test)]
mod tests;
mod update;
mod view;

pub(super) use terminal::run;
