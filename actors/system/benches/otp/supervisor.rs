//! Supervisors.

use std::time::{Duration, Instant};

use retake_otp::supervisor::{ChildSpec, Strategy, SupervisorRef, SupervisorSpec};

use crate::figure::{Figure, note, times};
use crate::pool::Echo;

pub(crate) async fn restart() -> Figure {
    let spec = SupervisorSpec::new(Strategy::OneForOne)
        .intensity(u32::MAX, Duration::from_secs(1))
        .child(ChildSpec::new("child", || (Echo, ())));
    let supervisor = SupervisorRef::start(Some("supervisor"), spec)
        .await
        .unwrap();
    let mut times = times();
    for _ in 0..2_000 {
        let child = ractor::registry::where_is("child").unwrap();
        let start = Instant::now();
        child.kill();
        loop {
            match ractor::registry::where_is("child") {
                Some(next) if next.get_id() != child.get_id() => break,
                _ => tokio::task::yield_now().await,
            }
        }
        note(&mut times, start);
        // Its start is over when the supervisor answers.
        supervisor.count_children().await.unwrap();
    }
    supervisor.stop().await;
    Figure::Times(times)
}
