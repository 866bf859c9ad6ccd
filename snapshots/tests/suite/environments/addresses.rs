//! Addresses that are used as numbers: where memory is fixed, they are.

use retake_sim::Sim;

use super::harness::{WORKERS, in_two};
use crate::common::{Program, here, tell};

fn is_the_same_at_fixed_addresses(test: &str, program: impl Program) {
    if let Some([here, elsewhere]) = in_two(test, WORKERS, Sim::new, program) {
        assert_eq!(here, elsewhere);
    }
}

#[test]
fn addresses_of_functions_and_statics_are_fixed() {
    static PLACE: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    is_the_same_at_fixed_addresses(here!(), || async {
        let function = addresses_of_functions_and_statics_are_fixed as fn();
        let library = libc::malloc as *const ();
        format!("{function:p} {library:p} {:p}", &raw const PLACE)
    });
}

#[test]
fn an_address_on_the_stack_is_fixed() {
    is_the_same_at_fixed_addresses(here!(), || async {
        let place = 0_u8;
        format!("{:p}", &raw const place)
    });
}

#[test]
fn addresses_on_the_heap_are_fixed() {
    is_the_same_at_fixed_addresses(here!(), || async {
        let mut places = Vec::new();
        for size in [1_usize, 100, 10_000, 1_000_000] {
            let place = Vec::<u8>::with_capacity(size);
            places.push(format!("{:p}", place.as_ptr()));
            std::mem::forget(place);
            let future = tokio::time::sleep(std::time::Duration::from_millis(1));
            Box::pin(future).await;
        }
        places.join(" ")
    });
}

/// `ahash` mixes addresses into its keys.
#[test]
fn the_order_of_an_ahash_map_is_fixed() {
    is_the_same_at_fixed_addresses(here!(), || async {
        let map: ahash::HashMap<u64, ()> = (0..50).map(|number| (number, ())).collect();
        let numbers: Vec<u64> = map.into_keys().collect();
        tell(numbers.clone()).await;
        format!("{numbers:?}")
    });
}

#[test]
fn keys_of_ahash_in_a_static_are_fixed() {
    static KEYS: std::sync::LazyLock<ahash::RandomState> =
        std::sync::LazyLock::new(ahash::RandomState::new);
    is_the_same_at_fixed_addresses(here!(), || async { KEYS.hash_one(1).to_string() });
}
