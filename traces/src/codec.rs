//! Values to bytes and back: the one place that knows the encoding, bincode 2
//! with variable-length integers.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use bincode::{Decode, Encode};

use crate::format::FRAME_MAX;

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

/// Decode the value at the front of `bytes`; gives its length as well, or says what is wrong.
pub(crate) fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<(T, usize), String> {
    bincode::decode_from_slice(bytes, config()).map_err(|error| error.to_string())
}
