/// Whether what is polled has no budget, because it has asked for none. Added by `cargo retake`.
pub(crate) fn retake_is_unconstrained() -> bool {
    crate::runtime::context::budget(|budget| budget.get().0.is_none()).unwrap_or(false)
}
