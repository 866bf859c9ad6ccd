//! Starting a recording, and ending it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use retake::engine;
use retake_traces::live::Start;
use retake_traces::{Header, Layers, RunConfig, Strategy, TraceError, TraceWriter};

use crate::recorder::Recorder;
use crate::state::RecordingReport;

/// The longest that something recorded stays in this process alone.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// What to record, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name by which a program finds the scenario of its recording.
    pub scenario: String,
    /// How the recorded system is set up, in a form of its own. Without secrets.
    pub config: Vec<u8>,
    /// Record the texts of messages: they make a divergence clear, and show what is in them.
    pub texts: bool,
    /// The seed of random numbers; by default drawn from the operating system.
    pub seed: Option<u64>,
    /// The recording stops at this size, in bytes; the process continues.
    pub bytes_max: Option<u64>,
    /// The program, and a hash of its sources.
    pub program: (String, String),
}

impl Config {
    /// Of a scenario of this name: without texts, without a limit.
    #[must_use]
    pub fn new(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            config: Vec::new(),
            texts: false,
            seed: None,
            bytes_max: None,
            program: (String::new(), String::new()),
        }
    }
}

/// Why a recording does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file cannot be made.
    #[error(transparent)]
    File(#[from] TraceError),
    /// There is one recording at a time.
    #[error("this process is being recorded already: finish that recording first")]
    Busy,
    /// The system starts no thread.
    #[error("cannot start the thread that writes the recording: {0}")]
    Thread(std::io::Error),
}

/// A recording that runs. Finished when it is dropped; [`Recording::finish`] says how it went.
#[derive(Debug)]
#[must_use = "a recording ends when it is dropped"]
pub struct Recording {
    recorder: Arc<Recorder>,
    writer: Option<(Sender<()>, JoinHandle<()>)>,
    path: PathBuf,
}

/// Record this process from now on. Begin before the first actor is started.
///
/// The recording grows as `FILE.partial`, which is of use after the death of the process, and
/// has its name when it is finished. What an earlier, killed process left there is kept as
/// `FILE.crash-1` and so on.
///
/// # Errors
/// If the file cannot be made, or the process is being recorded already.
pub fn start(path: impl AsRef<Path>, config: Config) -> Result<Recording, StartError> {
    let path = path.as_ref().to_owned();
    if retake::record::is_recording() {
        // Before its file is touched, which may be this one.
        return Err(StartError::Busy);
    }
    let seed = config.seed.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        retake::live::random(&mut bytes);
        u64::from_le_bytes(bytes)
    });
    let header = Header {
        program: config.program.0,
        scenario: config.scenario,
        config: RunConfig {
            seed,
            strategy: Strategy::Live,
            ..RunConfig::default()
        },
        layers: Layers {
            story: config.texts,
            ..Layers::default()
        },
        code: config.program.1,
        ..Header::default()
    };
    let start = Start {
        unix_ns: u64::try_from(retake::unix_time().as_nanos()).unwrap_or(u64::MAX),
        origin_ns: retake::live::now_ns(),
        config: config.config,
    };
    let file = TraceWriter::create_recording(&path, &header)?;
    let recorder = Recorder::new(file, seed, &start, config.texts, config.bytes_max);
    if !engine::install_recorder(Arc::clone(&recorder) as engine::Recorder) {
        return Err(StartError::Busy);
    }
    let (stop, stopped) = channel();
    let flushed = Arc::clone(&recorder);
    let thread = std::thread::Builder::new().name("retake-live".to_owned());
    #[allow(
        clippy::disallowed_methods,
        reason = "a recorded process is a live one"
    )]
    let thread = thread.spawn(move || {
        while stopped.recv_timeout(FLUSH_EVERY) == Err(RecvTimeoutError::Timeout) {
            flushed.flush();
        }
    });
    match thread {
        Ok(thread) => Ok(Recording {
            recorder,
            writer: Some((stop, thread)),
            path,
        }),
        Err(error) => {
            engine::uninstall_recorder();
            Err(StartError::Thread(error))
        }
    }
}

impl Recording {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stop recording. The process continues as if it had never been recorded.
    ///
    /// # Errors
    /// If the recording could not be written to its end.
    pub fn finish(mut self) -> Result<RecordingReport, TraceError> {
        self.end()
    }

    fn end(&mut self) -> Result<RecordingReport, TraceError> {
        if let Some((stop, thread)) = self.writer.take() {
            engine::uninstall_recorder();
            drop(stop);
            // It does not panic, and its panic would be no reason to lose the end.
            let _ = thread.join();
        }
        self.recorder.finish()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.writer.is_some() {
            // No waiter is left to notify.
            let _ = self.end();
        }
    }
}
