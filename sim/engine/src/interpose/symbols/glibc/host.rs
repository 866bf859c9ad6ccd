//! Processors, and the names of process and machine.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_long, c_ulong};
use std::ptr;

use libc::{cpu_set_t, pid_t, pthread_t, utsname};
use rand_core::Rng;

use super::super::library::library;
use super::super::{fail, is_simulated};
use crate::interpose::seeded;
use crate::interpose::{PROCESSORS, SEED};

/// Process ids begin here in a simulation, above those that Linux gives: a signal to one of
/// them reaches nobody.
const PROCESS_ID_MIN: u32 = 1 << 30;
const HOST_NAME: &CStr = c"simulation";

/// What the C library calls random at the start of a program.
type AtRandom = [u8; 16];

thread_local! {
    static PROCESS_ID: Cell<Option<pid_t>> = const { Cell::new(None) };
    static AT_RANDOM: Cell<AtRandom> = const { Cell::new([0; 16]) };
    static HAS_AT_RANDOM: Cell<bool> = const { Cell::new(false) };
}

/// A run begins on this thread. Keeps the linker from dropping the symbols.
pub(super) fn start() {
    std::hint::black_box([
        sched_getaffinity as *const (),
        pthread_getaffinity_np as *const (),
        sched_getcpu as *const (),
        sysconf as *const (),
        get_nprocs as *const (),
        get_nprocs_conf as *const (),
        getpid as *const (),
        getppid as *const (),
        gettid as *const (),
        gethostname as *const (),
        uname as *const (),
        getauxval as *const (),
    ]);
    PROCESS_ID.set(None);
    HAS_AT_RANDOM.set(false);
}

/// The run's own process id. It differs between seeds, so that files that are named by it
/// do not meet.
pub(super) fn process_id() -> Option<pid_t> {
    if !is_simulated() {
        return None;
    }
    PROCESS_ID
        .try_with(|id| {
            let known = id.get().unwrap_or_else(|| {
                let mut rng = crate::rng::stream(SEED.get(), "process id");
                (PROCESS_ID_MIN | rng.next_u32() & (PROCESS_ID_MIN - 1)).cast_signed()
            });
            id.set(Some(known));
            known
        })
        .ok()
}

/// # Safety
/// `mask` is valid for writes of `size` bytes.
unsafe fn write_processors(size: usize, mask: *mut cpu_set_t) -> bool {
    if size < size_of::<u64>() || mask.is_null() {
        return false;
    }
    // SAFETY: the caller promises the length, which holds the first word.
    unsafe {
        ptr::write_bytes(mask.cast::<u8>(), 0, size);
        mask.cast::<u8>().write((1 << PROCESSORS) - 1);
    }
    true
}

/// # Safety
/// As for `sched_getaffinity(2)`: `mask` is valid for writes of `size` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn sched_getaffinity(pid: pid_t, size: usize, mask: *mut cpu_set_t) -> c_int {
    if let Some(own) = process_id()
        && (pid == 0 || pid == own)
    {
        // SAFETY: as the caller promises.
        return if unsafe { write_processors(size, mask) } {
            0
        } else {
            fail(libc::EINVAL)
        };
    }
    if let Some(sched_getaffinity) = seeded::sched_getaffinity() {
        // SAFETY: the arguments are the caller's own, for the function of that name.
        return unsafe { sched_getaffinity(pid, size, mask) };
    }
    // SAFETY: the arguments are the caller's own, for the system call of that name, which
    // gives how many bytes it has written, at most `size`.
    unsafe {
        let written = libc::syscall(libc::SYS_sched_getaffinity, pid, size, mask);
        let Ok(written) = usize::try_from(written) else {
            return -1;
        };
        ptr::write_bytes(mask.cast::<u8>().add(written), 0, size - written);
    }
    0
}

/// # Safety
/// As for `pthread_getaffinity_np(3)`: `mask` is valid for writes of `size` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn pthread_getaffinity_np(
    thread: pthread_t,
    size: usize,
    mask: *mut cpu_set_t,
) -> c_int {
    type GetAffinity = unsafe extern "C" fn(pthread_t, usize, *mut cpu_set_t) -> c_int;
    if is_simulated() {
        // SAFETY: as the caller promises.
        return if unsafe { write_processors(size, mask) } {
            0
        } else {
            libc::EINVAL
        };
    }
    match library!(PTHREAD_GETAFFINITY_NP as GetAffinity) {
        // SAFETY: the arguments are the caller's own, for the function of that name.
        Some(get) => unsafe { get(thread, size, mask) },
        None => libc::ENOSYS,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sched_getcpu() -> c_int {
    if is_simulated() {
        return 0;
    }
    type SchedGetcpu = extern "C" fn() -> c_int;
    match library!(SCHED_GETCPU as SchedGetcpu) {
        Some(get) => get(),
        None => fail(libc::ENOSYS),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sysconf(name: c_int) -> c_long {
    let is_processors = matches!(
        name,
        libc::_SC_NPROCESSORS_ONLN | libc::_SC_NPROCESSORS_CONF
    );
    if is_processors && is_simulated() {
        return PROCESSORS as c_long;
    }
    type Sysconf = extern "C" fn(c_int) -> c_long;
    match library!(SYSCONF as Sysconf) {
        Some(sysconf) => sysconf(name),
        None => fail(libc::EINVAL).into(),
    }
}

type GetNprocs = extern "C" fn() -> c_int;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn get_nprocs() -> c_int {
    match library!(GET_NPROCS as GetNprocs) {
        Some(get) if !is_simulated() => get(),
        _ => PROCESSORS as c_int,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn get_nprocs_conf() -> c_int {
    match library!(GET_NPROCS_CONF as GetNprocs) {
        Some(get) if !is_simulated() => get(),
        _ => PROCESSORS as c_int,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn getpid() -> pid_t {
    // SAFETY: the system call takes no arguments.
    process_id().unwrap_or_else(|| unsafe { libc::syscall(libc::SYS_getpid) as pid_t })
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn getppid() -> pid_t {
    if is_simulated() {
        return 1;
    }
    // SAFETY: the system call takes no arguments.
    unsafe { libc::syscall(libc::SYS_getppid) as pid_t }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gettid() -> pid_t {
    // SAFETY: the system call takes no arguments.
    process_id().unwrap_or_else(|| unsafe { libc::syscall(libc::SYS_gettid) as pid_t })
}

/// # Safety
/// As for gethostname(2): `name` is valid for writes of `length` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn gethostname(name: *mut c_char, length: usize) -> c_int {
    let ours = HOST_NAME.to_bytes_with_nul();
    if is_simulated() {
        if name.is_null() || length < ours.len() {
            return fail(libc::ENAMETOOLONG);
        }
        // SAFETY: not null, and long enough.
        unsafe { ptr::copy_nonoverlapping(ours.as_ptr(), name.cast(), ours.len()) };
        return 0;
    }
    type Gethostname = unsafe extern "C" fn(*mut c_char, usize) -> c_int;
    match library!(GETHOSTNAME as Gethostname) {
        // SAFETY: the arguments are the caller's own, for the function of that name.
        Some(get) => unsafe { get(name, length) },
        None => fail(libc::ENOSYS),
    }
}

/// # Safety
/// As for uname(2): `names` is valid for a write.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn uname(names: *mut utsname) -> c_int {
    // SAFETY: the argument is the caller's own, for the system call of that name.
    let result = unsafe { libc::syscall(libc::SYS_uname, names) as c_int };
    if result == 0 && is_simulated() {
        let ours = HOST_NAME.to_bytes_with_nul();
        // SAFETY: the system has written all of it, so it is valid, and the name is shorter
        // than its place.
        unsafe {
            let place = &raw mut (*names).nodename;
            ptr::write_bytes(place.cast::<u8>(), 0, size_of_val(&*place));
            ptr::copy_nonoverlapping(ours.as_ptr(), place.cast(), ours.len());
        }
    }
    result
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn getauxval(kind: c_ulong) -> c_ulong {
    if kind == libc::AT_RANDOM
        && is_simulated()
        && let Ok(bytes) = AT_RANDOM.try_with(|bytes| {
            if !HAS_AT_RANDOM.replace(true) {
                let mut drawn = AtRandom::default();
                crate::rng::stream(SEED.get(), "auxiliary vector").fill_bytes(&mut drawn);
                bytes.set(drawn);
            }
            bytes.as_ptr()
        })
    {
        return bytes.expose_provenance() as c_ulong;
    }
    type Getauxval = extern "C" fn(c_ulong) -> c_ulong;
    match library!(GETAUXVAL as Getauxval) {
        Some(get) => get(kind),
        None => 0,
    }
}
