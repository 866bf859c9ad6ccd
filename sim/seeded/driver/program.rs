//! What other crates of Retake call that are in the same program. They find these functions by
//! their names, if the program has them.

use super::core::outcome::OutcomeKind;
use super::core::service::ServiceFailure;
use super::core::time::nanos;
use super::fault_gates;
use super::kernel::{me, set_aside, with};
use super::record::Tag;

/// The kind of a text that is the name of what runs now.
const NAME: u32 = 0;

/// Whether this thread is simulated.
#[no_mangle]
extern "C" fn retake_seeded_is_simulated() -> bool {
    me().is_some()
}

/// Take this thread out of the simulation, or back in. It keeps the turn: all others wait.
#[no_mangle]
extern "C" fn retake_seeded_set_aside(on: bool) {
    set_aside(on);
}

/// Whether texts are recorded.
#[no_mangle]
extern "C" fn retake_seeded_records_texts() -> bool {
    me().is_some() && with(|kernel| kernel.settings.records)
}

/// Record a text of what runs now. `kind` is a number of `TextKind` in `src/event.rs`.
#[no_mangle]
unsafe extern "C" fn retake_seeded_text(kind: u32, text: *const u8, length: usize) {
    if me().is_some() {
        // SAFETY: as the caller promises.
        let text = unsafe { text_of(text, length) };
        with(|kernel| {
            let serial = kernel.current;
            if kind == NAME && kernel.faults.is_on() {
                kernel.faults.labels.name(serial, text.clone());
            }
            kernel.record.event(Tag::Text, |fields| {
                fields.number(serial.into()).number(kind.into()).text(&text);
            });
        });
    }
}

/// A check has failed: the run ends.
#[no_mangle]
unsafe extern "C" fn retake_seeded_violated(text: *const u8, length: usize) {
    if me().is_some() {
        // SAFETY: as the caller promises.
        let text = unsafe { text_of(text, length) };
        with(|kernel| kernel.end(OutcomeKind::Violated, &text));
    }
}

/// The function that ends an actor: by the actor's number, and by that of a `Termination`.
#[no_mangle]
extern "C" fn retake_seeded_ends_actors(carry: fault_gates::Carry) {
    fault_gates::set_carry(carry);
}

/// What runs now is an actor whose callbacks have gates, of this name. Its number, or `u32::MAX` if
/// nothing goes wrong in this run.
#[no_mangle]
unsafe extern "C" fn retake_seeded_is_actor(name: *const u8, length: usize) -> u32 {
    if me().is_none() {
        return u32::MAX;
    }
    with(|kernel| {
        let Some(serial) = kernel.has_gates() else {
            return u32::MAX;
        };
        // SAFETY: as the caller promises.
        let name = unsafe { text_of(name, length) };
        kernel.faults.labels.name(serial, name);
        serial
    })
}

/// A callback of the actor begins, of this number of `StepKind`. The number of the `Instead`.
#[no_mangle]
extern "C" fn retake_seeded_callback(part: u32) -> u32 {
    match me() {
        Some(_) => with(|kernel| kernel.turn_of_callback(part)) as u32,
        None => 0,
    }
}

/// An actor of this name starts. The number of the `Instead`.
#[no_mangle]
unsafe extern "C" fn retake_seeded_starts(name: *const u8, length: usize) -> u32 {
    if me().is_none() || !with(|kernel| kernel.faults.is_on()) {
        return 0;
    }
    // SAFETY: as the caller promises.
    let name = unsafe { text_of(name, length) };
    with(|kernel| kernel.turn_of_start(&name)) as u32
}

/// Whether the message that the actor handles is sent to it once more; `is_sent` says that it is.
#[no_mangle]
extern "C" fn retake_seeded_copies(is_sent: bool) -> bool {
    me().is_some() && with(|kernel| kernel.faults.is_on() && kernel.copies_message(is_sent))
}

/// Whether the marked place of this name misbehaves now.
#[no_mangle]
unsafe extern "C" fn retake_seeded_misbehaves(name: *const u8, length: usize) -> bool {
    if me().is_none() {
        return false;
    }
    // SAFETY: as the caller promises.
    let name = unsafe { text_of(name, length) };
    with(|kernel| kernel.misbehaves(&name))
}

/// Whether a heal is planned that has not come.
#[no_mangle]
extern "C" fn retake_seeded_awaits_heal() -> bool {
    me().is_some() && with(|kernel| kernel.awaits_heal())
}

/// How much of a load to make.
#[no_mangle]
extern "C" fn retake_seeded_load(full: u32) -> u32 {
    match me() {
        Some(_) => with(|kernel| kernel.load(full)),
        None => full,
    }
}

/// How a request of this service fails: its number among the words of failures, and how late it is, in
/// nanoseconds. `u32::MAX` if it does not.
#[no_mangle]
unsafe extern "C" fn retake_seeded_service(name: *const u8, length: usize, late: *mut u64) -> u32 {
    if me().is_none() {
        return u32::MAX;
    }
    // SAFETY: as the caller promises.
    let name = unsafe { text_of(name, length) };
    let Some(failure) = with(|kernel| kernel.service(&name)) else {
        return u32::MAX;
    };
    if let ServiceFailure::Slow(time) = failure {
        // SAFETY: as the caller promises.
        unsafe { late.write(nanos(time)) };
    }
    let number = ServiceFailure::words().position(|word| word == failure.word());
    number.map_or(u32::MAX, |number| number as u32)
}

/// # Safety
/// The memory is valid for this length.
unsafe fn text_of(text: *const u8, length: usize) -> String {
    // SAFETY: as the caller promises.
    let bytes = unsafe { std::slice::from_raw_parts(text, length) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// Have the linker keep what is here.
pub(super) fn keep() {
    std::hint::black_box([
        retake_seeded_is_simulated as *const (),
        retake_seeded_set_aside as *const (),
        retake_seeded_records_texts as *const (),
        retake_seeded_text as *const (),
        retake_seeded_violated as *const (),
        retake_seeded_ends_actors as *const (),
        retake_seeded_is_actor as *const (),
        retake_seeded_callback as *const (),
        retake_seeded_starts as *const (),
        retake_seeded_copies as *const (),
        retake_seeded_misbehaves as *const (),
        retake_seeded_awaits_heal as *const (),
        retake_seeded_load as *const (),
        retake_seeded_service as *const (),
    ]);
}
