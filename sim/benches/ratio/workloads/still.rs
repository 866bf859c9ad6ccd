//! Actors that do nothing.

use ractor::{Actor, ActorProcessingErr, ActorRef};

struct Still;

gate! {
    impl Actor for Still {
        type Msg = ();
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }
    }
}

/// Start one actor.
pub(crate) async fn start_one() {
    Actor::spawn(None, Still, ()).await.unwrap();
}

/// Start `actors` actors and let each become idle.
pub(crate) async fn start(actors: usize) -> Vec<ActorRef<()>> {
    let mut all = Vec::with_capacity(actors);
    for _ in 0..actors {
        all.push(Actor::spawn(None, Still, ()).await.unwrap().0);
    }
    // On a paused clock time moves only when nothing is left to do.
    super::super::sleep(std::time::Duration::from_millis(2)).await;
    all
}
