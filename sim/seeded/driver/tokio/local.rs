/// Added by `cargo retake`.
impl LocalSet {
    /// Run one of the tasks that can run, chosen by the seed: each is a step of its own. True if
    /// there are more.
    fn tick_seeded(&self) -> bool {
        assert!(
            !self.context.unhandled_panic.get(),
            "a spawned task panicked and the LocalSet is configured to shutdown on unhandled panic"
        );
        let shared = &self.context.shared;
        let remote = shared.queue.lock().as_mut().map(std::mem::take);
        let mut tasks = remote.unwrap_or_default();
        while let Some(task) = self.pop_local() {
            tasks.push_back(task);
        }
        // In the order of their numbers, whatever has woken them.
        tasks.make_contiguous().sort_by_key(|task| task.retake_id());
        let chosen = crate::retake::choose_local(tasks.len());
        let Some(task) = tasks.remove(chosen) else {
            return false;
        };
        for task in tasks {
            // Safety: the set is not sent to other threads, so this is its thread.
            unsafe { shared.local_state.task_push_back(task) };
        }
        crate::retake::polls(task.retake_waker());
        // Safety: as above.
        let task = unsafe { shared.local_state.assert_owner(task) };
        RETAKE_COOP::budget(|| task.run());
        true
    }
}
