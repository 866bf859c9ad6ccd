/// Added by `cargo retake`.
impl<T, S: Semaphore> Rx<T, S> {
    /// Whether a task that has taken a message in this step takes the next one in another step.
    fn gives_way(&self, cx: &Context<'_>) -> bool {
        crate::retake::gives_way(cx.waker())
            && !self.is_empty()
            && !RETAKE_COOP::retake_is_unconstrained()
    }

    /// Receive the next value, in a step of its own.
    pub(crate) fn recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.inner.inbox.received_from(|| self.len());
        if self.gives_way(cx) {
            crate::retake::give_way();
            cx.waker().wake_by_ref();
            return Pending;
        }
        let received = self.recv_stock(cx);
        if let Ready(Some(_)) = &received {
            self.inner.inbox.taken(1);
            crate::retake::taken(cx.waker(), std::any::type_name::<T>());
        }
        received
    }

    /// Receive up to `limit` values, in a step of its own.
    pub(crate) fn recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.inner.inbox.received_from(|| self.len());
        if limit > 0 && self.gives_way(cx) {
            crate::retake::give_way();
            cx.waker().wake_by_ref();
            return Pending;
        }
        let received = self.recv_many_stock(cx, buffer, limit);
        if let Ready(count @ 1..) = &received {
            self.inner.inbox.taken(*count);
            crate::retake::taken(cx.waker(), std::any::type_name::<T>());
        }
        received
    }

    /// Try to receive the next value.
    pub(crate) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.inner.inbox.received_from(|| self.len());
        let received = self.try_recv_stock();
        match received {
            Ok(_) => self.inner.inbox.taken(1),
            Err(_) => crate::retake::is_vain(1),
        }
        received
    }
}
