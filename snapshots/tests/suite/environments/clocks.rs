//! What shows time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::harness::{here, is_the_same};

#[test]
fn clocks_of_std_show_virtual_time() {
    is_the_same(here!(), || async {
        let start = Instant::now();
        retake::sleep(Duration::from_millis(1500)).await;
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        format!("{:?} {wall:?} {:?}", start.elapsed(), Instant::now())
    });
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
