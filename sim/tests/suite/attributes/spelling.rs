//! One program, whose actor carries its attributes in one spelling or another.

use retake_sim::{Sim, Strategy};

/// For each spelling a module of its name, with a program whose actor has these attributes, and
/// a test of all.
macro_rules! spellings {
    ($test:ident: $($name:ident: $(#[$attribute:meta])+;)+) => {
        #[test]
        fn $test() {
            $($crate::attributes::spelling::check_schedules($name::scenario);)+
        }

        $(mod $name {
            use ractor::{Actor, ActorRef, RpcReplyPort, call};
            use retake_testkit::{ActorResult, join};

            struct Account;

            enum Request {
                Read(RpcReplyPort<u32>),
                Write(u32),
                Stop,
            }

            $(#[$attribute])+
            impl Actor for Account {
                type Msg = Request;
                type State = u32;
                type Arguments = u32;

                async fn pre_start(
                    &self,
                    _: ActorRef<Request>,
                    balance: u32,
                ) -> ActorResult<u32> {
                    retake::sleep(std::time::Duration::from_millis(1)).await;
                    Ok(balance)
                }

                async fn handle(
                    &self,
                    myself: ActorRef<Request>,
                    request: Request,
                    balance: &mut u32,
                ) -> ActorResult {
                    match request {
                        Request::Read(reply) => reply.send(*balance)?,
                        Request::Write(value) => {
                            tokio::task::yield_now().await;
                            *balance = value;
                        }
                        Request::Stop => myself.stop(None),
                    }
                    Ok(())
                }

                async fn post_stop(
                    &self,
                    _: ActorRef<Request>,
                    balance: &mut u32,
                ) -> ActorResult {
                    retake::event!("closed with {balance}");
                    Ok(())
                }
            }

            pub(super) async fn scenario() -> u32 {
                let (account, ended) = Actor::spawn(None, Account, 1).await.unwrap();
                let clients = [10, 20, 30].map(|more| {
                    let account = account.clone();
                    retake::spawn(async move {
                        let balance = call!(account, Request::Read).unwrap();
                        account.cast(Request::Write(balance + more)).unwrap();
                    })
                });
                join(clients).await;
                let balance = call!(account, Request::Read).unwrap();
                account.cast(Request::Stop).unwrap();
                ended.await.unwrap();
                balance
            }
        })+
    };
}
pub(crate) use spellings;

/// Runs the program under some seeds and compares its schedules, each by its hash, with those of
/// every other spelling, with and without the feature `async-trait`.
pub(crate) fn check_schedules<F: Future<Output = u32> + Send + 'static>(program: fn() -> F) {
    let mut text = String::new();
    for strategy in [Strategy::Fifo, Strategy::Random, Strategy::Pos] {
        for seed in 0..4 {
            let run = Sim::new()
                .seed(seed)
                .strategy(strategy.clone())
                .strict(true)
                .run(program);
            let (hash, steps) = (run.event_hash, run.stats.steps);
            let balance = run.expect_passed();
            text += &format!("{hash:016x} {steps} steps, {balance}\n");
        }
    }
    // One file for both builds.
    insta::with_settings!({ prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("schedules_of_every_spelling", text);
    });
}
