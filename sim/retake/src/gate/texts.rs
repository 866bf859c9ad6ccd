//! Texts of messages and states, and what tells messages apart without them.

use std::any::type_name;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::engine::{self, Engine};
use crate::names::short_name_of;

pub(super) fn short_name<T>() -> String {
    short_name_of(type_name::<T>()).to_owned()
}

/// The number of an enum value's variant.
///
/// `Discriminant` shows its number only to a `Hasher`, so this one keeps what it is shown.
#[inline]
pub(super) fn discriminant_of<T>(value: &T) -> u16 {
    struct Keep(u64);
    impl Hasher for Keep {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 << 8) | u64::from(*byte);
            }
        }
        fn write_isize(&mut self, number: isize) {
            self.0 = number.cast_unsigned() as u64;
        }
        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }
    let mut keep = Keep(0);
    discriminant(value).hash(&mut keep);
    (keep.finish() & 0xffff) as u16
}

/// Gives the text of a message where its type is `Debug`, for code that
/// [`simulated`](macro@crate::simulated) generates.
///
/// Method resolution prefers the inherent method, which exists only where
/// `M: Debug`, and falls back to the trait's.
#[doc(hidden)]
#[derive(Debug)]
pub struct Probe<'a, M>(pub &'a M);

impl<M: Clone> Probe<'_, M> {
    /// The same once more.
    #[doc(hidden)]
    #[must_use]
    pub fn copy(&self) -> Option<M> {
        Some(self.0.clone())
    }
}

impl<M: std::fmt::Debug> Probe<'_, M> {
    #[doc(hidden)]
    pub fn text(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }

    #[doc(hidden)]
    pub fn state(&self) -> Option<String> {
        Some(state_text(self.0))
    }
}

#[doc(hidden)]
pub trait ProbeFallback {
    /// What is copied.
    #[doc(hidden)]
    type Message;
    #[doc(hidden)]
    fn copy(&self) -> Option<Self::Message>;
    #[doc(hidden)]
    fn text(&self) -> Option<String>;
    #[doc(hidden)]
    fn state(&self) -> Option<String>;
}

impl<M> ProbeFallback for Probe<'_, M> {
    type Message = M;

    fn copy(&self) -> Option<M> {
        None
    }

    fn text(&self) -> Option<String> {
        None
    }

    fn state(&self) -> Option<String> {
        None
    }
}

/// A state as text, on several lines so that two of them can be compared line by line.
///
/// However large it is, no more than `STATE_MAX` bytes are made of it.
pub(super) fn state_text(state: &impl std::fmt::Debug) -> String {
    let mut text = BoundedText(String::new());
    // A panic in here would be one of the actor's, that only recording brings about.
    let made = catch_unwind(AssertUnwindSafe(|| write!(text, "{state:#?}")));
    match made {
        Err(_) => {
            engine::gating(Engine::ignore_panic);
            return String::from("(its `Debug` panics)");
        }
        Ok(Err(_)) => text.0.push('…'),
        Ok(Ok(())) => {}
    }
    text.0
}

/// Longest text of a state as it is made; what engines keep of it is shorter.
const STATE_MAX: usize = 256 << 10;

/// Refuses what is too much, which ends the formatting.
struct BoundedText(String);

impl std::fmt::Write for BoundedText {
    fn write_str(&mut self, piece: &str) -> std::fmt::Result {
        if self.0.len() + piece.len() > STATE_MAX {
            return Err(std::fmt::Error);
        }
        self.0.push_str(piece);
        Ok(())
    }
}
