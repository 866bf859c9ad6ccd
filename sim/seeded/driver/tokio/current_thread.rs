/// The scheduler of a simulated process, added by `cargo retake`.
mod seeded {
    use super::*;
    use crate::retake::{DriverGuard, Turn};
    use crate::runtime::context::BlockingRegionGuard;
    use std::panic::Location;
    use std::pin::Pin;
    use std::sync::Mutex as StdMutex;
    use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
    use std::sync::atomic::{AtomicBool as StdBool, AtomicUsize as StdCount};

    /// What a runtime has in addition.
    pub(super) struct SimulatedRuntime {
        /// Its number in the simulation.
        pub(super) number: u32,
        /// It was built with several threads: one that waits in the middle of a task hands over the
        /// core to another one.
        pub(super) has_threads: bool,
        /// Its threads have to end.
        is_closing: StdBool,
        /// Threads that wait for the core.
        waiting: StdCount,
        workers: StdMutex<Workers>,
    }

    #[derive(Default)]
    struct Workers {
        core: Option<Arc<AtomicCell<Core>>>,
        notify: Option<Arc<Notify>>,
        handles: Vec<thread::JoinHandle<()>>,
    }

    impl SimulatedRuntime {
        pub(super) fn new() -> Self {
            let has_threads = crate::retake::builds_threads();
            Self {
                number: crate::retake::new_runtime(has_threads),
                has_threads,
                is_closing: StdBool::new(false),
                waiting: StdCount::new(0),
                workers: StdMutex::new(Workers::default()),
            }
        }
    }

    impl Handle {
        /// Whether this runtime of a simulated process was built with several threads.
        pub(crate) fn has_simulated_threads(&self) -> bool {
            self.shared.seeded.has_threads
        }

        /// Have a thread drive this runtime, if it was built with several and none does.
        pub(crate) fn ensure_simulated_driver(self: &Arc<Self>) {
            self.shared.seeded.ensure_driver(self);
        }
    }

    /// Counts a thread that waits for the core, until it is dropped.
    struct WaitingThread<'a>(&'a StdCount);

    impl<'a> WaitingThread<'a> {
        fn start(count: &'a StdCount) -> Self {
            count.fetch_add(1, AcqRel);
            Self(count)
        }
    }

    impl Drop for WaitingThread<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, AcqRel);
        }
    }

    /// Tasks that can run, by their slots.
    pub(super) type Queue = Vec<Option<Notified>>;

    impl Core {
        /// The task in this slot, which can run.
        fn take(&mut self, handle: &Handle, slot: u32) -> Option<Notified> {
            let mut found = None;
            while let Some(task) = self.tasks.pop_front().or_else(|| handle.next_remote_task()) {
                match task.retake_slot().get() {
                    it if it == slot => found = Some(task),
                    // It has ended.
                    crate::retake::NO_SLOT => drop(task),
                    other => self.keep(other as usize, task),
                }
            }
            found.or_else(|| self.seeded.get_mut(slot as usize)?.take())
        }

        fn keep(&mut self, slot: usize, task: Notified) {
            if slot >= self.seeded.len() {
                self.seeded.resize_with(slot + 1, || None);
            }
            self.seeded[slot] = Some(task);
        }

        /// Keep the tasks that can run until they are chosen. Those that a fault delays are no
        /// reason not to park.
        fn keep_all(&mut self) {
            while let Some(task) = self.tasks.pop_front() {
                match task.retake_slot().get() {
                    // It has ended.
                    crate::retake::NO_SLOT => drop(task),
                    slot => self.keep(slot as usize, task),
                }
            }
        }
    }

    impl Workers {
        /// Another owner of the runtime's core.
        fn scheduler(&self) -> Option<CurrentThread> {
            Some(CurrentThread {
                core: self.core.clone()?,
                notify: self.notify.clone()?,
            })
        }
    }

    impl SimulatedRuntime {
        /// The core has several owners.
        pub(super) fn share_core(&self, core: AtomicCell<Core>) -> Arc<AtomicCell<Core>> {
            let core = Arc::new(core);
            if self.has_threads {
                self.workers.lock().unwrap().core = Some(core.clone());
            }
            core
        }

        /// So has what says that the core is free.
        pub(super) fn share_notify(&self, notify: Notify) -> Arc<Notify> {
            let notify = Arc::new(notify);
            if self.has_threads {
                self.workers.lock().unwrap().notify = Some(notify.clone());
            }
            notify
        }

        /// Have a thread drive the runtime, if it has threads and no thread does.
        #[inline]
        pub(super) fn ensure_driver(&self, handle: &Arc<Handle>) {
            if self.has_threads && !crate::retake::is_driven(self.number) {
                start_worker(handle);
            }
        }
    }

    impl CurrentThread {
        pub(super) fn block_on_seeded<F: Future>(
            &self,
            handle: &Arc<Handle>,
            blocking: &mut BlockingRegionGuard,
            mut future: Pin<&mut F>,
            at: &'static Location<'static>,
        ) -> F::Output {
            crate::retake::blocks_on(std::any::type_name::<F>(), at);
            loop {
                if let Some(core) = self.take_core(handle) {
                    if let Some(output) = core.drive(future.as_mut()) {
                        if handle.num_alive_tasks() > 0 {
                            handle.shared.seeded.ensure_driver(handle);
                        }
                        return output;
                    }
                    continue;
                }
                let waiting = WaitingThread::start(&handle.shared.seeded.waiting);
                let notified = self.notify.notified();
                pin!(notified);
                let output = blocking
                    .block_on(poll_fn(|cx| {
                        if notified.as_mut().poll(cx).is_ready() {
                            return Ready(None);
                        }
                        future.as_mut().poll(cx).map(Some)
                    }))
                    .expect("Failed to `Enter::block_on`");
                drop(waiting);
                if let Some(output) = output {
                    return output;
                }
            }
        }

        /// End the threads that this runtime has.
        pub(super) fn end_workers(&self, handle: &Arc<Handle>) {
            let seeded = &handle.shared.seeded;
            if !seeded.has_threads {
                return;
            }
            seeded.is_closing.store(true, Release);
            let handles = std::mem::take(&mut *seeded.workers.lock().unwrap()).handles;
            handle.shared.woken.store(true, Release);
            crate::retake::main_ready(seeded.number);
            handle.driver.unpark();
            self.notify.notify_waiters();
            for worker in handles {
                if worker.thread().id() != thread::current().id() {
                    let _ = worker.join();
                }
            }
        }
    }

    /// Hand over the core of the runtime that this thread drives to another thread, because this one
    /// waits or is held up in the middle of a task. True if it was handed over.
    pub(crate) fn hand_over_core() -> bool {
        context::with_scheduler(|context| {
            let Some(scheduler::Context::CurrentThread(context)) = context else {
                return false;
            };
            let seeded = &context.handle.shared.seeded;
            if !seeded.has_threads || seeded.is_closing.load(Acquire) {
                return false;
            }
            context.defer.wake();
            let Ok(mut core) = context.core.try_borrow_mut() else {
                return false;
            };
            let Some(core) = core.take() else {
                return false;
            };
            let scheduler = seeded.workers.lock().unwrap().scheduler();
            let Some(scheduler) = scheduler else {
                return false;
            };
            scheduler.core.set(core);
            scheduler.notify.notify_one();
            crate::retake::stop_driving();
            seeded.ensure_driver(&context.handle);
            true
        })
    }

    /// Block in place, as runtimes with several threads do. None of the function if this thread
    /// runs no task of such a simulated runtime that may.
    #[cfg(feature = "rt-multi-thread")]
    pub(crate) fn block_in_place<F: FnOnce() -> R, R>(f: F) -> Result<R, F> {
        use crate::runtime::context::{EnterRuntime, current_enter_context, exit_runtime};

        struct Restore(RETAKE_COOP::Budget);
        impl Drop for Restore {
            fn drop(&mut self) {
                RETAKE_COOP::set(self.0);
            }
        }

        let has_threads = context::with_scheduler(|context| match context {
            Some(scheduler::Context::CurrentThread(context)) => {
                context.handle.has_simulated_threads()
            }
            _ => false,
        });
        let entered = current_enter_context();
        let is_allowed = matches!(
            entered,
            EnterRuntime::Entered {
                allow_block_in_place: true
            }
        );
        if !has_threads || !is_allowed {
            return Err(f);
        }
        let _restore = Restore(RETAKE_COOP::stop());
        hand_over_core();
        Ok(exit_runtime(f))
    }

    /// A thread that drives the runtime whenever no other does, until the runtime ends.
    #[cold]
    fn start_worker(handle: &Arc<Handle>) {
        let seeded = &handle.shared.seeded;
        if seeded.waiting.load(Acquire) > 0 || seeded.is_closing.load(Acquire) {
            return;
        }
        let scheduler = seeded.workers.lock().unwrap().scheduler();
        let Some(scheduler) = scheduler else { return };
        seeded.waiting.fetch_add(1, AcqRel);
        let of_it = handle.clone();
        let worker = handle.blocking_spawner.retake_thread().spawn(move || {
            of_it.shared.seeded.waiting.fetch_sub(1, AcqRel);
            let all = scheduler::Handle::CurrentThread(of_it.clone());
            let closing = poll_fn(|_| match of_it.shared.seeded.is_closing.load(Acquire) {
                true => Ready(()),
                false => Pending,
            });
            let run = || scheduler.block_on(&all, closing);
            of_it.blocking_spawner.retake_run(run);
        });
        match worker {
            Ok(worker) => seeded.workers.lock().unwrap().handles.push(worker),
            Err(_) => drop(seeded.waiting.fetch_sub(1, AcqRel)),
        }
    }

    impl CoreGuard<'_> {
        /// Drive the runtime until the future is ready. None if the core was handed over meanwhile.
        fn drive<F: Future>(self, mut future: Pin<&mut F>) -> Option<F::Output> {
            let context = self.context.expect_current_thread();
            let core = context.core.borrow_mut().take().expect("core missing");
            let driving = DriverGuard::start(context.handle.shared.seeded.number);
            let (core, output) = context::set_scheduler(&self.context, || {
                turns(context, core, driving.as_ref(), future.as_mut())
            });
            drop(driving);
            if core.is_some() {
                *context.core.borrow_mut() = core;
            }
            output
        }
    }

    /// Look at timers and events.
    fn look(context: &Context, core: Box<Core>, driving: &DriverGuard) -> Box<Core> {
        driving.looks(true);
        let core = context.park_yield(core, &context.handle);
        driving.looks(false);
        core
    }

    fn turns<F: Future>(
        context: &Context,
        mut core: Box<Core>,
        driving: Option<&DriverGuard>,
        mut future: Pin<&mut F>,
    ) -> (Option<Box<Core>>, Option<F::Output>) {
        let handle = &context.handle;
        let waker = Handle::waker_ref(handle);
        crate::retake::main_ready(handle.shared.seeded.number);
        loop {
            if core.unhandled_panic {
                *context.core.borrow_mut() = Some(core);
                panic!(
                    "a spawned task panicked and the runtime is configured to shut down on unhandled panic"
                );
            }
            let Some(driving) = driving else {
                unreachable!("the thread is simulated")
            };
            if !context.defer.is_empty() {
                // What has yielded continues after timers and events were looked at, unless there
                // is something else to do.
                if driving.is_busy() {
                    let (back, ()) = context.enter(core, || context.defer.wake());
                    core = back;
                } else {
                    core = look(context, core, driving);
                }
            }
            let polled = match driving.next() {
                Turn::Idle => {
                    core.keep_all();
                    driving.parks(true);
                    core = context.park(core, handle);
                    driving.parks(false);
                    continue;
                }
                Turn::Look => {
                    core = look(context, core, driving);
                    continue;
                }
                Turn::Main => {
                    // A turn of a task of a set is not for the future itself.
                    let is_for_it = !crate::retake::is_local_turn() && !crate::retake::looks();
                    if is_for_it && !handle.reset_woken() {
                        continue;
                    }
                    crate::retake::polls(waker.data() as usize);
                    let mut cx = std::task::Context::from_waker(crate::retake::look_waker(&waker));
                    *context.core.borrow_mut() = Some(core);
                    RETAKE_COOP::budget(|| future.as_mut().poll(&mut cx))
                }
                Turn::Task(slot) => {
                    crate::retake::cancels();
                    let Some(task) = core.take(handle, slot) else {
                        continue;
                    };
                    crate::retake::polls(task.retake_waker());
                    let task = handle.shared.owned.assert_owner(task);
                    *context.core.borrow_mut() = Some(core);
                    RETAKE_COOP::budget(|| task.run());
                    Pending
                }
            };
            let left = context.core.borrow_mut().take();
            if let Ready(output) = polled {
                return (left, Some(output));
            }
            match left {
                Some(left) => core = left,
                None => return (None, None),
            }
        }
    }
}
#[cfg(feature = "rt-multi-thread")]
pub(crate) use seeded::block_in_place;
pub(crate) use seeded::hand_over_core;
