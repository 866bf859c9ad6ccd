//! What a run says of itself, for the process that started it.
//!
//! A file that is mapped into memory: a process that is killed has lost nothing that it has
//! recorded. It begins with [`MAGIC`] and the length of what follows; then come events, each a
//! tag and its fields: numbers in groups of seven bits, texts behind their lengths.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use super::sys;

pub(super) const MAGIC: &[u8; 8] = b"RTKSEED1";
/// The magic number and the length.
const HEADER: usize = 16;
/// The file may grow to this. It has holes where nothing was written yet.
const CAPACITY: usize = 1 << 32;
/// What an event may take at most: texts are cut to fit.
const EVENT_MAX: usize = 1 << 16;
const TEXT_MAX: usize = 1 << 14;

/// The kinds of events, as tags.
#[derive(Clone, Copy)]
pub(super) enum Tag {
    Hello = 1,
    Runtime = 2,
    Task = 3,
    Step = 4,
    Message = 5,
    Cause = 6,
    Panic = 7,
    TaskEnded = 8,
    Hold = 9,
    Note = 10,
    Ended = 11,
    Stats = 12,
    Main = 13,
    Text = 14,
    Awaits = 15,
    Fault = 16,
}

pub(super) struct Record {
    base: *mut u8,
    length: usize,
    file: Option<File>,
    /// What happens is no part of the run any more.
    is_muted: bool,
}

impl Record {
    /// Into this file; nowhere without one.
    pub(super) fn new(path: Option<&str>) -> Self {
        let nowhere = Self {
            base: std::ptr::null_mut(),
            length: 0,
            file: None,
            is_muted: false,
        };
        let Some(path) = path else { return nowhere };
        let open = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path);
        let file = match open {
            Ok(file) => file,
            Err(error) => {
                eprintln!("error: {path}: {error}");
                std::process::exit(2);
            }
        };
        const PROT_READ_WRITE: i32 = 3;
        const MAP_SHARED_NORESERVE: i32 = 0x1 | 0x4000;
        // SAFETY: the file is open, and has the length that is mapped.
        let base = unsafe {
            sys::ftruncate(file.as_raw_fd(), CAPACITY as i64);
            sys::mmap(
                std::ptr::null_mut(),
                CAPACITY,
                PROT_READ_WRITE,
                MAP_SHARED_NORESERVE,
                file.as_raw_fd(),
                0,
            )
        };
        if base as isize == -1 {
            eprintln!(
                "error: {path}: cannot be mapped: {}",
                std::io::Error::last_os_error()
            );
            std::process::exit(2);
        }
        let base = base.cast::<u8>();
        // SAFETY: the mapping is longer than the header.
        unsafe { base.copy_from_nonoverlapping(MAGIC.as_ptr(), MAGIC.len()) };
        Self {
            base,
            length: HEADER,
            file: Some(file),
            is_muted: false,
        }
    }

    /// Record nothing.
    pub(super) fn mute(&mut self) {
        self.is_muted = true;
    }

    /// Record again.
    pub(super) fn unmute(&mut self) {
        self.is_muted = false;
    }

    /// One event.
    #[inline]
    pub(super) fn event(&mut self, tag: Tag, fields: impl FnOnce(&mut Fields<'_>)) {
        if self.base.is_null() || self.is_muted || self.length + EVENT_MAX > CAPACITY {
            return;
        }
        let mut fields_of = Fields { record: self };
        fields_of.byte(tag as u8);
        fields(&mut fields_of);
        // SAFETY: the mapping begins at a page, so the place is aligned, and lives on.
        let length = unsafe { &*self.base.add(MAGIC.len()).cast::<AtomicU64>() };
        length.store((self.length - HEADER) as u64, Ordering::Release);
    }

    /// Give the file the length of what was written.
    pub(super) fn finish(&mut self) {
        if let Some(file) = &self.file {
            // SAFETY: the file is open.
            unsafe { sys::ftruncate(file.as_raw_fd(), self.length as i64) };
        }
        self.base = std::ptr::null_mut();
    }
}

/// Writes the fields of an event.
pub(super) struct Fields<'a> {
    record: &'a mut Record,
}

impl Fields<'_> {
    #[inline]
    fn byte(&mut self, byte: u8) {
        // SAFETY: an event begins only where the longest one fits.
        unsafe { self.record.base.add(self.record.length).write(byte) };
        self.record.length += 1;
    }

    #[inline]
    pub(super) fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let mut end = text.len().min(TEXT_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.number(end as u64);
        text.as_bytes()[..end]
            .iter()
            .for_each(|byte| self.byte(*byte));
        self
    }
}
