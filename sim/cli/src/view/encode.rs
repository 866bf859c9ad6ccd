//! Columns of numbers as bytes, which a browser takes as typed arrays.
//!
//! ```text
//! "RTKVIEW1"  length:u32  description (JSON, padded with spaces to 4 bytes)
//! the columns, in the order that the description gives, each padded to 4 bytes
//! ```
//!
//! Numbers are little-endian. Texts are kept once each, as one block of UTF-8 and the
//! column of their lengths in UTF-16 units, which is how a browser counts.

use serde::Serialize;
use serde_json::{Value, json};

/// First bytes of the columns.
const MAGIC: &[u8; 8] = b"RTKVIEW1";

/// A column with its name.
pub(super) type Column<'a> = (&'static str, Numbers<'a>);

/// These columns, and a description of them and of the rest.
pub(super) fn encode(mut description: Value, columns: &[Column<'_>]) -> Vec<u8> {
    let directory: Vec<ColumnDescription> = columns
        .iter()
        .map(|(name, numbers)| ColumnDescription {
            name,
            width: numbers.width(),
            length: numbers.length(),
        })
        .collect();
    description["columns"] = json!(directory);
    let description = description.to_string();
    let mut bytes = MAGIC.to_vec();
    let padded = description.len().next_multiple_of(4);
    bytes.extend((padded as u32).to_le_bytes());
    bytes.extend(description.as_bytes());
    bytes.resize(bytes.len() + padded - description.len(), b' ');
    for (_, numbers) in columns {
        numbers.write(&mut bytes);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// A column as the description names it.
#[derive(Serialize)]
struct ColumnDescription<'a> {
    name: &'a str,
    /// Bytes of a number.
    width: u8,
    length: usize,
}

pub(super) enum Numbers<'a> {
    Bytes(&'a [u8]),
    Short(&'a [u16]),
    Long(&'a [u32]),
}

impl Numbers<'_> {
    fn width(&self) -> u8 {
        match self {
            Self::Bytes(_) => 1,
            Self::Short(_) => 2,
            Self::Long(_) => 4,
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Bytes(numbers) => numbers.len(),
            Self::Short(numbers) => numbers.len(),
            Self::Long(numbers) => numbers.len(),
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Bytes(numbers) => bytes.extend_from_slice(numbers),
            Self::Short(numbers) => bytes.extend(numbers.iter().flat_map(|it| it.to_le_bytes())),
            Self::Long(numbers) => bytes.extend(numbers.iter().flat_map(|it| it.to_le_bytes())),
        }
    }
}
