//! The rules of the simulator, by family. In binaries of their own are only the tests that need a
//! process for themselves: recordings of live processes (`live`), a program that is simulated as a
//! whole (`whole_program`) and one with a panic hook of its own (`panic_hook`).

mod attributes;
mod ends;
mod explore;
mod faults;
mod schedule;
mod story;
