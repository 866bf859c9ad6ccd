//! What tells this executable from others: its build id, a hash over its content that linkers
//! put into ELF files (`--build-id`, which compilers on Linux ask for by default).

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use xxhash_rust::xxh3::Xxh3;

/// The largest part of a file that is read for it, in bytes.
const NOTES_MAX: u64 = 1 << 20;
/// Entries of the table of segments, at most.
const SEGMENTS_MAX: u16 = 256;
/// A segment that holds notes.
const PT_NOTE: u32 = 4;
/// The note that holds the id.
const NT_GNU_BUILD_ID: u32 = 3;

/// What tells this executable from others: the linker's hash of it where there is one, since
/// without optimization a hash of our own takes seconds for a large executable.
pub(crate) fn identity() -> std::io::Result<String> {
    match of_executable() {
        Some(id) => Ok(id),
        None => hash_of_executable(),
    }
}

fn hash_of_executable() -> std::io::Result<String> {
    let mut hash = Xxh3::new();
    let mut file = File::open(std::env::current_exe()?)?;
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part)? {
            0 => break,
            count => hash.update(&part[..count]),
        }
    }
    Ok(format!("{:016x}", hash.digest()))
}

/// The build id in hexadecimal digits. None where the file has none, or is no ELF file of 64
/// bits in this machine's order of bytes.
fn of_executable() -> Option<String> {
    let mut file = File::open(std::env::current_exe().ok()?).ok()?;
    let mut read = |offset: u64, length: u64| -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length.min(NOTES_MAX)).ok()?];
        file.seek(SeekFrom::Start(offset)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let header = read(0, 64)?;
    let order = if cfg!(target_endian = "little") { 1 } else { 2 };
    if !header.starts_with(b"\x7fELF") || header[4] != 2 || header[5] != order {
        return None;
    }
    let (table, size, count) = (
        u64_at(&header, 32)?,
        u16_at(&header, 54)?,
        u16_at(&header, 56)?,
    );
    let size = u64::from(size);
    for number in 0..u64::from(count.min(SEGMENTS_MAX)) {
        let segment = read(table.checked_add(number * size)?, size)?;
        if u32_at(&segment, 0)? == PT_NOTE {
            let notes = read(u64_at(&segment, 8)?, u64_at(&segment, 32)?)?;
            if let Some(id) = id_of(&notes) {
                return Some(id);
            }
        }
    }
    None
}

/// The build id among these notes.
fn id_of(mut notes: &[u8]) -> Option<String> {
    loop {
        let (name, content) = (u32_at(notes, 0)? as usize, u32_at(notes, 4)? as usize);
        let kind = u32_at(notes, 8)?;
        let content_at = 12 + name.checked_next_multiple_of(4)?;
        let content_end = content_at.checked_add(content)?;
        let id = notes.get(content_at..content_end)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..12 + name)? == b"GNU\0" {
            return (!id.is_empty()).then(|| id.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        notes = notes.get(content_end.checked_next_multiple_of(4)?..)?;
    }
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(
        bytes.get(place..place + 2)?.try_into().ok()?,
    ))
}

fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(
        bytes.get(place..place + 4)?.try_into().ok()?,
    ))
}

fn u64_at(bytes: &[u8], place: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(
        bytes.get(place..place + 8)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: u32, name: &[u8], content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [name.len() as u32, content.len() as u32, kind] {
            bytes.extend(number.to_ne_bytes());
        }
        for part in [name, content] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_id_is_found_behind_other_notes_and_never_beyond_the_end() {
        let id = note(3, b"GNU\0", &[0xab, 0x01, 0xff]);
        assert_eq!(id_of(&id).as_deref(), Some("ab01ff"));
        let notes = [note(1, b"GNU\0", &[1; 16]), note(3, b"Go\0\0", &[7; 5]), id].concat();
        assert_eq!(id_of(&notes).as_deref(), Some("ab01ff"));
        for length in 0..notes.len() - 4 {
            assert_eq!(id_of(&notes[..length]), None, "{length}");
        }
        assert_eq!(id_of(&[0xff; 64]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_executable_has_the_same_id_each_time() {
        let id = of_executable();
        assert_eq!(id, of_executable());
        if let Some(id) = id {
            assert!(
                id.len() >= 16 && id.bytes().all(|it| it.is_ascii_hexdigit()),
                "{id}"
            );
        }
    }
}
