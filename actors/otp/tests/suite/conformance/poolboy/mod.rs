//! Pools, after `poolboy_tests`.

mod clients;
mod common;
mod pool;
mod workers;
