//! A coffee machine that grinds twice and then refills its hopper. One that crashes in
//! between leaves the hopper at -5, and the one after it refills only when it is at 0.
//! Oracle: it never grinds far below empty.

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::{MS, Shared, lock, shared, tell};

struct Machine {
    fixed: bool,
}

#[derive(Debug)]
struct Brew;

#[retake::simulated]
impl Actor for Machine {
    type Msg = Brew;
    type State = Shared<i32>;
    type Arguments = Shared<i32>;

    async fn pre_start(
        &self,
        _: ActorRef<Brew>,
        hopper: Shared<i32>,
    ) -> Result<Shared<i32>, ActorProcessingErr> {
        let level = *lock(&hopper);
        let is_empty = if self.fixed { level <= 0 } else { level == 0 };
        if is_empty {
            *lock(&hopper) = 10;
        }
        Ok(hopper)
    }

    async fn handle(
        &self,
        _: ActorRef<Brew>,
        _: Brew,
        hopper: &mut Shared<i32>,
    ) -> Result<(), ActorProcessingErr> {
        for _ in 0..2 {
            let level = {
                let mut hopper = lock(hopper);
                *hopper -= 5;
                *hopper
            };
            retake::always!(level >= -5, "the hopper is at {level}");
            tokio::task::yield_now().await;
        }
        *lock(hopper) = 10;
        Ok(())
    }
}

pub(super) async fn run(fixed: bool) {
    let hopper = shared(5);
    for crashes in [true, false] {
        let machine = Actor::spawn(None, Machine { fixed }, Shared::clone(&hopper)).await;
        let Ok((machine, ended)) = machine else {
            return;
        };
        tell(&machine, Brew);
        let other = machine.clone();
        let injector = retake::spawn_named("injector", async move {
            if crashes {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                other.kill();
            }
        });
        let _ = injector.await;
        retake::sleep(MS).await;
        machine.kill();
        let _ = ended.await;
    }
}
