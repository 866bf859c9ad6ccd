//! Running what a live process recorded.
//!
//! ```
//! use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
//! use retake_sim::recording::Recording;
//!
//! struct Counter;
//!
//! #[retake::simulated]
//! impl Actor for Counter {
//!     type Msg = RpcReplyPort<u32>;
//!     type State = u32;
//!     type Arguments = ();
//!
//!     async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<u32, ActorProcessingErr> {
//!         Ok(0)
//!     }
//!
//!     async fn handle(
//!         &self,
//!         _: ActorRef<Self::Msg>,
//!         reply: Self::Msg,
//!         count: &mut u32,
//!     ) -> Result<(), ActorProcessingErr> {
//!         *count += 1;
//!         Ok(reply.send(*count)?)
//!     }
//! }
//!
//! // Who is first, is up to the threads.
//! async fn race() -> Vec<u32> {
//!     let (counter, _) = Actor::spawn(None, Counter, ()).await.unwrap();
//!     let clients: Vec<_> = (0..4)
//!         .map(|_| {
//!             let counter = counter.clone();
//!             retake::spawn_named("client", async move { ractor::call!(counter, |reply| reply).unwrap() })
//!         })
//!         .collect();
//!     let mut ranks = Vec::new();
//!     for client in clients {
//!         ranks.push(client.await.unwrap());
//!     }
//!     ranks
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("race.retake");
//! let recording = retake_live::start(&path, retake_live::Config::new("race"))?;
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
//! let ranks = runtime.block_on(retake::record::scenario(race()));
//! recording.finish()?;
//!
//! let replayed = Recording::open(&path)?.replay(race)?;
//! assert!(replayed.followed.is_complete(), "{:?}", replayed.followed.divergence);
//! assert_eq!(replayed.run.expect_passed(), ranks);
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retake_traces::live::{Live, Start};
use retake_traces::record::Record;
use retake_traces::{Header, Layers, Sink, Strategy, TraceError, TraceReader};

pub use crate::follow::FollowReport;
use crate::follow::{Mailboxes, Plan, Report, Script};
pub use crate::inputs::Input;
use crate::inputs::OnInput;
use crate::outcome::Run;
use crate::sim::{HORIZON_MAX, Sim};

/// Why a recording cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read, or is damaged.
    #[error(transparent)]
    File(#[from] TraceError),
    /// It is a trace of a simulation.
    #[error("`{}` is no recording of a live process: replay it as a trace", .0.display())]
    NotLive(PathBuf),
}

/// A recording of a live process.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    header: Header,
    start: Start,
    mailboxes: Mailboxes,
}

/// A run that followed a recording.
#[derive(Debug)]
pub struct RecordingRun<T> {
    /// The run.
    pub run: Run<T>,
    /// How much of the recording it followed.
    pub followed: FollowReport,
}

impl Recording {
    /// Open a recording and check it. One without an end is good up to there, and its replay
    /// says so.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or is no recording of a live process.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        let path = path.as_ref().to_owned();
        let mut reader = TraceReader::open(&path)?;
        let header = reader.header().clone();
        let first = reader.next().transpose();
        let start = match first {
            Ok(Some(Record::Live(live))) if header.config.strategy == Strategy::Live => match *live
            {
                Live::Start(start) => start,
                _ => return Err(RecordingError::NotLive(path)),
            },
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(RecordingError::NotLive(path)),
        };
        // Nothing is run from a damaged file.
        let mut mailboxes = Mailboxes::default();
        for record in reader {
            match record {
                Ok(record) => mailboxes.add(&record),
                Err(TraceError::Truncated { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self {
            path,
            header,
            start,
            mailboxes,
        })
    }

    /// Who recorded, and what.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How the recorded system was set up, as its program said.
    #[must_use]
    pub fn config(&self) -> &[u8] {
        &self.start.config
    }

    /// Run a scenario as the recording has it, up to its end or the first step that cannot
    /// be followed. The scenario starts the same actors as the recorded program did inside
    /// `retake::record::scenario`.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn replay<F, Fut>(&self, scenario: F) -> Result<RecordingRun<Fut::Output>, TraceError>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        self.replay_with(Sim::new(), None, scenario)
    }

    /// [`Recording::replay`], with what `on_input` does for each of the recording's inputs,
    /// and into `trace`: that is an ordinary trace of a simulation, with texts, causes and states.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn replay_inputs<F, Fut, W, Done>(
        &self,
        trace: Option<Box<dyn Sink + Send>>,
        scenario: F,
        on_input: W,
    ) -> Result<RecordingRun<Fut::Output>, TraceError>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
        W: Fn(Input) -> Done + Send + Sync + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        let sim = match trace {
            Some(sink) => Sim::new().record(Layers::ALL).trace_boxed(sink),
            None => Sim::new(),
        };
        let on_input: OnInput = Arc::new(move |input| Box::pin(on_input(input)));
        self.replay_with(sim, Some(on_input), scenario)
    }

    fn replay_with<F, Fut>(
        &self,
        sim: Sim,
        on_input: Option<OnInput>,
        scenario: F,
    ) -> Result<RecordingRun<Fut::Output>, TraceError>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let report = Report::default();
        let plan = Plan {
            script: Script::new(Box::new(TraceReader::open(&self.path)?)),
            mailboxes: self.mailboxes.clone(),
            report: report.clone(),
            origin_ns: self.start.origin_ns,
            unix_ns: self.start.unix_ns,
        };
        let run = sim
            .seed(self.header.config.seed)
            .horizon(HORIZON_MAX)
            .follow(plan, on_input)
            .run(scenario);
        let followed = report.get().clone();
        Ok(RecordingRun { run, followed })
    }
}
