//! The program's text in huge pages, for a worker that forks often.
//!
//! Linux copies no page tables of mapped files when a process forks: every child meets the
//! program's text page by page again, at some 120 page faults for a run of 50 steps, which
//! costs as much as the run. Page tables of huge pages of memory of one's own are copied, a
//! single entry for each 2 MB. So the worker puts a copy of the text, in such pages, at the
//! addresses at which it is.
//!
//! Children see the same bytes at the same addresses as before. Nothing here allocates while
//! the worker serves, so the memory from which its children start is the same as well.
//!
//! Source: `madvise(2)` on `MADV_COLLAPSE` (Linux 6.1); text in huge pages is described in
//! G. Ottoni and B. Maher, "Optimizing function placement for large-scale data-center
//! applications", CGO 2017.

#![allow(
    unsafe_code,
    reason = "memory of this program is replaced by a copy of itself"
)]

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr;

/// Children after which a copy pays: it takes as long as some 100 children gain.
const CHILDREN_MIN: u32 = 128;

/// The largest text that is copied, because every worker has a copy of its own.
const BYTES_MAX: usize = 128 << 20;

/// The size of a huge page.
const HUGE: usize = 2 << 20;

/// Flags of `madvise` that the C library's header may lack.
const MADV_COLLAPSE: libc::c_int = 25;

/// The part of the program's memory that is never written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    start: usize,
    length: NonZeroUsize,
    children: u32,
}

impl Text {
    /// Look where it is. None if it has no whole huge page, or is too large.
    pub(super) fn find() -> Option<Self> {
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        let (start, end) = unwritten(&maps)?;
        // The first page stays that of the file: what looks for the program's name by its
        // address finds it there.
        let start = (start + 1).next_multiple_of(HUGE);
        let length = (end & !(HUGE - 1)).checked_sub(start)?;
        Some(Self {
            start,
            length: NonZeroUsize::new(length).filter(|it| it.get() <= BYTES_MAX)?,
            children: 0,
        })
    }

    /// A child was made. Gives true when it is time for the copy, once.
    pub(super) fn count(&mut self) -> bool {
        self.children = self.children.saturating_add(1);
        self.children == CHILDREN_MIN
    }

    /// Put a copy in huge pages in its place. Where the system has none, nothing changes.
    pub(super) fn put_in_huge_pages(self) {
        let length = self.length.get();
        // SAFETY: the new memory is this function's until it is moved. It is moved only when
        // it has the bytes and the rights of what it replaces, and no other thread runs: the
        // system call returns to the same instruction at the same address. Nothing writes to
        // this part of the program, so the copy is not out of date.
        unsafe {
            let reserved = libc::mmap(
                ptr::null_mut(),
                length + HUGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            );
            if reserved == libc::MAP_FAILED {
                return;
            }
            let copy = reserved.byte_add(reserved.align_offset(HUGE));
            libc::madvise(copy, length, libc::MADV_HUGEPAGE);
            ptr::copy_nonoverlapping(self.start as *const c_void, copy, length);
            if libc::madvise(copy, length, MADV_COLLAPSE) == 0
                && libc::mprotect(copy, length, libc::PROT_READ | libc::PROT_EXEC) == 0
            {
                libc::mremap(
                    copy,
                    length,
                    length,
                    libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
                    self.start as *mut c_void,
                );
            }
            // What was moved is no longer there, which is no error.
            libc::munmap(reserved, length + HUGE);
        }
    }
}

/// The mappings of the program's file from the first one up to the first that is written.
fn unwritten(maps: &str) -> Option<(usize, usize)> {
    let mut found: Option<(usize, usize, &str)> = None;
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights) = (fields.next()?, fields.next()?);
        let file = fields.nth(3).unwrap_or_default();
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        found = match found {
            None => Some((start, end, file)),
            Some((first, last, of)) if last == start && of == file && !rights.contains('w') => {
                Some((first, end, of))
            }
            Some(_) => break,
        };
    }
    found.map(|(start, end, _)| (start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_is_never_written_ends_where_another_file_or_a_gap_or_data_begins() {
        let mut maps = String::from(
            "555555554000-5555559e5000 r--p 00000000 fe:00 24 /a program\n\
             5555559e5000-555556a23000 r-xp 00490000 fe:00 24 /a program\n",
        );
        let found = Some((0x5555_5555_4000, 0x5555_56a2_3000));
        assert_eq!(unwritten(&maps), found);
        for next in [
            "555556a23000-555556a66000 rw-p 014ce000 fe:00 24 /a program\n",
            "555556a23000-555556a66000 r--p 00000000 fe:00 25 /another\n",
            "555556a24000-555556a66000 r--p 014ce000 fe:00 24 /a program\n",
        ] {
            assert_eq!(unwritten(&format!("{maps}{next}")), found, "{next}");
        }
        maps.push_str("555556a23000-555556a66000 r--p 014ce000 fe:00 24 /a program\n");
        assert_eq!(unwritten(&maps), Some((0x5555_5555_4000, 0x5555_56a6_6000)));
        for wrong in ["", "x", "x y", "5-z r--p 0 0 0 a"] {
            assert_eq!(unwritten(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_copy_is_made_once() {
        let mut text = Text::find().unwrap_or(Text {
            start: 0,
            length: NonZeroUsize::MIN,
            children: 0,
        });
        let times: Vec<u32> = (1..=1000).filter(|_| text.count()).collect();
        assert_eq!(times, [CHILDREN_MIN]);
    }
}
