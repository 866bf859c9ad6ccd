//! Actors of ractor's feature `async-trait`: `cargo test -p retake-sim --features async-trait`.

use super::spelling::spellings;

mod renamed {
    pub(crate) use ractor::async_trait as at;
}

spellings! {
    every_spelling_of_the_attributes_has_the_schedule_of_a_build_without_the_feature:
    // The attribute boxes the futures itself.
    alone: #[retake::simulated];
    above: #[retake::simulated] #[ractor::async_trait];
    below: #[ractor::async_trait] #[retake::simulated];
    conditional_above: #[retake::simulated]
        #[cfg_attr(feature = "async-trait", ractor::async_trait)];
    conditional_below: #[cfg_attr(feature = "async-trait", ractor::async_trait)]
        #[retake::simulated];
    off: #[retake::simulated] #[cfg_attr(any(), ractor::async_trait)];
    of_its_own_crate_above: #[retake::simulated] #[async_trait::async_trait];
    of_its_own_crate_below: #[async_trait::async_trait] #[retake::simulated];
    renamed_above: #[retake::simulated] #[super::renamed::at];
    renamed_below: #[super::renamed::at] #[retake::simulated];
}
