//! What moves in addition to the tasks: a simulated network, for example.

use std::time::Duration;

/// Something that acts in virtual time without being a task.
///
/// It acts when nothing is runnable: everything that can happen at an instant has then
/// happened. It lives on the simulation's thread and must act by virtual time, and
/// by randomness that it drew from the run, alone.
pub trait Environment {
    /// Do what is due at `now`. True if that may have woken tasks; it is asked again
    /// then, before time moves.
    fn act(&mut self, now: Duration) -> bool;

    /// When there is something to do next, if nothing else happens.
    fn next(&self) -> Option<Duration>;

    /// What has gone wrong on purpose since it was asked last: each is an event of the story.
    fn drain_events(&mut self) -> Vec<String> {
        Vec::new()
    }
}
