//! Values to bytes and back: the one place that knows the encoding, bincode 2
//! with variable-length integers.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use bincode::{Decode, Encode};

use crate::format::FRAME_MAX;
use crate::record::Record;

/// What a length prefix may claim at most, so that a forged one reserves no memory.
const LIMIT: usize = FRAME_MAX as usize;

fn config() -> Configuration<LittleEndian, Varint, Limit<LIMIT>> {
    bincode::config::standard().with_limit::<LIMIT>()
}

struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Append the encoding of `value`.
#[inline]
pub(crate) fn encode(value: &impl Encode, bytes: &mut Vec<u8>) {
    let encoded = bincode::encode_into_writer(value, Append(bytes), bincode::config::standard());
    // The types of this crate have no case that fails, and neither has the writer.
    debug_assert!(encoded.is_ok(), "{encoded:?}");
}

/// Append the encoding of a record. Nearly all records are steps, and those are
/// put together by hand: one copy instead of one for each field.
#[inline]
pub(crate) fn encode_record(record: &Record, bytes: &mut Vec<u8>) {
    let Record::Step(step) = record else { return encode(record, bytes) };
    // Two numbers of at most nine bytes, one of at most three, and three variants of enums.
    let mut text = [0; 32];
    // `Record::Step` is variant 0.
    let mut end = 1;
    end = put(&mut text, end, step.elapsed_ns);
    end = put(&mut text, end, u64::from(step.task));
    text[end] = step.kind as u8;
    end = put(&mut text, end + 1, u64::from(step.message));
    text[end] = step.choice as u8;
    bytes.extend_from_slice(&text[..=end]);
}

/// Write a number in bincode's variable length; gives the place behind it.
#[inline]
fn put(text: &mut [u8; 32], start: usize, number: u64) -> usize {
    let (tag, length) = match number {
        0..=250 => {
            text[start] = number as u8;
            return start + 1;
        }
        251..=0xffff => (251, 2),
        0x1_0000..=0xffff_ffff => (252, 4),
        _ => (253, 8),
    };
    text[start] = tag;
    text[start + 1..=start + length].copy_from_slice(&number.to_le_bytes()[..length]);
    start + 1 + length
}

/// Decode the value at the front of `bytes`; gives its length as well, or says what is wrong.
pub(crate) fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<(T, usize), String> {
    bincode::decode_from_slice(bytes, config()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Choice, Step, StepKind};

    #[test]
    fn a_step_put_together_by_hand_is_what_bincode_makes_of_it() {
        use Choice::{Deviation, Eager, Fifo};
        use StepKind::{Handle, PostStart, PostStop, PreStart, Resume, Supervision, Task};
        let edges = [0, 1, 250, 251, 252, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, u64::MAX];
        for elapsed_ns in edges {
            for number in edges {
                for kind in [PreStart, PostStart, Handle, Supervision, PostStop, Task, Resume] {
                    for choice in [Fifo, Deviation, Eager] {
                        let (task, message) = (number as u32, number as u16);
                        let step = Record::Step(Step { elapsed_ns, task, kind, message, choice });
                        let (mut by_hand, mut by_bincode) = (Vec::new(), Vec::new());
                        encode_record(&step, &mut by_hand);
                        encode(&step, &mut by_bincode);
                        assert_eq!(by_hand, by_bincode, "{step:?}");
                    }
                }
            }
        }
    }
}
