//! What tests of determinism share.
use ractor::{Actor, ActorProcessingErr, ActorRef};

/// Logs numbers, so that what it is sent and in which order is in the records.
pub(crate) struct Listener;

#[retake::simulated]
impl Actor for Listener {
    type Msg = u64;
    type State = Vec<u64>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<u64>, (): ()) -> Result<Vec<u64>, ActorProcessingErr> {
        Ok(Vec::new())
    }

    async fn handle(
        &self,
        _: ActorRef<u64>,
        number: u64,
        heard: &mut Vec<u64>,
    ) -> Result<(), ActorProcessingErr> {
        heard.push(number);
        retake::event!("heard {heard:?}");
        Ok(())
    }
}

/// Send numbers to a listener, and wait until it has handled them.
pub(crate) async fn tell(numbers: impl IntoIterator<Item = u64>) {
    let (listener, _) = Actor::spawn(None, Listener, ()).await.unwrap();
    for number in numbers {
        listener.cast(number).unwrap();
    }
    listener.drain().unwrap();
    listener.wait(None).await.unwrap();
}
