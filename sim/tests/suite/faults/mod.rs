//! Faults that are planned, drawn, or chosen while a run takes place.

#[cfg(feature = "fs")]
mod disk;
mod every_kind;
mod injectors;
mod kinds;
#[cfg(feature = "net")]
mod network;
mod services;
mod strikes;
mod text;
