//! A worker: does the work of one action at a time.

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use rand_distr::{Distribution, Exp1};
use serde::{Deserialize, Serialize};

use crate::executor::Action;

/// How long something takes, as a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTime {
    /// As long as the code takes.
    #[default]
    None,
    /// Always this long.
    Fixed(Duration),
    /// Exponentially distributed with this mean.
    Exponential(Duration),
}

impl ServiceTime {
    /// Draw one.
    #[must_use]
    pub fn draw(&self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(time) => *time,
            Self::Exponential(mean) => {
                let factor: f64 = Exp1.sample(&mut retake::rng());
                mean.mul_f64(factor)
            }
        }
    }

    /// Spend a drawn time. Outside a simulation this is a real sleep.
    pub async fn spend(&self) {
        let time = self.draw();
        if !time.is_zero() {
            retake::sleep(time).await;
        }
    }
}

/// The actor. Its arguments say how long its work takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActionWorker;

/// What a worker is asked.
#[derive(Debug)]
pub enum WorkerMessage {
    /// Do this action's work; the answer comes when it is done.
    Run(Action, RpcReplyPort<()>),
}

#[retake::simulated]
impl Actor for ActionWorker {
    type Msg = WorkerMessage;
    type State = ServiceTime;
    type Arguments = ServiceTime;

    async fn pre_start(
        &self,
        _: ActorRef<WorkerMessage>,
        service_time: ServiceTime,
    ) -> Result<ServiceTime, ActorProcessingErr> {
        Ok(service_time)
    }

    async fn handle(
        &self,
        _: ActorRef<WorkerMessage>,
        message: WorkerMessage,
        service_time: &mut ServiceTime,
    ) -> Result<(), ActorProcessingErr> {
        let WorkerMessage::Run(_, reply) = message;
        service_time.spend().await;
        // Whoever asked may have given up.
        let _ = reply.send(());
        Ok(())
    }
}
