//! What is random.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::io::Read as _;

use rand::{Rng as _, TryRng as _};

use super::harness::is_of_the_seed;
use crate::common::{here, tell};

/// Send the numbers in this order, and say it.
async fn in_order(numbers: impl IntoIterator<Item = u64>) -> String {
    let numbers: Vec<u64> = numbers.into_iter().collect();
    tell(numbers.clone()).await;
    format!("{numbers:?}")
}

#[test]
fn the_order_of_std_maps_and_sets_is_of_the_seed() {
    is_of_the_seed(here!(), || async {
        let map: HashMap<u64, ()> = (0..50).map(|number| (number, ())).collect();
        let set: HashSet<u64> = (50..100).collect();
        in_order(map.into_keys().chain(set)).await
    });
}

#[test]
fn the_order_of_a_dashmap_is_of_the_seed() {
    is_of_the_seed(here!(), || async {
        let map: dashmap::DashMap<u64, ()> = (0..50).map(|number| (number, ())).collect();
        in_order(map.into_iter().map(|(number, ())| number)).await
    });
}

#[test]
fn rand_draws_from_the_seed() {
    is_of_the_seed(here!(), || async {
        let drawn = rand::rng().next_u64();
        in_order([drawn, rand::random()]).await
    });
}

#[test]
fn entropy_of_the_system_is_of_the_seed() {
    is_of_the_seed(here!(), || async {
        in_order([rand::rngs::SysRng.try_next_u64().unwrap()]).await
    });
}

#[test]
fn a_uuid_is_of_the_seed() {
    is_of_the_seed(here!(), || async { uuid::Uuid::new_v4().to_string() });
}

#[test]
#[allow(unsafe_code, reason = "functions of the C library")]
fn entropy_of_the_c_library_is_of_the_seed() {
    unsafe extern "C" {
        fn arc4random() -> u32;
        fn arc4random_buf(buffer: *mut u8, length: usize);
        fn arc4random_uniform(bound: u32) -> u32;
    }
    is_of_the_seed(here!(), || async {
        let mut bytes = [[0_u8; 8]; 4];
        let [one, two, three, four] = &mut bytes;
        // SAFETY: the buffers are as long as it says.
        let numbers = unsafe {
            assert_eq!(libc::getrandom(one.as_mut_ptr().cast(), 8, 0), 8);
            assert_eq!(libc::getentropy(two.as_mut_ptr().cast(), 8), 0);
            arc4random_buf(three.as_mut_ptr(), 8);
            let number = libc::SYS_getrandom;
            assert_eq!(libc::syscall(number, four.as_mut_ptr(), 8_usize, 0), 8);
            [arc4random(), arc4random_uniform(1_000)]
        };
        assert!(numbers[1] < 1_000);
        let numbers = numbers.map(u64::from);
        in_order(bytes.map(u64::from_ne_bytes).into_iter().chain(numbers)).await
    });
}

#[test]
#[allow(unsafe_code, reason = "functions of the C library")]
fn the_random_devices_are_of_the_seed() {
    fn read_as_c(path: &CStr) -> [u8; 8] {
        let mut bytes = [0; 8];
        // SAFETY: the arguments are strings, and the buffer is as long as it says.
        unsafe {
            let file = libc::fopen(path.as_ptr(), c"r".as_ptr());
            assert_eq!(libc::fread(bytes.as_mut_ptr().cast(), 1, 8, file), 8);
            libc::fclose(file);
        }
        bytes
    }
    is_of_the_seed(here!(), || async {
        let mut all = Vec::new();
        for path in ["/dev/urandom", "/dev/random"] {
            let mut bytes = [0; 8];
            let mut device = std::fs::File::open(path).unwrap();
            device.read_exact(&mut bytes).unwrap();
            all.push(bytes);
        }
        all.push(read_as_c(c"/dev/urandom"));
        // It ends, and a reader that needs more gets an error.
        let mut device = std::fs::File::open("/dev/urandom").unwrap();
        let mut many = vec![0; retake_sim::interpose::DEVICE_BYTES + 1];
        assert!(device.read_exact(&mut many).is_err());
        let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
        uuid + &in_order(all.into_iter().map(u64::from_ne_bytes)).await
    });
}

#[test]
#[allow(unsafe_code, reason = "functions of the C library")]
fn the_random_bytes_of_the_auxiliary_vector_are_of_the_seed() {
    is_of_the_seed(here!(), || async {
        // SAFETY: the system gives the address of 16 bytes.
        let bytes = unsafe { *(libc::getauxval(libc::AT_RANDOM) as *const [u8; 16]) };
        format!("{bytes:?}")
    });
}
