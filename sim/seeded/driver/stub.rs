//! For systems on which nothing is simulated: tokio is as it was.

use std::marker::PhantomData;
use std::panic::Location;
use std::task::{Poll, Waker};

#[derive(Debug)]
pub(crate) struct Slot;

pub(crate) const NO_SLOT: u32 = u32::MAX;

impl Slot {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn get(&self) -> u32 {
        NO_SLOT
    }
}

#[derive(Debug)]
pub(crate) struct Inbox;

impl Inbox {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn sent(&self) {}

    pub(crate) fn received_from(&self, _: impl FnOnce() -> usize) {}

    pub(crate) fn taken(&self, _: usize) {}

    pub(crate) fn closed(&self, _: impl FnOnce() -> usize) {}
}

#[derive(Debug)]
pub(crate) struct Use;

impl Use {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn begins(&self) {}

    pub(crate) fn polled<E>(&self, result: Poll<Result<(), E>>) -> Poll<Result<(), E>> {
        result
    }

    pub(crate) fn acquired(&self) {}

    pub(crate) fn released(&self) {}

    pub(crate) fn waits(&self) {}
}

pub(crate) enum LocalTurn {
    Task(u32),
    Nothing,
    Any,
}

pub(crate) enum Turn {
    Main,
    Task(u32),
    Look,
    Idle,
}

pub(crate) struct DriverGuard(PhantomData<()>);

impl DriverGuard {
    pub(crate) fn start(_: u32) -> Option<Self> {
        None
    }

    pub(crate) fn parks(&self, _: bool) {}

    pub(crate) fn looks(&self, _: bool) {}

    pub(crate) fn is_busy(&self) -> bool {
        false
    }

    pub(crate) fn next(&self) -> Turn {
        Turn::Idle
    }
}

macro_rules! nothing {
    ($($name:ident($($type:ty),*) $(-> $result:ty = $value:expr)?;)*) => {
        $(#[inline]
        pub(crate) fn $name($(_: $type),*) $(-> $result)? {
            $($value)?
        })*
    };
}

nothing! {
    is_on() -> bool = false;
    is_simulated() -> bool = false;
    is_local_turn() -> bool = false;
    looks() -> bool = false;
    leaf();
    is_vain(u32);
    cancels();
    panics(u64);
    joins(u64);
    new_runtime(bool) -> u32 = u32::MAX;
    new_local_set() -> u32 = u32::MAX;
    builds_threads() -> bool = false;
    is_driven(u32) -> bool = true;
    stop_driving();
    blocks_on(&'static str, &'static Location<'static>);
    spawns(&'static str);
    spawns_as(Option<&str>);
    spawns_at(&'static Location<'static>);
    ended(&Slot);
    ready(u32, &Slot, impl FnOnce() -> u64, usize);
    main_ready(u32);
    escapes(&str);
    has_event_source();
    listens_to_signals();
    polls(usize);
    polls_set(&Waker);
    gives_way(&Waker) -> bool = false;
    give_way();
    taken(&Waker, &'static str);
    has_local_turn(u32) -> bool = false;
    local_ready(u32, &Slot, u64, usize) -> bool = false;
    local_turn(u32) -> LocalTurn = LocalTurn::Any;
    choose_local(usize) -> usize = 0;
}

pub(crate) fn look_waker(waker: &Waker) -> &Waker {
    waker
}

pub(crate) fn with_threads<R>(build: impl FnOnce() -> R) -> R {
    build()
}
