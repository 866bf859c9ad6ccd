//! The examples of `docs/actors.md`, which `docs.rs` compares with the page.

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use retake_otp::journal::{Journal, JournaledActor};
use retake_otp::pool::{PoolConfig, PoolRef};
use retake_otp::statem::{Context, Event, Next, StateMachine, StatemRef, Table};
use retake_otp::supervisor::{ChildSpec, Strategy, SupervisorRef, SupervisorSpec};
use retake_otp::{CallError, Names, call, invariants, named_enum};
use retake_sim::Sim;

const SECOND: Duration = Duration::from_secs(1);

struct Doubler;

#[derive(Debug)]
enum Request {
    Double(u32, RpcReplyPort<u32>),
    Crash,
}

#[retake::simulated]
impl Actor for Doubler {
    type Msg = Request;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Request>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Request>,
        request: Request,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match request {
            Request::Double(number, reply) => reply.send(2 * number)?,
            Request::Crash => return Err(From::from("as asked")),
        }
        Ok(())
    }
}

#[test]
fn a_supervisor_restarts_a_child_under_its_name() {
    let run = Sim::new().run(|| async {
        let spec = SupervisorSpec::new(Strategy::OneForOne)
            .intensity(3, 60 * SECOND)
            .child(ChildSpec::new("doubler", || (Doubler, ())));
        let supervisor = SupervisorRef::start(Some("root"), spec).await.unwrap();

        // A child is registered under its id.
        let doubler: ActorRef<Request> = retake::where_is("doubler").unwrap().into();
        doubler.cast(Request::Crash).unwrap();
        retake::sleep(SECOND).await;
        let successor: ActorRef<Request> = retake::where_is("doubler").unwrap().into();
        assert_ne!(successor.get_id(), doubler.get_id());
        supervisor.stop().await;
    });
    run.expect_passed();
}

#[test]
fn a_call_to_an_actor_that_has_ended_is_an_error_at_once() {
    let run = Sim::new().run(|| async {
        let (doubler, ended) = Actor::spawn(None, Doubler, ()).await.unwrap();
        let answer = call(&doubler, |reply| Request::Double(21, reply), Some(SECOND)).await;
        assert_eq!(answer, Ok(42));

        doubler.stop(None);
        ended.await.unwrap();
        let answer = call(&doubler, |reply| Request::Double(21, reply), Some(SECOND)).await;
        assert_eq!(answer, Err(CallError::Closed));
    });
    run.expect_passed();
}

#[test]
fn a_pool_lends_a_worker_for_a_transaction_or_a_lease() {
    let run = Sim::new().run(|| async {
        let config = PoolConfig {
            size: 2,
            max_overflow: 0,
            ..PoolConfig::default()
        };
        let pool = PoolRef::start("doublers", config, |_| (Doubler, ()))
            .await
            .unwrap();

        // The worker is given back however the closure ends.
        let doubled = pool.transaction(SECOND, async |worker| {
            call(&worker, |reply| Request::Double(21, reply), Some(SECOND)).await
        });
        assert_eq!(doubled.await.unwrap(), Ok(42));

        // A lease gives its worker back when it is dropped.
        let lease = pool.checkout(SECOND).await.unwrap();
        assert_eq!(pool.status().await.unwrap().leased, 1);
        drop(lease);
        assert_eq!(pool.status().await.unwrap().leased, 0);
        pool.stop().await;
    });
    run.expect_passed();
}

named_enum! {
    enum DoorState { Closed = "closed", Open = "open" }
}

named_enum! {
    enum DoorEvent { Push = "push", Spring = "spring" }
}

impl Event for DoorEvent {
    type Kind = Self;

    fn kind(&self) -> Self {
        *self
    }
}

struct Door;

impl StateMachine for Door {
    type State = DoorState;
    type Event = DoorEvent;
    type Timeout = std::convert::Infallible;
    type Data = u32;
    type Arguments = ();

    fn table() -> Table<DoorState, DoorEvent> {
        use DoorEvent::{Push, Spring};
        use DoorState::{Closed, Open};
        Table::new([Closed])
            .on(Closed, Push, [Open])
            .on(Open, Spring, [Closed])
            .ignore(Open, Push)
    }

    async fn init(
        &self,
        (): (),
        _: &mut Context<'_, Self>,
    ) -> Result<(DoorState, u32), ActorProcessingErr> {
        Ok((DoorState::Closed, 0))
    }

    async fn handle(
        &self,
        _state: DoorState,
        event: DoorEvent,
        opened: &mut u32,
        context: &mut Context<'_, Self>,
    ) -> Result<Next<DoorState>, ActorProcessingErr> {
        if event == DoorEvent::Spring {
            return Ok(Next::Goto(DoorState::Closed));
        }
        *opened += 1;
        context.state_timeout(5 * SECOND, DoorEvent::Spring);
        Ok(Next::Goto(DoorState::Open))
    }
}

#[test]
fn a_state_machine_closes_a_door_by_its_timeout() {
    let run = Sim::new().run(|| async {
        let door = StatemRef::start(None, Door, ()).await.unwrap();
        door.cast(DoorEvent::Push).unwrap();
        assert_eq!(door.inspect().await.unwrap().state, DoorState::Open);
        retake::sleep(6 * SECOND).await;
        assert_eq!(door.inspect().await.unwrap().state, DoorState::Closed);
    });
    run.expect_passed();
}

#[test]
fn names_of_two_systems_in_one_process_differ_by_their_prefix() {
    let run = Sim::new().run(|| async {
        for shop in ["north", "south"] {
            let names = Names::with_prefix(shop);
            let name = retake::scoped_name(&names.of("doubler"));
            Actor::spawn(Some(name), Doubler, ()).await.unwrap();
        }
        assert!(retake::where_is("north/doubler").is_some());
        assert!(retake::where_is("south/doubler").is_some());
    });
    run.expect_passed();
}

#[test]
fn a_journal_shows_that_every_life_ended_once() {
    let run = Sim::new().run(|| async {
        let journal = Journal::new();
        let doubler = JournaledActor::new(Doubler, "doubler", &journal);
        let (doubler, ended) = Actor::spawn(None, doubler, ()).await.unwrap();
        let ask = call(&doubler, |reply| Request::Double(21, reply), None);
        journal.call("client", "doubler", ask).await.unwrap();
        doubler.stop(None);
        ended.await.unwrap();

        let entries = journal.entries();
        assert_eq!(invariants::lives(&entries), []);
        assert_eq!(invariants::calls(&entries), []);
    });
    run.expect_passed();
}
