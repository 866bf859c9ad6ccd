/// Added by `cargo retake`.
impl LocalSet {
    /// Run the task whose turn it is, if any: each is a step of its own. True if there are more
    /// that nothing else will choose.
    fn tick_seeded(&self) -> bool {
        use crate::retake::LocalTurn;

        assert!(
            !self.context.unhandled_panic.get(),
            "a spawned task panicked and the LocalSet is configured to shutdown on unhandled panic"
        );
        crate::retake::cancels();
        let shared = &self.context.shared;
        let turn = crate::retake::local_turn(shared.retake);
        if let LocalTurn::Nothing = turn {
            return false;
        }
        let remote = shared.queue.lock().as_mut().map(std::mem::take);
        let mut tasks = remote.unwrap_or_default();
        while let Some(task) = self.pop_local() {
            tasks.push_back(task);
        }
        // In the order of their numbers, whatever has woken them.
        tasks.make_contiguous().sort_by_key(|task| task.retake_id());
        let (chosen, is_any) = match turn {
            LocalTurn::Task(slot) => {
                let is_it = |task: &task::Notified<_>| task.retake_slot().get() == slot;
                (tasks.iter().position(is_it), false)
            }
            _ => (Some(crate::retake::choose_local(tasks.len())), true),
        };
        let chosen = chosen.and_then(|chosen| tasks.remove(chosen));
        for task in tasks {
            // Safety: the set is not sent to other threads, so this is its thread.
            unsafe { shared.local_state.task_push_back(task) };
        }
        let Some(task) = chosen else {
            return false;
        };
        crate::retake::polls(task.retake_waker());
        // Safety: as above.
        let task = unsafe { shared.local_state.assert_owner(task) };
        RETAKE_COOP::budget(|| task.run());
        is_any
    }

    /// Be polled only to run one of the tasks.
    fn turn_seeded(&self, cx: &mut std::task::Context<'_>) {
        self.with(|| {
            let _no_blocking = crate::runtime::context::disallow_block_in_place();
            self.context.shared.waker.register_by_ref(cx.waker());
            self.tick();
        });
    }
}

/// Added by `cargo retake`.
impl Shared {
    /// Keep a task that can run until its turn comes.
    fn keep_seeded(&self, task: task::Notified<Arc<Self>>) {
        if context::thread_id().ok() == Some(self.local_state.owner) {
            // Safety: this is the thread that owns the set.
            unsafe { self.local_state.task_push_back(task) };
        } else if let Some(queue) = self.queue.lock().as_mut() {
            queue.push_back(task);
            // Its thread may be parked.
            self.waker.wake();
        }
    }
}
