//! What chooses, by the strategy of the settings.

use super::core::chacha::ChaCha8;
use super::core::strategy::{HoldKeeper, Scheduler};
use super::settings::{Settings, parts};
use super::sys;

macro_rules! choosing {
    ($(
        $(#[$doc:meta])*
        $name:literal $variant:ident
        $({ $($(#[$setting_doc:meta])* $setting:ident: u64 = $usual:literal in $range:expr,)* })?
        => $make:expr;
    )*) => {
        /// What chooses by the strategy of these settings, drawing from `rng`.
        pub(super) fn scheduler(settings: &Settings, rng: ChaCha8) -> Box<dyn Scheduler> {
            let (name, numbers) = parts(&settings.strategy);
            let number = |name: &str, usual: u64| numbers.get(name).copied().unwrap_or(usual);
            match name {
                "holds" => Box::new(HoldKeeper::new(&settings.holds)),
                $($name => Box::new(
                    ($make)($($(number(stringify!($setting), $usual),)*)? rng)
                ),)*
                _ => {
                    sys::print_error(&format!("error: there is no strategy `{name}`\n"));
                    std::process::exit(2);
                }
            }
        }
    };
}

super::core::strategy::strategies!(choosing);
