//! Commands that a program has in addition to those of every program.

use std::fmt;
use std::io::Write;

use clap::{ArgMatches, Parser};

use crate::status::{Error, Status};

type Run<P> = dyn Fn(&P, &ArgMatches, &mut dyn Write) -> Result<Status, Error> + Send + Sync;

/// A command that a program `P` has in addition to those of every program.
pub(crate) struct AddedCommand<P> {
    pub(crate) arguments: fn() -> clap::Command,
    pub(crate) run: Box<Run<P>>,
}

impl<P> AddedCommand<P> {
    /// Its name on the command line.
    pub(crate) fn name(&self) -> String {
        (self.arguments)().get_name().to_owned()
    }

    pub(crate) fn new<A, F>(run: F) -> Self
    where
        A: Parser,
        F: Fn(&P, &A, &mut dyn Write) -> Result<Status, Error> + Send + Sync + 'static,
    {
        Self {
            arguments: A::command,
            run: Box::new(move |program, matches, out| {
                let arguments = A::from_arg_matches(matches);
                let arguments = arguments.map_err(|error| Error::Usage(error.to_string()))?;
                run(program, &arguments, out)
            }),
        }
    }
}

impl<P> fmt::Debug for AddedCommand<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddedCommand")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
