//! What is tried is in `tests`.
