//! A service confirms that it stops before its name is free, and its successor takes the
//! same name. Oracle: the successor starts.

use std::marker::PhantomData;

use ractor::{Actor, ActorRef, RpcReplyPort};

use super::{Acting, Handler, actor, tell};

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
    let name = Some(retake::scoped_name("service"));
    let handler: Handler<Service, ()> = serve;
    let successor = Actor::spawn(name, Acting(PhantomData), ((), handler)).await;
    retake::always!(successor.is_ok(), "the successor does not start");
}
