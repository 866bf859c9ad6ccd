//! What shows time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::harness::is_the_same;
use crate::common::here;

#[test]
fn clocks_of_std_show_virtual_time() {
    is_the_same(here!(), || async {
        let (start, wall) = (Instant::now(), SystemTime::now());
        let slept = Duration::from_millis(1500);
        retake::sleep(slept).await;
        assert_eq!((start.elapsed(), wall.elapsed().unwrap()), (slept, slept));
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        format!("{wall:?} {:?}", Instant::now())
    });
    // Outside a simulation the clocks are real: it is later than the year 2025.
    assert!(UNIX_EPOCH.elapsed().unwrap() > Duration::from_secs(1_750_000_000));
}

#[test]
#[allow(unsafe_code, reason = "functions of the C library")]
fn clocks_of_the_c_library_show_virtual_time() {
    unsafe extern "C" {
        fn clock() -> libc::c_long;
        fn timespec_get(time: *mut libc::timespec, base: libc::c_int) -> libc::c_int;
    }
    is_the_same(here!(), || async {
        retake::sleep(Duration::from_millis(1500)).await;
        let mut times = Vec::new();
        // SAFETY: all places are valid for a write.
        unsafe {
            let mut now = 0;
            times.push((libc::time(&raw mut now), 0));
            assert_eq!(now, times[0].0);
            let mut now: libc::timeval = std::mem::zeroed();
            libc::gettimeofday(&raw mut now, std::ptr::null_mut());
            times.push((now.tv_sec, now.tv_usec));
            let mut now: libc::timespec = std::mem::zeroed();
            timespec_get(&raw mut now, 1);
            times.push((now.tv_sec, now.tv_nsec));
            for clock in [
                libc::CLOCK_REALTIME_COARSE,
                libc::CLOCK_MONOTONIC_COARSE,
                libc::CLOCK_MONOTONIC_RAW,
                libc::CLOCK_BOOTTIME,
                libc::CLOCK_PROCESS_CPUTIME_ID,
                libc::CLOCK_THREAD_CPUTIME_ID,
            ] {
                libc::clock_gettime(clock, &raw mut now);
                times.push((now.tv_sec, now.tv_nsec));
                libc::clock_getres(clock, &raw mut now);
                times.push((now.tv_sec, now.tv_nsec));
                libc::syscall(libc::SYS_clock_gettime, clock, &raw mut now);
                times.push((now.tv_sec, now.tv_nsec));
            }
            times.push((clock(), 0));
        }
        format!("{times:?}")
    });
}
