/// Added by `cargo retake`.
impl<S: 'static> Notified<S> {
    /// The number of the task.
    pub(crate) fn retake_id(&self) -> u64 {
        // Safety: the pointer is that of the task's header.
        unsafe { Header::get_id(self.0.header_ptr()) }.as_u64()
    }

    /// The slot that the task has in the simulation.
    #[inline]
    pub(crate) fn retake_slot(&self) -> &crate::retake::Slot {
        &self.0.header().retake
    }

    /// The data of the task's waker, as an address.
    pub(crate) fn retake_waker(&self) -> usize {
        self.0.header_ptr().as_ptr() as usize
    }
}

/// Wake a task. Added by `cargo retake`.
///
/// # Safety
/// The address is that of the header of a task that has not been freed.
pub(crate) unsafe fn retake_wake(header: usize) {
    // Safety: as the caller promises.
    unsafe { RawTask::from_raw(NonNull::new_unchecked(header as *mut Header)).wake_by_ref() };
}

/// Cancel a task. Added by `cargo retake`.
///
/// # Safety
/// The address is that of the header of a task that has not been freed.
pub(crate) unsafe fn retake_cancel(header: usize) {
    // Safety: as the caller promises.
    unsafe { RawTask::from_raw(NonNull::new_unchecked(header as *mut Header)).remote_abort() };
}

/// Added by `cargo retake`.
impl<S: 'static> Task<S> {
    /// The slot that the task has in the simulation.
    pub(crate) fn retake_slot(&self) -> &crate::retake::Slot {
        &self.header().retake
    }
}
