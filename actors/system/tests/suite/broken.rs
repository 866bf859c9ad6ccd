//! Services that are broken from within a scenario.

use std::time::Duration;

use retake::{ServiceFailure, Share};
use retake_sim::kinds::BreakService;
use retake_sim::{Fault, Target};
use retake_system::Service;

/// A service that fails for a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken {
    service: Service,
    failure: ServiceFailure,
    share: Share,
    /// From now on.
    pub(crate) time: Duration,
}

impl Broken {
    pub(crate) fn new(
        service: Service,
        failure: ServiceFailure,
        percent: u32,
        time: Duration,
    ) -> Self {
        let share = Share::of_millionths(percent * 10_000).unwrap();
        Self {
            service,
            failure,
            share,
            time,
        }
    }
}

/// Break it in the simulation that runs on this thread, from now on.
pub(crate) fn break_service(broken: Broken) {
    let now = Duration::from_nanos(retake::now().as_nanos());
    let until = now + broken.time;
    let action = BreakService {
        service: Some(broken.service.name().to_owned()),
        failure: broken.failure,
        share: broken.share,
        until_ns: Some(u64::try_from(until.as_nanos()).unwrap()),
    };
    retake_sim::inject(Fault::new(Target::Run, action).at(now));
}
