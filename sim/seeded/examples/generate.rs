//! `generate TOKIO FOLDER`: the copy alone.
fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(tokio), Some(into)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: generate TOKIO FOLDER");
        std::process::exit(2);
    };
    if let Err(error) = retake_seeded::generate(tokio.as_ref(), into.as_ref()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
