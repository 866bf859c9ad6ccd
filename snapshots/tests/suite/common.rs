//! What tests of determinism share.

use std::process::Command;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use retake_testkit::actor;

/// What is run again and again.
pub(crate) trait Program<T = String>:
    Fn() -> Self::Running + Send + Sync + Clone + 'static
{
    type Running: Future<Output = T> + Send + 'static;
}

impl<T, F, Fut> Program<T> for F
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    type Running = Fut;
}

/// Logs numbers, so that what it is sent and in which order is in the records.
pub(crate) async fn listener() -> ActorRef<u64> {
    let log = |_: &_, number, heard: &mut Vec<u64>| {
        heard.push(number);
        retake::event!("heard {heard:?}");
    };
    actor("listener", Vec::new(), log).await
}

/// Send numbers to a listener, and wait until it has handled them.
pub(crate) async fn tell(numbers: impl IntoIterator<Item = u64>) {
    let listener = listener().await;
    for number in numbers {
        listener.cast(number).unwrap();
    }
    listener.drain().unwrap();
    listener.wait(None).await.unwrap();
}

/// Which of three branches that are ready at once is taken, without `biased`.
pub(crate) async fn select() -> u64 {
    tokio::select! {
        () = std::future::ready(()) => 1,
        () = std::future::ready(()) => 2,
        () = std::future::ready(()) => 3,
    }
}

/// An actor without the attribute.
#[derive(Default)]
pub(crate) struct Ungated;

impl Actor for Ungated {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// The name of the test that it is in, as the test harness has it.
macro_rules! here {
    () => {{
        fn here() {}
        let path = std::any::type_name_of_val(&here);
        let path = path.strip_suffix("::here").unwrap();
        path.split_once("::").unwrap().1
    }};
}
pub(crate) use here;

/// Starts one test of this binary.
pub(crate) fn another_process(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
    command
}
