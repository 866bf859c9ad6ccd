//! What users do: `#[retake_sim::test]`, whose seeds run in forked processes of workers.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Write as _;

use super::harness::{ANYWHERE, command};
use crate::common::{here, select};

/// Where the test writes what it computed.
const OUT: &str = "RETAKE_ENVIRONMENT_OUT";

#[retake_sim::test(seeds = 5)]
async fn a_test_that_computes_with_what_differs_between_processes() {
    let map: HashMap<u64, ()> = (0..50).map(|number| (number, ())).collect();
    let selected = select().await;
    let line = format!(
        "{:?} {} {selected} {} {:p} {} {:?} {:?} {:?}\n",
        map.keys().collect::<Vec<_>>(),
        ahash::RandomState::new().hash_one(1),
        on_the_stack(),
        here as fn() -> String,
        std::process::id(),
        std::thread::available_parallelism(),
        std::thread::current().id(),
        std::time::SystemTime::now(),
    );
    if let Some(path) = std::env::var_os(OUT) {
        let file = fs::File::options().append(true).create(true).open(path);
        file.unwrap().write_all(line.as_bytes()).unwrap();
    }
}

#[inline(never)]
fn on_the_stack() -> String {
    let place = 0_u8;
    format!("{:p}", &raw const place)
}

/// A function with an address.
fn here() -> String {
    here!().to_owned()
}

#[test]
fn the_seeds_of_a_test_are_the_same_in_two_environments() {
    let test = "environments::campaigns::a_test_that_computes_with_what_differs_between_processes";
    let folder = tempfile::tempdir().unwrap();
    let [here, elsewhere] = ANYWHERE.map(|place| {
        let path = folder.path().join(format!("{place:?}"));
        let mut command = command(test, place);
        let output = command.env(OUT, &path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        let lines = fs::read_to_string(path).unwrap();
        lines.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    });
    assert_eq!(here.len(), 5, "each seed has one result: {here:#?}");
    assert_eq!(here, elsewhere);
}
