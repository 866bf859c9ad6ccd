//! Actors that cannot carry the attribute, and state that is a thread's own.

use std::cell::Cell;

use ractor::{Actor, ActorRef, RpcReplyPort, SupervisionEvent};
use retake::SimulatedActor;
use retake_sim::{Isolation, Sim};
use retake_testkit::{ActorResult, MS, escaped, recorded, told};

/// Represents an actor of another crate: every callback does something.
pub(crate) struct Foreign;

#[derive(Debug)]
pub(crate) enum Request {
    Log(RpcReplyPort<Vec<String>>),
    SpawnAndFail,
    Fail,
    Sleep,
}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Foreign {
    type Msg = Request;
    type State = Vec<String>;
    type Arguments = String;

    async fn pre_start(&self, _: ActorRef<Request>, name: String) -> ActorResult<Vec<String>> {
        retake::sleep(MS).await;
        Ok(vec![format!("{name} pre_start")])
    }

    async fn post_start(&self, _: ActorRef<Request>, log: &mut Vec<String>) -> ActorResult {
        log.push("post_start".to_owned());
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Request>,
        request: Request,
        log: &mut Vec<String>,
    ) -> ActorResult {
        match request {
            Request::Log(reply) => reply.send(log.clone())?,
            Request::SpawnAndFail => {
                let child = SimulatedActor::new(Self);
                let (child, _) = myself.spawn_linked(None, child, "child".to_owned()).await?;
                child.cast(Request::Fail)?;
            }
            Request::Sleep => retake::sleep(MS).await,
            Request::Fail => return Err(From::from("as asked")),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Request>,
        event: SupervisionEvent,
        log: &mut Vec<String>,
    ) -> ActorResult {
        if let SupervisionEvent::ActorFailed(_, error) = event {
            log.push(format!("child failed {error}"));
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Request>, _: &mut Vec<String>) -> ActorResult {
        retake::event!("post_stop");
        Ok(())
    }
}

#[test]
fn a_wrapped_actor_runs_all_its_callbacks_under_the_scheduler() {
    let (run, sink) = recorded(Sim::new().story(true), || async {
        let actor = SimulatedActor::with_debug(Foreign);
        let (actor, handle) = Actor::spawn(None, actor, "foreign".to_owned())
            .await
            .unwrap();
        actor.cast(Request::SpawnAndFail).unwrap();
        retake::sleep(5 * MS).await;
        let log = ractor::call!(actor, Request::Log).unwrap();
        actor.stop(None);
        handle.await.unwrap();
        log
    });
    assert_eq!(run.stats.ungated_max, 0, "{run}");
    let log = ["foreign pre_start", "post_start", "child failed as asked"];
    assert_eq!(run.expect_passed(), log);
    let story = told(&sink, "scenario/Foreign").join("\n");
    insta::assert_snapshot!(story, @r"
    new actor, by scenario
    started
    handles SpawnAndFail
    resumes
    supervises ActorStarted(scenario/Foreign/Foreign)
    supervises ActorFailed(scenario/Foreign/Foreign, as asked)
    handles Log(reply)
    stops
    | post_stop
    ");
}

#[test]
fn an_actor_without_a_gate_that_uses_virtual_time_is_found_out() {
    let run = Sim::new().run(|| async {
        let (bare, _) = Actor::spawn(None, Foreign, "bare".to_owned())
            .await
            .unwrap();
        bare.cast(Request::Sleep).unwrap();
        retake::sleep(2 * MS).await;
    });
    escaped(&run);
}

thread_local! {
    static RUNS_OF_THIS_THREAD: Cell<u32> = const { Cell::new(0) };
}

/// Counts the runs that its thread has seen.
async fn count_runs() -> u32 {
    RUNS_OF_THIS_THREAD.set(RUNS_OF_THIS_THREAD.get() + 1);
    RUNS_OF_THIS_THREAD.get()
}

#[test]
fn a_thread_of_its_own_hides_what_earlier_runs_left_in_thread_locals() {
    let count = |isolation| {
        let runs = (0..3).map(|_| Sim::new().isolation(isolation).run(count_runs));
        runs.map(|run| run.expect_passed()).collect::<Vec<_>>()
    };
    assert_eq!(count(Isolation::Thread), [1, 1, 1]);
    assert_eq!(count(Isolation::Inline), [1, 2, 3]);
}
