//! When actors end: ractor wakes who waits for an actor, and the engine waits for all of
//! them where a story or causes are recorded.

use std::collections::BTreeMap;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

use ractor::ActorCell;

type Wait = Pin<Box<dyn Future<Output = ()>>>;

/// Waits for the end of actors, by slot and serial.
#[derive(Default)]
pub(crate) struct Ends {
    waits: BTreeMap<(u32, u32), Wait>,
    ended: Arc<EndList>,
}

#[derive(Default)]
struct EndList {
    /// Read after every step.
    any: AtomicBool,
    list: Mutex<Vec<(u32, u32)>>,
}

/// Wakes for one actor.
struct Watch {
    actor: (u32, u32),
    ended: Arc<EndList>,
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        let list = &self.ended.list;
        list.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.actor);
        self.ended.any.store(true, Ordering::Relaxed);
    }
}

impl Ends {
    /// Wait for the end of this actor.
    pub(crate) fn watch(&mut self, slot: u32, serial: u32, cell: ActorCell) {
        let mut wait: Wait = Box::pin(async move {
            // Without a time limit none can run out.
            let _ = cell.wait(None).await;
        });
        let waker = Waker::from(Arc::new(Watch {
            actor: (slot, serial),
            ended: Arc::clone(&self.ended),
        }));
        // Polling registers the waker.
        let _ = wait.as_mut().poll(&mut Context::from_waker(&waker));
        self.waits.insert((slot, serial), wait);
    }

    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.ended.any.load(Ordering::Relaxed)
    }

    /// The actors that have ended since the last call, in the order of their ends, and what
    /// is to be dropped.
    pub(crate) fn take(&mut self) -> (Vec<(u32, u32)>, Vec<Wait>) {
        self.ended.any.store(false, Ordering::Relaxed);
        let list = &self.ended.list;
        let ended = mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner));
        let waits = ended
            .iter()
            .filter_map(|actor| self.waits.remove(actor))
            .collect();
        (ended, waits)
    }

    /// Wait for nobody any more; gives back what is to be dropped.
    pub(crate) fn clear(&mut self) -> Vec<Wait> {
        mem::take(&mut self.waits).into_values().collect()
    }
}
