//! Reads what a run has recorded. Its form is that of `driver/record.rs`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use retake_core::outcome::OutcomeKind;
use retake_core::step::StepKind;
use retake_core::strategy::Hold;

use crate::event::{Event, TaskKind, TextKind};

const MAGIC: &[u8; 8] = b"RTKSEED1";

/// Why an answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// The program has not written it: it was not built with a generated tokio.
    #[error("{path}: no run has written it")]
    NotWritten {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged.
    #[error("{path}: damaged at byte {byte}: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// From the start of the file.
        byte: usize,
        /// In words.
        problem: &'static str,
    },
}

/// What a run has recorded, also where its process was killed.
///
/// # Errors
/// If the file cannot be read, or is not one that a run has written.
pub fn read(path: &Path) -> Result<Vec<Event>, AnswerError> {
    let of_file = |error| AnswerError::File {
        path: path.to_owned(),
        error,
    };
    let not_written = || AnswerError::NotWritten {
        path: path.to_owned(),
    };
    let mut file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => not_written(),
        _ => of_file(error),
    })?;
    let mut header = [0; 16];
    file.read_exact(&mut header).map_err(|_| not_written())?;
    let (magic, length) = header.split_at(8);
    if magic != MAGIC {
        return Err(not_written());
    }
    let length = u64::from_le_bytes(length.try_into().unwrap_or_default());
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(of_file)?;
    let mut reader = Reader {
        bytes: &bytes,
        place: 0,
    };
    reader.events().map_err(|problem| AnswerError::Damaged {
        path: path.to_owned(),
        byte: reader.place + header.len(),
        problem,
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl Reader<'_> {
    fn events(&mut self) -> Result<Vec<Event>, &'static str> {
        let mut events = Vec::new();
        while self.place < self.bytes.len() {
            events.push(self.event()?);
        }
        Ok(events)
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        let byte = self
            .bytes
            .get(self.place)
            .ok_or("it ends within an event")?;
        self.place += 1;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u64, &'static str> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is too long")
    }

    fn small(&mut self) -> Result<u32, &'static str> {
        u32::try_from(self.number()?).map_err(|_| "a number is too large")
    }

    fn text(&mut self) -> Result<String, &'static str> {
        let length = usize::try_from(self.number()?).map_err(|_| "a text is too long")?;
        let end = self.place.checked_add(length).ok_or("a text is too long")?;
        let bytes = self
            .bytes
            .get(self.place..end)
            .ok_or("it ends within a text")?;
        self.place = end;
        String::from_utf8(bytes.to_owned()).map_err(|_| "a text is not UTF-8")
    }

    fn event(&mut self) -> Result<Event, &'static str> {
        Ok(match self.byte()? {
            1 => Event::Hello {
                tokio: self.text()?,
            },
            2 => Event::Runtime {
                multi_thread: self.number()? != 0,
            },
            3 => Event::Task {
                serial: self.small()?,
                kind: match self.number()? {
                    0 => TaskKind::Thread,
                    2 => TaskKind::Task,
                    _ => return Err("there is no such kind of task"),
                },
                parent: self
                    .number()?
                    .checked_sub(1)
                    .and_then(|it| u32::try_from(it).ok()),
                type_name: self.text()?,
                file: self.text()?,
                line: self.small()?,
                name: self.text()?,
            },
            4 => Event::Step {
                task: self.small()?,
                elapsed_ns: self.number()?,
                kind: {
                    let number = usize::try_from(self.number()?).unwrap_or(usize::MAX);
                    *StepKind::ALL
                        .get(number)
                        .ok_or("there is no such kind of step")?
                },
                deviates: self.number()? != 0,
            },
            5 => Event::Message {
                type_name: self.text()?,
            },
            6 => Event::Cause {
                step: self.number()?,
            },
            7 => Event::Panic {
                task: self.small()?,
                message: self.text()?,
                file: self.text()?,
                line: self.small()?,
                column: self.small()?,
            },
            8 => Event::TaskEnded {
                task: self.small()?,
            },
            9 => Event::Hold(Hold {
                step: (self.small()?, self.small()?),
                until: (self.small()?, self.small()?),
            }),
            10 => Event::Note { text: self.text()? },
            11 => Event::Ended {
                outcome: {
                    let number = self.number()?;
                    let of_number = |kind: &OutcomeKind| *kind as u64 == number;
                    OutcomeKind::all()
                        .find(of_number)
                        .ok_or("there is no such outcome")?
                },
                text: self.text()?,
            },
            12 => Event::Stats {
                steps: self.number()?,
                deviations: self.number()?,
                hash: self.number()?,
                now_ns: self.number()?,
            },
            13 => Event::Main {
                task: self.small()?,
                type_name: self.text()?,
                file: self.text()?,
                line: self.small()?,
            },
            14 => Event::Text {
                task: self.small()?,
                kind: {
                    let number = usize::try_from(self.number()?).unwrap_or(usize::MAX);
                    *TextKind::ALL
                        .get(number)
                        .ok_or("there is no such kind of text")?
                },
                text: self.text()?,
            },
            15 => Event::Awaits {
                task: self.small()?,
                what: self.text()?,
                place: self.text()?,
                of: self
                    .number()?
                    .checked_sub(1)
                    .and_then(|it| u32::try_from(it).ok()),
            },
            16 => Event::Fault {
                task: self.small()?,
                elapsed_ns: self.number()?,
                place: self.number()?,
                name: self.text()?,
            },
            _ => return Err("there is no such event"),
        })
    }
}
