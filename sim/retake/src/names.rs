//! Names of types, for people.

/// A type's name without its path and parameters.
pub(crate) fn short_name_of(full: &'static str) -> &'static str {
    let head = full.split('<').next().unwrap_or(full);
    head.rsplit("::").next().unwrap_or(head)
}
