//! The supervisor restarts, gives up and stops as OTP's does.

mod children;
mod common;
mod restarts;
