//! What blocks a thread: virtual time passes, real time does not.

use std::sync::{Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::harness::{fails_with, is_the_same};
use crate::common::here;

const HOUR: Duration = Duration::from_secs(3600);

/// How much virtual time this takes, by both clocks.
fn time_of(work: impl FnOnce()) -> Duration {
    let (ours, std) = (retake::now(), Instant::now());
    work();
    assert_eq!(ours.elapsed(), std.elapsed());
    ours.elapsed()
}

/// It takes this virtual time, everywhere.
fn takes(test: &str, time: Duration, work: impl Fn() + Send + Sync + Clone + 'static) {
    is_the_same(test, move || {
        let work = work.clone();
        async move {
            assert_eq!(time_of(work), time);
            format!("{:?}", retake::now())
        }
    });
}

#[test]
fn a_sleep_of_a_thread_takes_virtual_time_only() {
    takes(here!(), HOUR / 4, || std::thread::sleep(HOUR / 4));
}

#[test]
fn a_wait_with_a_deadline_ends_at_it() {
    // It asks once more, for no time at all.
    takes(here!(), HOUR / 9 + Duration::from_nanos(1), || {
        let (lock, changed) = (Mutex::new(()), Condvar::new());
        let guard = lock.lock().unwrap();
        let waited = changed.wait_timeout_while(guard, HOUR / 9, |()| true);
        assert!(waited.unwrap().1.timed_out());
    });
}

#[test]
fn a_channel_of_std_ends_its_wait_at_the_deadline() {
    takes(here!(), HOUR / 9, || {
        let (_sender, receiver) = mpsc::channel::<()>();
        let result = receiver.recv_timeout(HOUR / 9);
        assert_eq!(result, Err(mpsc::RecvTimeoutError::Timeout));
    });
}

#[test]
fn a_parked_thread_and_parking_lot_end_their_waits_at_the_deadline() {
    is_the_same(here!(), || async {
        let parked = time_of(|| std::thread::park_timeout(HOUR / 9));
        let lock = parking_lot::Mutex::new(());
        let changed = parking_lot::Condvar::new();
        let waited = time_of(|| {
            let result = changed.wait_for(&mut lock.lock(), HOUR / 9);
            assert!(result.timed_out());
        });
        let locked = time_of(|| {
            let _guard = lock.lock();
            assert!(lock.try_lock_for(HOUR / 9).is_none());
        });
        assert_eq!([parked, waited, locked], [HOUR / 9; 3]);
        format!("{parked:?}")
    });
}

#[test]
fn a_step_that_reads_a_clock_until_time_has_passed_ends() {
    is_the_same(here!(), || async {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        format!("{:?}", start.elapsed())
    });
}

#[test]
fn others_go_on_when_a_step_has_slept() {
    is_the_same(here!(), || async {
        let other = retake::spawn(async {
            retake::sleep(Duration::from_millis(10)).await;
            retake::now()
        });
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_millis(25));
        format!("{:?}", other.await.unwrap())
    });
}

#[test]
fn a_sleep_beyond_the_end_of_virtual_time_ends_the_run() {
    fails_with(here!(), &["horizon: "], || async {
        std::thread::sleep(HOUR * 2);
        retake::sleep(Duration::from_millis(1)).await;
        String::new()
    });
}
