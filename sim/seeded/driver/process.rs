//! The start and the end of a simulated process.

use super::core::outcome::OUT_OF_TIME;
use super::flags;
use super::kernel::{self, me, with};
use super::record::Tag;
use super::settings::Settings;
use super::{children, files, program, sockets, symbols, sys};

/// The linker has it called before `main`.
#[used]
#[link_section = ".init_array"]
static START: extern "C" fn() = start;

extern "C" fn start() {
    symbols::keep();
    children::keep();
    files::keep();
    sockets::keep();
    program::keep();
    if let Some(settings) = Settings::take() {
        kernel::start(settings);
        // SAFETY: the functions are of the types that are declared, and the handler only sets a flag.
        unsafe {
            sys::atexit(at_exit);
            sys::signal(OUT_OF_TIME, flags::set_out_of_time);
        }
        record_panics();
    }
}

extern "C" fn at_exit() {
    if me().is_some() {
        with(|kernel| kernel.finish());
    }
}

fn record_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if me().is_some() {
            let text = panic.payload();
            let text = text
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| text.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a value that is no text".to_owned());
            let place = panic.location();
            with(|kernel| {
                let serial = kernel.current;
                kernel.record.event(Tag::Panic, |fields| {
                    fields.number(serial.into()).text(&text);
                    fields.text(place.map_or("", |place| place.file()));
                    fields.number(place.map_or(0, |place| place.line().into()));
                    fields.number(place.map_or(0, |place| place.column().into()));
                });
            });
        }
        before(panic);
    }));
}
