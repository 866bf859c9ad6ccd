//! A small program that is recorded live and followed, and what is done with recordings
//! that may say anything. Used by a test and by the fuzz target `recording` (`traces/fuzz`).

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use retake::record;
use retake_sim::recording::{Input, Recording};
use retake_traces::{MemorySink, Record};

/// Adds up what it is sent.
pub struct Counter;

#[derive(Debug)]
pub enum Count {
    Add(u64),
    Get(RpcReplyPort<u64>),
    Fail,
}

#[retake::simulated]
impl Actor for Counter {
    type Msg = Count;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Count>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Count>,
        message: Count,
        sum: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Count::Add(number) => *sum = sum.wrapping_add(number),
            Count::Get(reply) => {
                retake::sleep(Duration::from_micros(50)).await;
                let _ = reply.send(*sum);
            }
            Count::Fail => return Err("asked to".into()),
        }
        Ok(())
    }
}

/// Keeps a counter alive.
pub struct Keeper;

#[retake::simulated]
impl Actor for Keeper {
    type Msg = RpcReplyPort<ActorRef<Count>>;
    type State = ActorRef<Count>;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        (): (),
    ) -> Result<ActorRef<Count>, ActorProcessingErr> {
        Ok(myself.spawn_linked(None, Counter, ()).await?.0)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        reply: Self::Msg,
        counter: &mut ActorRef<Count>,
    ) -> Result<(), ActorProcessingErr> {
        let _ = reply.send(counter.clone());
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        counter: &mut ActorRef<Count>,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) | SupervisionEvent::ActorTerminated(..) = event {
            *counter = myself.spawn_linked(None, Counter, ()).await?.0;
        }
        Ok(())
    }
}

type Shared = Arc<Mutex<Option<ActorRef<RpcReplyPort<ActorRef<Count>>>>>>;

/// What is done for an input: a request.
pub async fn serve(shared: Shared, input: Input) {
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let number = input.payload.len() as u64;
    if input.name == "start" {
        if let Ok((keeper, _)) = Actor::spawn(None, Keeper, ()).await {
            *lock() = Some(keeper);
        }
        return;
    }
    let keeper = lock().clone();
    let Some(keeper) = keeper else { return };
    let Ok(counter) = ractor::call!(keeper, |reply| reply) else {
        return;
    };
    match &*input.name {
        "add" => {
            if !record::known("may", || number > 0) {
                return;
            }
            let more = record::outside("disk", async { Ok::<_, std::io::Error>(number) }).await;
            let _ = counter.cast(Count::Add(more.unwrap_or_default()));
            let sum = ractor::call!(counter, Count::Get).unwrap_or_default();
            record::output("sum", || sum.to_le_bytes().to_vec());
        }
        "fail" => drop(counter.cast(Count::Fail)),
        _ => {}
    }
}

/// Record clients that add and break, on two threads.
#[allow(
    clippy::disallowed_methods,
    reason = "a real process, which no gate guards"
)]
pub fn record_live(path: &Path) {
    let recording = retake_live::start(path, retake_live::Config::new("counter"));
    let recording = recording.expect("a folder to write to");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("threads");
    let shared = Shared::default();
    let ask = |name: &str, payload: &[u8]| {
        let (name, payload) = (name.to_owned(), payload.to_vec());
        let input = Input {
            name: name.clone(),
            payload: payload.clone(),
        };
        let work = serve(Arc::clone(&shared), input);
        async move { record::input(&name, || payload, work).await }
    };
    runtime.block_on(async {
        ask("start", b"").await;
        for round in 0..3 {
            let all = [
                tokio::spawn(ask("add", b"one")),
                tokio::spawn(ask("add", b"")),
                tokio::spawn(ask("fail", b"")),
                tokio::spawn(ask("add", &[round; 40])),
            ];
            for one in all {
                one.await.expect("no panic");
            }
        }
    });
    recording.finish().expect("room to write");
}

/// Open a file that may say anything, and follow it if it is a recording. Panics on a
/// finding.
pub fn drive(path: &Path) {
    let recording = match Recording::open(path) {
        Ok(recording) => recording,
        Err(error) => return shown(&error),
    };
    let _ = (recording.header(), recording.config());
    let sink = MemorySink::new();
    let shared = Shared::default();
    let again = recording.replay_inputs(
        Some(Box::new(sink.clone())),
        std::future::pending::<()>,
        move |input| serve(Arc::clone(&shared), input),
    );
    let replayed = match again {
        Ok(replayed) => replayed,
        Err(error) => return shown(&error),
    };
    let followed = &replayed.followed;
    assert!(followed.honoured <= followed.recorded, "{followed:?}");
    assert!(
        followed.divergence.is_some() || followed.is_complete(),
        "{followed:?}"
    );
    for (same, all) in followed.by_task.values().chain(followed.outputs.values()) {
        assert!(same <= all, "{followed:?}");
    }
    serde_json::to_string(followed).expect("it is JSON");
    shown(&replayed.run);
    assert!(matches!(sink.records().last(), Some(Record::End(_))));
}

fn shown(what: &impl Display) {
    assert!(!what.to_string().is_empty());
}
