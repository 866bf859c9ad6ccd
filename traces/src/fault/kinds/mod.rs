//! The kinds of faults, one in each file.
//!
//! A kind has the word that its text begins with, what follows it, what it does, by which
//! recipes a swarm draws it, and what a person reads of it. To add one, write its file and
//! add it to the list below.

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use retake_core::fault::{Effect, Moment};
use serde::Serialize;

use super::recipe::Recipe;
use super::words::{Tail, Words};

mod break_service;
mod buggify;
mod clock;
mod coalesce;
mod corrupt_disk;
mod crash_disk;
mod cut;
mod delay;
mod delay_packets;
mod disks;
mod drain;
mod duplicate;
mod duplicate_packets;
mod fail;
mod fail_disk;
mod fill_disk;
mod heal;
mod kill;
mod late;
mod links;
mod load;
mod lose;
mod lose_packets;
mod packets;
mod panic;
mod pause;
mod point;
mod reorder_packets;
mod reset;
mod shorten_disk;
mod slow;
mod squat;
mod stop;

pub use break_service::BreakService;
pub use buggify::Buggify;
pub use clock::Clock;
pub use coalesce::Coalesce;
pub use corrupt_disk::CorruptDisk;
pub use crash_disk::CrashDisk;
pub use cut::Cut;
pub use delay::Delay;
pub use delay_packets::DelayPackets;
pub use disks::Operations;
pub use drain::Drain;
pub use duplicate::Duplicate;
pub use duplicate_packets::DuplicatePackets;
pub use fail::Fail;
pub use fail_disk::FailDisk;
pub use fill_disk::FillDisk;
pub use heal::Heal;
pub use kill::Kill;
pub use late::Late;
pub use load::Load;
pub use lose::Lose;
pub use lose_packets::LosePackets;
pub use packets::Packets;
pub use panic::Panic;
pub use pause::Pause;
pub use point::Point;
pub use reorder_packets::ReorderPackets;
pub use reset::Reset;
pub use shorten_disk::ShortenDisk;
pub use slow::Slow;
pub use squat::Squat;
pub use stop::Stop;

/// A kind of fault, with its parameters.
trait Kind: Sized {
    /// The word that its text begins with.
    const VERB: &'static str;

    /// How its text is written: `[…]` may be left out, `|` is between alternatives.
    const FORM: &'static str;

    /// Recipes by which a swarm draws faults of this kind.
    const RECIPES: &'static [Recipe] = &[];

    /// Read what follows the word, and is not the target.
    fn parse(words: &mut Words<'_>) -> Result<Self, String>;

    /// What [`parse`](Self::parse) reads.
    fn tail(&self) -> Tail {
        Tail::default()
    }

    /// When it has its effect.
    fn moment(&self) -> Moment;

    /// What it does.
    fn effect(&self) -> Effect;

    /// Whether an actor may end by it.
    const ENDS_AN_ACTOR: bool = false;

    /// What happens, for a person.
    fn describe(&self) -> String;
}

/// How the text of one kind is read.
pub(super) struct Grammar {
    /// The word that it begins with.
    pub(super) verb: &'static str,
    /// How it is written.
    pub(super) form: &'static str,
    /// Reads what follows the word.
    pub(super) parse: fn(&mut Words<'_>) -> Result<Action, String>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// What a fault does.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Action {
            $($(#[$doc])* $kind($kind),)*
        }

        impl Encode for Action {
            fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
                self.verb().encode(encoder)?;
                match self { $(Self::$kind(it) => it.encode(encoder),)* }
            }
        }

        impl<C> Decode<C> for Action {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                match &*String::decode(decoder)? {
                    $($kind::VERB => Ok(Self::$kind(Decode::decode(decoder)?)),)*
                    _ => Err(DecodeError::Other("there is no such kind of fault")),
                }
            }
        }

        $(impl From<$kind> for Action {
            fn from(kind: $kind) -> Self {
                Self::$kind(kind)
            }
        })*

        /// How each kind is read.
        pub(super) const GRAMMARS: &[Grammar] = &[$(Grammar {
            verb: $kind::VERB,
            form: $kind::FORM,
            parse: |words| $kind::parse(words).map(Action::$kind),
        },)*];

        /// Recipes of all kinds.
        pub(super) const RECIPES: &[&[Recipe]] = &[$($kind::RECIPES,)*];

        impl Action {
            /// The word that its text begins with.
            #[must_use]
            pub fn verb(&self) -> &'static str {
                match self { $(Self::$kind(_) => $kind::VERB,)* }
            }

            /// How its text is written.
            pub(super) fn form(&self) -> &'static str {
                match self { $(Self::$kind(_) => $kind::FORM,)* }
            }

            pub(super) fn tail(&self) -> Tail {
                match self { $(Self::$kind(it) => it.tail(),)* }
            }

            /// When it has its effect.
            #[must_use]
            pub fn moment(&self) -> Moment {
                match self { $(Self::$kind(it) => it.moment(),)* }
            }

            /// What a simulator does.
            #[must_use]
            pub fn effect(&self) -> Effect {
                match self { $(Self::$kind(it) => it.effect(),)* }
            }

            /// True where an actor may end by it.
            #[must_use]
            pub fn ends_an_actor(&self) -> bool {
                match self { $(Self::$kind(_) => $kind::ENDS_AN_ACTOR,)* }
            }

            /// What happens, for a person.
            #[must_use]
            pub fn describe(&self) -> String {
                match self { $(Self::$kind(it) => it.describe(),)* }
            }
        }
    };
}

kinds! {
    /// Kill the actor.
    Kill,
    /// A callback of the actor panics.
    Panic,
    /// A callback of the actor returns an error.
    Fail,
    /// The actor stops after its present message.
    Stop,
    /// The actor stops after the messages that it has.
    Drain,
    /// A message of the actor is dropped unhandled.
    Lose,
    /// A message of the actor is sent to it once more.
    Duplicate,
    /// The task does not run for a time.
    Delay,
    /// Each step of the task comes late, or its next start.
    Slow,
    /// The actor's name is taken as soon as it is free.
    Squat,
    /// Nothing runs for a time.
    Pause,
    /// Timers fire late.
    Late,
    /// Timers fire at multiples of a time only.
    Coalesce,
    /// The wall clock is wrong.
    Clock,
    /// Loads are larger.
    Load,
    /// A marked place misbehaves once.
    Point,
    /// Marked places misbehave now and then.
    Buggify,
    /// Nothing goes wrong any more.
    Heal,
    /// Requests of a service fail.
    BreakService,
    /// A link between hosts is cut.
    Cut,
    /// A connection is reset.
    Reset,
    /// Packets are lost.
    LosePackets,
    /// Packets take longer.
    DelayPackets,
    /// Packets come twice.
    DuplicatePackets,
    /// Packets may be overtaken.
    ReorderPackets,
    /// A disk loses what was not synced.
    CrashDisk,
    /// A disk is full.
    FillDisk,
    /// Operations on a disk fail.
    FailDisk,
    /// A part of the bytes is read or written.
    ShortenDisk,
    /// A bit of what is read is wrong.
    CorruptDisk,
}

bincode::impl_borrow_decode!(Action);

/// The words that texts of faults begin with, one for each kind.
pub fn verbs() -> impl Iterator<Item = &'static str> {
    GRAMMARS.iter().map(|it| it.verb)
}

/// The same with how each text is written: `[…]` may be left out, `|` is between alternatives.
pub fn grammars() -> impl Iterator<Item = (&'static str, &'static str)> {
    GRAMMARS.iter().map(|it| (it.verb, it.form))
}

impl Action {
    /// True where the whole run is affected.
    #[must_use]
    pub fn is_about_the_run(&self) -> bool {
        matches!(self.moment(), Moment::Run | Moment::Packet)
    }

    /// True where a fault has a task for its target.
    #[must_use]
    pub fn has_target(&self) -> bool {
        use Moment::{Packet, Place, Request, Run};
        !matches!(self.moment(), Run | Place | Request | Packet)
    }
}

/// `until 3.000000000 s`.
fn until(until_ns: u64) -> String {
    format!("until {} s", retake_core::time::Seconds(until_ns))
}

/// The same after a sentence, where there is such a time.
fn and_until(until_ns: Option<u64>) -> String {
    until_ns.map_or_else(String::new, |ns| format!(" {}", until(ns)))
}
