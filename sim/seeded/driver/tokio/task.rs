/// Added by `cargo retake`.
impl<S: 'static> Notified<S> {
    /// The number of the task.
    pub(crate) fn retake_id(&self) -> u64 {
        // Safety: the pointer is that of the task's header.
        unsafe { Header::get_id(self.0.header_ptr()) }.as_u64()
    }

    /// The data of the task's waker, as an address.
    pub(crate) fn retake_waker(&self) -> usize {
        self.0.header_ptr().as_ptr() as usize
    }
}

/// Added by `cargo retake`.
impl<S: 'static> Task<S> {
    /// The number of the task.
    pub(crate) fn retake_id(&self) -> u64 {
        // Safety: the pointer is that of the task's header.
        unsafe { Header::get_id(self.header_ptr()) }.as_u64()
    }
}
