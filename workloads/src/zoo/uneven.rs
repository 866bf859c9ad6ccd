//! One actor has twenty-five events, another one has one, and the bug shows only when
//! that one comes last.

use ractor::ActorRef;

use super::{MS, Shared, actor, lock, shared, tell};

#[derive(Debug)]
struct Event(u32);

pub(super) async fn run(fixed: bool) {
    let seen = shared(0);
    let many = actor(
        "many",
        Shared::clone(&seen),
        |myself: &ActorRef<Event>, Event(number), seen: &mut Shared<u32>| {
            *lock(seen) += 1;
            if number < 25 {
                tell(myself, Event(number + 1));
            }
        },
    )
    .await;
    let one = actor(
        "one",
        (seen, fixed),
        |_: &ActorRef<Event>, _, (seen, fixed): &mut (Shared<u32>, bool)| {
            let seen = *lock(seen);
            retake::always!(*fixed || seen < 25, "it comes after all the others");
        },
    )
    .await;
    // The one could have run all the time.
    tell(&one, Event(0));
    tell(&many, Event(1));
    retake::sleep(MS).await;
}
