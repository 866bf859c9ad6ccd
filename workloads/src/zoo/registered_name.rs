//! A service confirms that it stops before its name is free, and its successor takes the
//! same name. Oracle: the successor starts.

use ractor::{ActorRef, RpcReplyPort};

use super::{actor, start, tell};

#[derive(Debug)]
enum Service {
    Stop(RpcReplyPort<()>),
    /// From itself: all is put in order.
    Close,
}

fn serve(myself: &ActorRef<Service>, message: Service, _: &mut ()) {
    match message {
        Service::Stop(reply) => {
            tell(myself, Service::Close);
            let _ = reply.send(());
        }
        Service::Close => myself.stop(None),
    }
}

pub(super) async fn run(fixed: bool) {
    let service = actor("service", (), serve).await;
    if fixed {
        let _ = service.stop_and_wait(None, None).await;
    } else {
        let _ = service.call(Service::Stop, None).await;
    }
    let successor = start("service", (), serve).await;
    retake::always!(successor.is_ok(), "the successor does not start");
}
