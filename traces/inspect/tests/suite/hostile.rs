//! Nothing that reads a trace panics, hangs or takes a wrong file for a good one, whatever
//! the file says. `traces/fuzz` looks for new ones; this repeats what it found.

use retake_testkit::Folder;
use retake_testkit::traces::hostile::{
    Numbers, corpus, drive, good_file, input_of, input_of_file, mutate, repair,
};
use retake_testkit::traces::runs::{header, shop};
use retake_traces::{TraceReader, verify};

fn seeds(folder: &Folder) -> Vec<Vec<u8>> {
    folder.write_trace("seed", &header(), &shop());
    vec![
        input_of(&header(), &shop()),
        input_of_file(&folder.bytes("seed")),
    ]
}

#[test]
fn a_repaired_file_is_read_behind_its_checksums() {
    let folder = Folder::new();
    let path = folder.write_trace("a", &header(), &shop());
    let mut bytes = folder.bytes("a");
    let whole = bytes.clone();
    repair(&mut bytes);
    assert_eq!(bytes, whole, "a good file has nothing to repair");
    // A letter of a text in the only block.
    let place = bytes.windows(8).position(|it| it == b"CheckOut").unwrap();
    bytes[place] = b'K';
    repair(&mut bytes);
    folder.write("a", bytes);
    let records = TraceReader::open(&path).unwrap();
    assert_eq!(records.filter(Result::is_ok).count(), shop().len());
    let error = verify(&path).unwrap_err().to_string();
    assert!(
        error.contains("the footer does not match the content"),
        "{error}"
    );
}

#[test]
fn what_fuzzing_kept_is_read_without_a_finding() {
    let folder = Folder::new();
    let good = good_file(folder.path());
    let corpus = corpus("file");
    assert!(corpus.len() >= 50, "{}", corpus.len());
    for (name, input) in corpus {
        println!("{name}");
        drive(&input, folder.path(), &good);
    }
}

#[test]
fn thousands_of_changed_files_are_read_without_a_finding() {
    let folder = Folder::new();
    let good = good_file(folder.path());
    let mut inputs = seeds(&folder);
    let mut numbers = Numbers(7);
    for round in 0..2_000 {
        let mut input = inputs[numbers.below(inputs.len())].clone();
        mutate(&mut input, &mut numbers);
        println!("round {round}");
        drive(&input, folder.path(), &good);
        // Changes add up.
        if inputs.len() < 200 {
            inputs.push(input);
        } else {
            let place = 2 + numbers.below(inputs.len() - 2);
            inputs[place] = input;
        }
    }
}
