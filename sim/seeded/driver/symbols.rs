//! Functions of the C library that the program defines, so that the standard library and
//! others end here: what starts a thread, waits, sleeps, reads a clock or draws entropy.
//!
//! On a thread that is not simulated they do what the library does. Their names are weak: a
//! program that defines one of them itself keeps its own.

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::sync::atomic::Ordering;

use super::kernel::{be, me, with};
use super::spins;
use super::state::{Baton, Wait};
use super::sys::{self, Library, Timespec, answer, fail, number};
use super::threads;
use super::weak::weak;

/// Clocks at the start of every run: not 0, so that programs may subtract from an `Instant`.
const MONOTONIC_START_NS: u64 = 1_000_000 * 1_000_000_000;
/// The first of January 2020.
const UNIX_START_NS: u64 = 1_577_836_800 * 1_000_000_000;
/// Reads of clocks within a step after which each further one takes time: the step waits for
/// time to pass.
const READS_WITHOUT_WAITING: u32 = 1 << 12;
const READ_NS: u64 = 1_000;
/// What `available_parallelism` gives, whatever the machine has.
const PROCESSORS: u32 = 4;

weak! {
    "pthread_create" retake_seeded_pthread_create,
    "pthread_join" retake_seeded_pthread_join,
    "syscall" retake_seeded_syscall,
    "nanosleep" retake_seeded_nanosleep,
    "clock_nanosleep" retake_seeded_clock_nanosleep,
    "usleep" retake_seeded_usleep,
    "sched_yield" retake_seeded_sched_yield,
    "sched_getaffinity" retake_seeded_sched_getaffinity,
    "clock_gettime" retake_seeded_clock_gettime,
    "gettimeofday" retake_seeded_gettimeofday,
    "time" retake_seeded_time,
    "getrandom" retake_seeded_getrandom,
}

type Routine = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

struct Start {
    thread: u32,
    baton: &'static Baton,
    routine: Routine,
    argument: *mut c_void,
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_pthread_create(
    handle: *mut usize,
    attributes: *const c_void,
    routine: Routine,
    argument: *mut c_void,
) -> c_int {
    type Create = unsafe extern "C" fn(*mut usize, *const c_void, Routine, *mut c_void) -> c_int;
    static CREATE: Library = Library::new(b"pthread_create\0");
    let create = CREATE.address();
    if create.is_null() {
        return sys::EAGAIN;
    }
    // SAFETY: the library declares the function of this name with this type.
    let create = unsafe { std::mem::transmute::<*mut c_void, Create>(create) };
    if me().is_none() {
        // SAFETY: the arguments are the caller's own.
        return unsafe { create(handle, attributes, routine, argument) };
    }
    let (thread, baton) = with(|kernel| {
        let thread = kernel.new_thread();
        (thread, kernel.threads[thread as usize].baton)
    });
    let start = Box::into_raw(Box::new(Start {
        thread,
        baton,
        routine,
        argument,
    }));
    // SAFETY: as the caller promises; the box is taken by `begin`.
    let result = unsafe { create(handle, attributes, begin, start.cast()) };
    with(|kernel| {
        if result == 0 {
            // SAFETY: the library has written it.
            kernel.threads[thread as usize].handle = unsafe { *handle };
            kernel.wake(thread);
        } else {
            let it = &mut kernel.threads[thread as usize];
            it.has_ended = true;
            let slot = it.slot;
            kernel.leave(slot);
        }
    });
    if result != 0 {
        // SAFETY: no thread has taken it.
        drop(unsafe { Box::from_raw(start) });
    }
    result
}

/// What a simulated thread runs.
unsafe extern "C" fn begin(start: *mut c_void) -> *mut c_void {
    // SAFETY: `pthread_create` gives what it has made of a box.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    let Start {
        thread,
        baton,
        routine,
        argument,
    } = *start;
    baton.id.store(sys::thread_id(), Ordering::Relaxed);
    threads::wait_for_turn(baton);
    be(Some(thread));
    threads::at_end_of_thread(thread);
    with(|kernel| kernel.threads[thread as usize].assigned = None);
    // SAFETY: as the caller of `pthread_create` promises.
    unsafe { routine(argument) }
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_pthread_join(handle: usize, result: *mut *mut c_void) -> c_int {
    type Join = unsafe extern "C" fn(usize, *mut *mut c_void) -> c_int;
    if let Some(me) = me() {
        let waits_for = with(|kernel| {
            let of_handle = kernel.threads.iter().rposition(|it| it.handle == handle);
            of_handle.filter(|number| !kernel.threads[*number].has_ended)
        });
        if let Some(number) = waits_for {
            threads::block(me, Wait::End(number as u32), None);
        }
    }
    static JOIN: Library = Library::new(b"pthread_join\0");
    let join = JOIN.address();
    if join.is_null() {
        return sys::ESRCH;
    }
    // SAFETY: the library declares the function of this name with this type, and the arguments
    // are the caller's own.
    unsafe { std::mem::transmute::<*mut c_void, Join>(join)(handle, result) }
}

/// The end of a wait in virtual time.
fn until(clock: c_int, end: u64) -> u64 {
    let now = clock_ns(clock).unwrap_or(0);
    with(|kernel| kernel.now_ns).saturating_add(end.saturating_sub(now))
}

fn sleep(me: u32, nanos: u64) {
    let end = with(|kernel| kernel.now_ns).saturating_add(nanos.max(1));
    threads::block(me, Wait::Time, Some(end));
}

unsafe fn futex(me: u32, [word, operation, value, time, _, bits]: [usize; 6]) -> Option<isize> {
    let flags = sys::FUTEX_PRIVATE | sys::FUTEX_REALTIME;
    let command = operation as c_int & !flags;
    let bits = match command {
        sys::FUTEX_WAIT_BITSET | sys::FUTEX_WAKE_BITSET => bits as u32,
        _ => u32::MAX,
    };
    match command {
        sys::FUTEX_WAIT | sys::FUTEX_WAIT_BITSET => {
            // SAFETY: the caller promises that it is a word of memory.
            let now = unsafe { &*(word as *const std::sync::atomic::AtomicU32) };
            if now.load(Ordering::SeqCst) != value as u32 {
                return Some(-(sys::EAGAIN as isize));
            }
            let deadline = match time {
                0 => None,
                // SAFETY: the caller promises that it is a time.
                time => match unsafe { &*(time as *const Timespec) }.nanos() {
                    None => return Some(-(sys::EINVAL as isize)),
                    Some(nanos) if command == sys::FUTEX_WAIT => {
                        Some(with(|kernel| kernel.now_ns).saturating_add(nanos))
                    }
                    Some(nanos) => {
                        let is_wall = operation as c_int & sys::FUTEX_REALTIME != 0;
                        Some(until(if is_wall { 0 } else { 1 }, nanos))
                    }
                },
            };
            let timed_out = threads::block(me, Wait::Futex { word, bits }, deadline);
            Some(if timed_out {
                -(sys::ETIMEDOUT as isize)
            } else {
                0
            })
        }
        sys::FUTEX_WAKE | sys::FUTEX_WAKE_BITSET => {
            let most = u32::try_from(value).unwrap_or(u32::MAX);
            let woken = with(|kernel| kernel.wake_futex(word, most, bits));
            // Threads that are not simulated wait in the system.
            (woken == most).then_some(woken as isize)
        }
        sys::FUTEX_REQUEUE | sys::FUTEX_CMP_REQUEUE => {
            // All are woken instead, which a wait must expect.
            Some(with(|kernel| kernel.wake_futex(word, u32::MAX, u32::MAX)) as isize)
        }
        _ => None,
    }
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_syscall(
    call: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    let arguments = [a, b, c, d, e, f];
    if let Some(me) = me() {
        let result = match call {
            // SAFETY: as the caller promises.
            number::FUTEX => unsafe { futex(me, arguments) },
            number::GETRANDOM => {
                // SAFETY: as the caller promises.
                unsafe { draw(a as *mut u8, b) };
                Some(b as isize)
            }
            number::CLOCK_GETTIME => clock_ns(a as c_int).map(|nanos| {
                // SAFETY: as the caller promises.
                unsafe { *(b as *mut Timespec) = Timespec::of(nanos) };
                0
            }),
            number::SCHED_YIELD => {
                threads::yield_now(me);
                Some(0)
            }
            _ => None,
        };
        if let Some(result) = result {
            return answer(result);
        }
    }
    // SAFETY: as the caller promises.
    answer(unsafe { sys::call(call, arguments) })
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_nanosleep(time: *const Timespec, rest: *mut Timespec) -> c_int {
    if let (Some(me), false) = (me(), time.is_null()) {
        // SAFETY: not null, and as the caller promises.
        return match unsafe { &*time }.nanos() {
            Some(nanos) => {
                sleep(me, nanos);
                0
            }
            None => fail(sys::EINVAL),
        };
    }
    // SAFETY: as the caller promises.
    let result = unsafe {
        sys::call(
            number::NANOSLEEP,
            [time as usize, rest as usize, 0, 0, 0, 0],
        )
    };
    answer(result) as c_int
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_clock_nanosleep(
    clock: c_int,
    flags: c_int,
    time: *const Timespec,
    rest: *mut Timespec,
) -> c_int {
    const TIMER_ABSTIME: c_int = 1;
    if let (Some(me), false) = (me(), time.is_null()) {
        // SAFETY: not null, and as the caller promises.
        let Some(nanos) = unsafe { &*time }.nanos() else {
            return sys::EINVAL;
        };
        if flags & TIMER_ABSTIME == 0 {
            sleep(me, nanos);
        } else {
            let end = until(clock, nanos);
            threads::block(me, Wait::Time, Some(end));
        }
        return 0;
    }
    let arguments = [
        clock as usize,
        flags as usize,
        time as usize,
        rest as usize,
        0,
        0,
    ];
    // SAFETY: as the caller promises. This function returns its error.
    -unsafe { sys::call(number::CLOCK_NANOSLEEP, arguments) } as c_int
}

#[no_mangle]
extern "C" fn retake_seeded_usleep(microseconds: c_uint) -> c_int {
    let time = Timespec::of(u64::from(microseconds) * 1_000);
    // SAFETY: the time is valid.
    unsafe { retake_seeded_nanosleep(&time, std::ptr::null_mut()) }
}

#[no_mangle]
extern "C" fn retake_seeded_sched_yield() -> c_int {
    match me() {
        Some(me) => threads::yield_now(me),
        // SAFETY: no arguments.
        None => drop(unsafe { sys::call(number::SCHED_YIELD, [0; 6]) }),
    }
    0
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_sched_getaffinity(
    process: c_int,
    size: usize,
    mask: *mut u8,
) -> c_int {
    if me().is_some() && size >= 8 && !mask.is_null() {
        // SAFETY: the caller promises this size.
        unsafe {
            mask.write_bytes(0, size);
            mask.write((1 << PROCESSORS) - 1);
        }
        return 0;
    }
    let arguments = [process as usize, size, mask as usize, 0, 0, 0];
    // SAFETY: as the caller promises. The call gives how many bytes it has written.
    let written = unsafe { sys::call(number::SCHED_GETAFFINITY, arguments) };
    match usize::try_from(written) {
        Ok(written) => {
            // SAFETY: the call has written at most `size` bytes.
            unsafe { mask.add(written).write_bytes(0, size - written) };
            0
        }
        Err(_) => answer(written) as c_int,
    }
}

/// What this clock says in virtual time; none of those that measure the processor.
fn clock_ns(clock: c_int) -> Option<u64> {
    let is_wall = matches!(clock, 0 | 5 | 8 | 11);
    let start = match clock {
        _ if is_wall => UNIX_START_NS,
        1 | 4 | 6 | 7 | 9 => MONOTONIC_START_NS,
        _ => return None,
    };
    let (now, waits) = with(|kernel| {
        kernel.clock_reads += 1;
        let waits = kernel.clock_reads > READS_WITHOUT_WAITING;
        // No two reads are equal, as on a real clock.
        kernel.now_ns += if waits { READ_NS } else { 1 };
        let now = match is_wall {
            true => start.saturating_add(kernel.now_ns).saturating_add_signed(kernel.wall_offset_ns()),
            false => start + kernel.now_ns,
        };
        (now, waits)
    });
    if waits {
        // It may wait for another thread as well.
        spins::is_vain(1);
    }
    Some(now)
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    if me().is_some() && !time.is_null() {
        if let Some(nanos) = clock_ns(clock) {
            // SAFETY: not null, and as the caller promises.
            unsafe { *time = Timespec::of(nanos) };
            return 0;
        }
    }
    type Read = unsafe extern "C" fn(c_int, *mut Timespec) -> c_int;
    static READ: Library = Library::new(b"clock_gettime\0");
    let read = READ.address();
    if read.is_null() {
        let arguments = [clock as usize, time as usize, 0, 0, 0, 0];
        // SAFETY: as the caller promises.
        return answer(unsafe { sys::call(number::CLOCK_GETTIME, arguments) }) as c_int;
    }
    // SAFETY: the library declares the function of this name with this type. It asks without
    // the system, which is faster.
    unsafe { std::mem::transmute::<*mut c_void, Read>(read)(clock, time) }
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_gettimeofday(time: *mut [i64; 2], _: *mut c_void) -> c_int {
    let mut now = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: the place is valid.
    let result = unsafe { retake_seeded_clock_gettime(0, &mut now) };
    if !time.is_null() {
        // SAFETY: not null, and as the caller promises.
        unsafe { *time = [now.seconds, now.nanoseconds / 1_000] };
    }
    result
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_time(place: *mut i64) -> i64 {
    let mut now = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: the place is valid.
    unsafe { retake_seeded_clock_gettime(0, &mut now) };
    if !place.is_null() {
        // SAFETY: not null, and as the caller promises.
        unsafe { *place = now.seconds };
    }
    now.seconds
}

/// Fill this memory from the run's stream.
unsafe fn draw(memory: *mut u8, length: usize) {
    // SAFETY: as the caller promises.
    let bytes = unsafe { std::slice::from_raw_parts_mut(memory, length) };
    with(|kernel| kernel.entropy.fill(bytes));
}

#[no_mangle]
unsafe extern "C" fn retake_seeded_getrandom(
    memory: *mut u8,
    length: usize,
    flags: c_uint,
) -> isize {
    if me().is_some() && !memory.is_null() {
        // SAFETY: not null, and as the caller promises.
        unsafe { draw(memory, length) };
        return length as isize;
    }
    let arguments = [memory as usize, length, flags as usize, 0, 0, 0];
    // SAFETY: as the caller promises.
    answer(unsafe { sys::call(number::GETRANDOM, arguments) }) as isize
}
