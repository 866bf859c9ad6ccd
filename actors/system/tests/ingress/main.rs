//! The HTTP ingress answers as it says, on simulated sockets and on real ones.
#![allow(missing_docs)]

#[path = "../broken/mod.rs"]
mod broken;
#[path = "../files/mod.rs"]
mod files;

mod bounds;
mod common;
mod network;
mod orders;
mod serving;
mod signals;
mod strangers;
