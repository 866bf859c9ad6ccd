//! What is outside of the simulation's reach: two environments differ, and a comparison of
//! runs from both shows it.

use retake_sim::Sim;

use super::harness::{ANYWHERE, in_two};
use crate::common::{here, tell};

#[test]
fn variables_and_the_working_folder_differ_and_are_seen_by_comparing_processes() {
    let reports = in_two(here!(), ANYWHERE, Sim::new, || async {
        let count = std::env::vars_os().count() as u64;
        tell(0..count).await;
        format!("{:?}", std::env::current_dir().unwrap())
    });
    if let Some([[here, _, again], [elsewhere, ..]]) = reports {
        assert_eq!(here, again, "runs of one process have it in common");
        assert_ne!(here.output, elsewhere.output);
        assert_ne!(here.hash, elsewhere.hash);
    }
}
