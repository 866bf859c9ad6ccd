//! An actor that has a name which others want.

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

/// Does nothing, under its name.
struct Squatter;

#[retake::gate::callbacks]
impl Actor for Squatter {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// Take a name of ractor's registry until this virtual time since the start of the run.
pub(crate) async fn squat(name: String, until: tokio::time::Instant) {
    // Somebody may have been sooner.
    if let Ok((squatter, ended)) = Actor::spawn(Some(name), Squatter, ()).await {
        tokio::time::sleep_until(until).await;
        squatter.stop(None);
        let _ = tokio::time::timeout(Duration::from_secs(1), ended).await;
    }
}
