//! `view`: a trace as a page.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use retake_sim::explore::Case;
use retake_traces::TraceReader;
use retake_traces::counted;
use retake_traces::file::{FileError, OutputFile, check_output, refuse_input};

use super::{case, live};
use crate::program::Program;
use crate::signals::{Interrupt, stop_requested};
use crate::status::{Error, Status};
use crate::view::{self, Limits, Page, Part, Source, ViewError};

#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// A trace, or a saved case, which is run again for it.
    file: PathBuf,
    /// Another trace, shown next to it, from where the two differ.
    other: Option<PathBuf>,
    /// Where the page is written. Default: the place of FILE, with the ending `.html`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show the page on this machine's own address until Ctrl-C. Without --out no file
    /// is written.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    serve: Option<SocketAddr>,
    /// Only from this step on.
    #[arg(
        long,
        value_name = "STEP",
        default_value_t = 0,
        hide_default_value = true
    )]
    from: u64,
    /// Only up to this step.
    #[arg(long, value_name = "STEP", default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
    /// Do not open a browser. One is opened only where the output is a terminal of a
    /// desktop.
    #[arg(long)]
    open_nothing: bool,
}

impl From<ViewError> for Error {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Trace(error) => Self::File(error),
            ViewError::Output(error) => Self::Output(error),
            ViewError::TooLarge { .. } | ViewError::Empty { .. } => Self::Usage(error.to_string()),
        }
    }
}

pub(crate) fn view(
    program: &Program,
    args: &ViewArgs,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    if args.from > args.to {
        return Err(Error::Usage(format!(
            "--from {} is after --to {}",
            args.from, args.to
        )));
    }
    if let Some(address) = args.serve.filter(|address| !address.ip().is_loopback()) {
        return Err(Error::Usage(format!(
            "--serve {address}: others could read it there; give an address of this machine's \
             own, such as 127.0.0.1:8000"
        )));
    }
    let path = match (&args.out, args.serve) {
        (Some(path), _) => Some(path.clone()),
        (None, None) => Some(args.file.with_extension("html")),
        (None, Some(_)) => None,
    };
    if let Some(path) = &path {
        let inputs = [Some(&args.file), args.other.as_ref()];
        refuse_input(path, inputs.into_iter().flatten().map(|it| &**it))?;
        check_output(path)?;
    }
    let folder = tempfile::tempdir()?;
    let files = || {
        [Some(&args.file), args.other.as_ref()]
            .into_iter()
            .flatten()
    };
    let runs = files().any(|file| case::is_case(&live::find(file)));
    let interrupt = runs.then(Interrupt::listen).unwrap_or_default();
    let mut sources = Vec::new();
    for (number, file) in files().enumerate() {
        let place = folder.path().join(format!("{number}.retake"));
        sources.push(source(program, file, &place, &interrupt)?);
    }
    let part = Part {
        from: args.from,
        to: args.to,
    };
    let page = Page::load(&sources, part, Limits::PAGE)?;
    drop(folder);
    if args.serve.is_none() {
        interrupt.end_at_once()?;
    }
    interrupt.check()?;
    if let Some(path) = &path
        && let Some(size) = write(&page, path)?
    {
        writeln!(
            out,
            "{}: {}, {:.1} MB; open it in a browser",
            path.display(),
            counted(page.events(), "event"),
            size as f64 / 1e6
        )?;
        out.flush()?;
        if args.serve.is_none() && !args.open_nothing {
            open(path.as_os_str());
        }
    }
    if let Some(address) = args.serve {
        serve(&page, address, args.open_nothing, out)?;
    }
    // What there was to see has been shown.
    match page.into_damage() {
        Some(damage) => Err(damage.into()),
        None => Ok(Status::Passed),
    }
}

/// The trace of a file; that of a case is recorded in `place`.
fn source(
    program: &Program,
    file: &Path,
    place: &Path,
    interrupt: &Interrupt,
) -> Result<Source, Error> {
    let file = &*live::find(file);
    let mut source = Source::new(file);
    if !case::is_case(file) {
        let header = TraceReader::open(file)?.header().clone();
        if program.find(&header.scenario).is_some() {
            source.note_if_unexplained = Some(how_to_explain(program, &source.name));
        }
        return Ok(source);
    }
    let case = Case::load(file)?;
    let scenario = program.named(&case.scenario)?;
    let mut header = case.header(program.name_and_version(), program.identity());
    header.versions = program.library_versions().to_vec();
    let code = header.code.clone();
    let run = case::record(&case, scenario, header, place, interrupt)?;
    if let Some(error) = run.trace_error {
        return Err(error.into());
    }
    source.path = place.to_owned();
    source.note_if_unexplained = Some(how_to_explain(program, &source.name));
    if case.code != code {
        source
            .notes
            .push("the program has changed since the case was saved".to_owned());
    }
    if retake_sim::explore::signature(&run.outcome) != case.signature {
        source.notes.push(format!(
            "it does not end as it did when it was saved: {}",
            case.outcome
        ));
    }
    Ok(source)
}

/// How to find out what would have avoided a failure.
fn how_to_explain(program: &Program, name: &str) -> String {
    let program = program.name();
    format!("`{program} why {name}` says what would have avoided this")
}

/// Write the page; gives its size if it is a file.
fn write(page: &Page, path: &Path) -> Result<Option<u64>, Error> {
    let mut file = OutputFile::create(path)?;
    page.write(&mut file)
        .map_err(FileError::of("write", path))?;
    file.finish()?;
    let written = std::fs::metadata(path).map_err(FileError::of("read", path))?;
    Ok(written.is_file().then_some(written.len()))
}

fn serve(
    page: &Page,
    address: SocketAddr,
    open_nothing: bool,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut bytes = Vec::new();
    page.write(&mut bytes)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener
            .map_err(|error| Error::Usage(format!("cannot listen on {address}: {error}")))?;
        let url = format!("http://{}/", listener.local_addr()?);
        writeln!(
            out,
            "{} at {url} until Ctrl-C",
            counted(page.events(), "event")
        )?;
        out.flush()?;
        if !open_nothing {
            open(url.as_ref());
        }
        view::serve::serve(listener, bytes, stop_requested()).await;
        Ok(())
    })
}

/// Open it as a desktop does, where there is one. Whether that works is seen.
fn open(what: &std::ffi::OsStr) {
    let is_mac = cfg!(target_os = "macos");
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if !console::user_attended() || !(is_mac || has_display) {
        return;
    }
    let opener = if is_mac { "open" } else { "xdg-open" };
    let _ = std::process::Command::new(opener)
        .arg(what)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
}
