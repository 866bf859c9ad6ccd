//! Every command in the documents is one that there is.

use std::path::Path;

use clap::error::ErrorKind;

use crate::program;

/// How commands begin, and where only a part of such a line is the command.
const PROGRAMS: [&str; 3] = ["retake ", "./target/release/retake ", "exec retake "];
const CARGO: &str = "cargo run --release";

/// An argument is missing, or its value.
const LEFT_OUT: [ErrorKind; 2] = [ErrorKind::MissingRequiredArgument, ErrorKind::InvalidValue];

fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut documents = Vec::new();
    let mut folders = vec![root.join("docs")];
    let mut files: Vec<_> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        .map(|name| root.join(name))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    for file in files {
        if let Ok(text) = std::fs::read_to_string(&file) {
            documents.push((file.display().to_string(), text));
        }
    }
    documents
}

/// The words of the first command of a shell line; quotes hold spaces together. What
/// follows it, or is a comment, is left out.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('#', None) if words.last().is_some_and(String::is_empty) => break,
            ('|' | '>' | '<' | ';' | '&' | '`', None) => break,
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    // The number of a stream that is led elsewhere.
    words.pop_if(|word| word == "2" && line.contains("2>"));
    words
}

/// The arguments that a line gives to the command, if it is run there.
fn arguments(line: &str) -> Option<Vec<String>> {
    let line = line.trim().trim_start_matches("$ ");
    // `NAME=value` before a command.
    let line = line
        .split_once(' ')
        .filter(|(first, _)| first.contains('=') && !first.contains('-'))
        .map_or(line, |(_, rest)| rest.trim());
    if let Some(rest) = PROGRAMS.iter().find_map(|it| line.strip_prefix(it)) {
        return Some(words(rest));
    }
    let (options, rest) = line.strip_prefix(CARGO)?.split_once(" -- ")?;
    (!options.contains("--example") && !options.contains(" -p ")).then(|| words(rest))
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let mut understood = 0;
    let mut wrong = Vec::new();
    for (file, text) in documents() {
        let text = text.replace("\\\n", " ");
        let lines = text.lines().filter_map(arguments);
        // And those within sentences, which may leave out what they are not about.
        let spans = text.split('`').skip(1).step_by(2);
        let spans = spans.filter(|span| span.starts_with("retake ") && span.contains(" --"));
        let spans = spans.filter(|span| !span.contains(['…', '\n', '|']));
        let spans = spans.filter_map(arguments).map(|it| (it, true));
        for (arguments, is_part) in lines.map(|it| (it, false)).chain(spans) {
            // A name, or a line of a `Cargo.toml`.
            if arguments.len() < 2 || arguments[0] == "=" {
                continue;
            }
            // What the reader is to fill in.
            let filled = arguments.iter().map(|word| match &**word {
                "SCENARIO" => "zoo/raft/buggy",
                "STEP" => "7",
                "FORMAT" => "mermaid",
                "RATE" => "0.5",
                word => word,
            });
            let command_line = program().command_line();
            match command_line.try_get_matches_from(std::iter::once("retake").chain(filled)) {
                Ok(_) => understood += 1,
                Err(error) if is_part && LEFT_OUT.contains(&error.kind()) => understood += 1,
                Err(error) => wrong.push(format!("{file}: {arguments:?}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(understood > 60, "{understood}");
}
