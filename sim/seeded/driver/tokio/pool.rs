/// Added by `cargo retake`.
impl Spawner {
    /// A thread with the name and the stack of one of this pool.
    pub(crate) fn retake_thread(&self) -> thread::Builder {
        let builder = thread::Builder::new().name((self.inner.thread_name)());
        match self.inner.stack_size {
            Some(size) => builder.stack_size(size),
            None => builder,
        }
    }

    /// Run this on a thread that says when it starts and ends, if the runtime wants to know it.
    pub(crate) fn retake_run(&self, run: impl FnOnce()) {
        if let Some(after_start) = &self.inner.after_start {
            after_start();
        }
        run();
        if let Some(before_stop) = &self.inner.before_stop {
            before_stop();
        }
    }
}
