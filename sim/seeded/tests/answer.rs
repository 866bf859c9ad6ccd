//! What the driver writes is what the parent reads.

#[allow(dead_code, unreachable_pub, unsafe_code, missing_docs, clippy::all)]
#[path = "../driver/record.rs"]
mod record;
#[allow(dead_code, unreachable_pub, unsafe_code, missing_docs, clippy::all)]
#[path = "../driver/sys.rs"]
mod sys;

use std::fs;

use proptest::prelude::*;
use retake_seeded::child::{self, AnswerError, Event};
use tempfile::TempDir;

use record::{Record, Tag};

/// Write some events of each kind, as a process does that is killed then.
fn write(path: &str, texts: &[String], numbers: &[u64]) {
    let mut record = Record::new(Some(path));
    record.event(Tag::Hello, |fields| {
        fields.text("1.0.0");
    });
    for text in texts {
        record.event(Tag::Note, |fields| {
            fields.text(text);
        });
    }
    for number in numbers {
        record.event(Tag::Stats, |fields| {
            fields
                .number(*number)
                .number(0)
                .number(u64::MAX)
                .number(*number);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_a_run_that_was_killed_has_written_is_read(
        texts in prop::collection::vec(".{0,40}", 0..6),
        numbers in prop::collection::vec(any::<u64>(), 0..6),
    ) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("answer");
        write(path.to_str().unwrap(), &texts, &numbers);
        let events = child::read(&path).unwrap();
        let mut expected = vec![Event::Hello { tokio: "1.0.0".to_owned() }];
        expected.extend(texts.into_iter().map(|text| Event::Note { text }));
        expected.extend(numbers.into_iter().map(|number| Event::Stats {
            steps: number,
            deviations: 0,
            hash: u64::MAX,
            now_ns: number,
        }));
        prop_assert_eq!(events, expected);
    }

    #[test]
    fn bytes_that_no_run_has_written_are_an_error_and_no_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        is_of_a_run in any::<bool>(),
    ) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("answer");
        let mut file = Vec::new();
        if is_of_a_run {
            file.extend(b"RTKSEED1");
            file.extend((bytes.len() as u64).to_le_bytes());
        }
        file.extend(&bytes);
        fs::write(&path, file).unwrap();
        let read = child::read(&path);
        if !is_of_a_run {
            prop_assert!(matches!(read, Err(AnswerError::NotWritten { .. })), "{:?}", read);
        }
    }
}

#[test]
fn a_text_that_is_too_long_is_cut_between_two_letters() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("answer");
    write(path.to_str().unwrap(), &["ä".repeat(10_000)], &[7]);
    let events = child::read(&path).unwrap();
    let Event::Note { text } = &events[1] else {
        panic!("{events:?}");
    };
    assert_eq!(text.len(), 16_384);
    assert!(matches!(events[2], Event::Stats { steps: 7, .. }));
}

#[test]
fn a_missing_answer_is_not_written() {
    let folder = TempDir::new().unwrap();
    let error = child::read(&folder.path().join("none")).unwrap_err();
    assert!(matches!(error, AnswerError::NotWritten { .. }), "{error}");
}
