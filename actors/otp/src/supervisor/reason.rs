//! The reasons with which supervisors and their children end.

/// The reason with which children are asked to stop.
pub(super) const SHUTDOWN: &str = "shutdown";
/// The reason with which a supervisor ends that gave up. OTP's is `shutdown`; its report
/// says `reached_max_restart_intensity`.
pub const INTENSITY_EXCEEDED: &str = "shutdown: restart intensity exceeded";
/// The reason with which a supervisor ends whose significant children have ended: like
/// OTP's `shutdown`, it is a normal end.
pub const AUTO_SHUTDOWN: &str = "shutdown: significant children have ended";
