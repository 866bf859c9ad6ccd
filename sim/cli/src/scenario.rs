//! What can be run by name, and what it measures.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use retake_sim::explore;
use retake_sim::isolate::Workers;
use serde::{Deserialize, Serialize, Serializer};

/// What a run measured: JSON for programs, text for people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RecordedReport {
    figures: String,
    text: String,
}

/// As it is sent from a worker process.
#[derive(Serialize)]
struct SentReport<'a> {
    figures: &'a str,
    text: &'a str,
}

impl RecordedReport {
    fn new(report: &(impl Serialize + fmt::Display)) -> serde_json::Result<Self> {
        Ok(Self {
            figures: serde_json::to_string(report)?,
            text: report.to_string(),
        })
    }

    fn to_message(&self) -> serde_json::Result<String> {
        let Self { figures, text } = self;
        serde_json::to_string(&SentReport { figures, text })
    }

    /// What [`to_message`](Self::to_message) has given.
    pub(crate) fn from_message(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The text for people.
impl fmt::Display for RecordedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The figures, with their fields in the order in which the scenario gave them.
impl Serialize for RecordedReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut figures = serde_json::Deserializer::from_str(&self.figures);
        serde_transcode::transcode(&mut figures, serializer)
    }
}

type Body<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a scenario does.
type Code = dyn Fn(ReportSlot) -> Body<()> + Send + Sync;

/// Something that can be run by name.
#[derive(Clone)]
pub struct Scenario {
    name: &'static str,
    about: &'static str,
    virtual_time: Duration,
    run: Arc<Code>,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Where a run leaves its report, also when a check fails.
#[derive(Clone, Debug, Default)]
pub struct ReportSlot(Arc<Mutex<Option<RecordedReport>>>);

impl ReportSlot {
    /// Leave this report: its fields are the figures, its text is for people.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn put(&self, report: &(impl Serialize + fmt::Display)) -> serde_json::Result<()> {
        let report = RecordedReport::new(report)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
        Ok(())
    }

    fn peek(&self) -> Option<RecordedReport> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.clone()
    }

    /// The report, if the run got so far.
    #[must_use]
    pub fn take(&self) -> Option<RecordedReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The virtual time that a scenario is expected to take unless it says otherwise.
const VIRTUAL_TIME: Duration = Duration::from_secs(1);

impl Scenario {
    /// One that passes, or panics where something is wrong: its name (`shop/last_one`), what
    /// it is about in a few words, and the code.
    #[must_use]
    pub fn new<F, Fut>(name: &'static str, about: &'static str, run: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            about,
            virtual_time: VIRTUAL_TIME,
            run: Arc::new(move |_| Box::pin(run())),
        }
    }

    /// One that measures something, and leaves its report in the slot before it checks it. The
    /// command `run` prints the report, with `--json` as JSON.
    ///
    /// ```
    /// use std::fmt;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Sales { sold: u32 }
    ///
    /// impl fmt::Display for Sales {
    ///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    ///         write!(f, "sold {}", self.sold)
    ///     }
    /// }
    ///
    /// let rush = retake_cli::Scenario::with_report("shop/rush", "a day of sales", async |report| {
    ///     let sales = Sales { sold: 3 };
    ///     report.put(&sales).expect("a number");
    ///     assert!(sales.sold > 0);
    /// });
    /// ```
    #[must_use]
    pub fn with_report<F, Fut>(name: &'static str, about: &'static str, run: F) -> Self
    where
        F: Fn(ReportSlot) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            about,
            virtual_time: VIRTUAL_TIME,
            run: Arc::new(move |slot| Box::pin(run(slot))),
        }
    }

    /// Roughly the virtual time that a run takes, for bars that show how far it is. Default:
    /// 1 s.
    #[must_use]
    pub fn virtual_time(self, virtual_time: Duration) -> Self {
        Self {
            virtual_time,
            ..self
        }
    }

    /// Its name, for example `shop/last_one`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is about, in one line.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// The virtual time that a run is expected to take.
    #[must_use]
    pub fn expected_time(&self) -> Duration {
        self.virtual_time
    }

    /// The scenario for campaigns, whose runs take place in processes of this pool.
    #[must_use]
    pub fn isolated(&self, workers: Arc<Workers>) -> explore::Scenario {
        self.to_explore().isolated(workers)
    }

    /// The scenario for campaigns. Its report is compared as well when it is run twice, and
    /// given to an execution also where a check fails.
    #[must_use]
    pub fn to_explore(&self) -> explore::Scenario {
        let code = Arc::clone(&self.run);
        // That of the run which was started last.
        let last = Arc::new(Mutex::new(ReportSlot::default()));
        let taken = Arc::clone(&last);
        let scenario = explore::Scenario::from(move || {
            let (code, last) = (Arc::clone(&code), Arc::clone(&last));
            async move {
                let slot = ReportSlot::default();
                *last.lock().unwrap_or_else(PoisonError::into_inner) = slot.clone();
                code(slot.clone()).await;
                let report = slot.peek();
                report.map(|report| report.to_message()).transpose()
            }
        });
        scenario.reports(move || {
            let slot = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
            slot.take()?.to_message().ok()
        })
    }

    /// The scenario's code, which leaves its report in `slot` and panics when a
    /// check fails, so that the trace ends with what was wrong.
    pub fn run(&self, slot: ReportSlot) -> impl Future<Output = ()> + Send + use<> {
        let code = Arc::clone(&self.run);
        async move { code(slot).await }
    }
}
