//! What other crates of Retake call that are in the same program. They find these functions by
//! their names, if the program has them.

use super::core::outcome::OutcomeKind;
use super::kernel::{me, set_aside, with};
use super::record::Tag;

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
    ]);
}
