//! `debug`: a run step by step, forward and back.
//!
//! The modules, in reading order: `source` opens what is looked at; `names` finds actors
//! and places; `print` answers questions, `write` writes the answers; `text`
//! makes texts fit. `tui` is the interactive debugger.

mod names;
mod print;
mod source;
mod text;
mod tui;
mod write;

use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;

use clap::Args;
use retake_inspect::timeline::Condition;

use super::live;
use crate::output::{print_json, terminal_width};
use crate::program::Program;
use crate::status::{Error, Status};
use print::{Answers, Question};
use source::Source;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("asked").multiple(true).args(["print", "find", "breaks"])))]
pub(crate) struct DebugArgs {
    /// The trace, or a saved case, which is run again.
    file: PathBuf,
    /// Where: a step's number, `failure`, `start`, `end`, or a virtual time such as 1.5s.
    /// What is printed is how things stood after it. Default: the failure, or else the
    /// start.
    #[arg(long, value_name = "PLACE")]
    at: Option<String>,
    /// What to print: actors, state NAME, mailbox NAME, why, faults, step, causes or
    /// effects. May be given several times.
    #[arg(long, value_name = "WHAT", num_args = 1..=2)]
    print: Vec<String>,
    /// List the lines that have this text in them, in any case of letters.
    #[arg(long, value_name = "TEXT")]
    find: Option<String>,
    /// List the steps at which this holds: `actor=NAME message=TEXT state=TEXT`, of which
    /// one or two may be left out. May be given several times.
    #[arg(long = "break", value_name = "CONDITION")]
    breaks: Vec<Condition>,
    /// Lines in a list, at most.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    most: usize,
    /// Cut lines to this many characters; 0 means no limit. Default: the width of the
    /// terminal, 80 in a pipe.
    #[arg(long)]
    width: Option<usize>,
    /// Print JSON.
    #[arg(long, requires = "asked")]
    json: bool,
}

const WIDTH_IN_A_PIPE: usize = 80;

pub(crate) fn debug(
    program: &Program,
    args: &DebugArgs,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    let questions = Question::parse(args)?;
    // What is wrong with the file is said in any case.
    let file = live::find(&args.file);
    Source::check(&file)?;
    if questions.is_empty() && !std::io::stdout().is_terminal() {
        return Err(Error::Usage(format!(
            "standard output is no terminal: say what to print, for example `--print why`; see \
             `{} debug --help`",
            program.name()
        )));
    }
    let mut source = Source::open(program, &file)?;
    let start = match &args.at {
        Some(place) => names::find_step(&mut source.timeline, place)?,
        None => source.timeline.failure_step().unwrap_or(0),
    };
    if questions.is_empty() {
        tui::run(source, start, Vec::new())?;
        return Ok(Status::Passed);
    }
    let width = args.width.unwrap_or(match terminal_width() {
        0 => WIDTH_IN_A_PIPE,
        width => width,
    });
    let answers = Answers::gather(&mut source, start, &questions, args.most)?;
    if args.json {
        print_json(&answers, out)?;
    } else {
        answers.write(width, out)?;
    }
    // What there is has been answered.
    match source.timeline.into_damage() {
        Some(damage) => Err(damage.into()),
        None => Ok(Status::Passed),
    }
}
