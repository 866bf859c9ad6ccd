//! The HTTP ingress answers as it says, on simulated sockets and on real ones.

mod bounds;
mod common;
mod network;
mod orders;
mod serving;
mod signals;
mod strangers;
