/// Added by `cargo retake`.
impl Semaphore {
    pub(crate) fn try_acquire(&self, num_permits: usize) -> Result<(), TryAcquireError> {
        let result = self.try_acquire_stock(num_permits);
        if result.is_ok() {
            self.retake.acquired();
        }
        result
    }
}
