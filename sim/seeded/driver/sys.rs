//! System calls and the few functions of the C library that the driver needs itself. tokio may
//! be built without the crate `libc`, so they are declared here.

use std::ffi::{c_char, c_int, c_long, c_void};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Timespec {
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
}

impl Timespec {
    pub(super) fn of(nanoseconds: u64) -> Self {
        Self {
            seconds: (nanoseconds / 1_000_000_000) as i64,
            nanoseconds: (nanoseconds % 1_000_000_000) as i64,
        }
    }

    /// Nanoseconds; none of what is no valid time.
    pub(super) fn nanos(&self) -> Option<u64> {
        let is_valid = self.seconds >= 0 && (0..1_000_000_000).contains(&self.nanoseconds);
        let nanos = (self.seconds as u64).saturating_mul(1_000_000_000);
        is_valid.then(|| nanos.saturating_add(self.nanoseconds as u64))
    }
}

pub(super) const FUTEX_WAIT: c_int = 0;
pub(super) const FUTEX_WAKE: c_int = 1;
pub(super) const FUTEX_REQUEUE: c_int = 3;
pub(super) const FUTEX_CMP_REQUEUE: c_int = 4;
pub(super) const FUTEX_WAIT_BITSET: c_int = 9;
pub(super) const FUTEX_WAKE_BITSET: c_int = 10;
pub(super) const FUTEX_PRIVATE: c_int = 128;
pub(super) const FUTEX_REALTIME: c_int = 256;

pub(super) const EIO: c_int = 5;
pub(super) const EAGAIN: c_int = 11;
pub(super) const ENOSPC: c_int = 28;
pub(super) const ECONNRESET: c_int = 104;
pub(super) const EINVAL: c_int = 22;
pub(super) const ETIMEDOUT: c_int = 110;
pub(super) const EHOSTUNREACH: c_int = 113;
pub(super) const ESRCH: c_int = 3;

#[cfg(target_arch = "x86_64")]
pub(super) mod number {
    pub(in super::super) const FUTEX: i64 = 202;
    pub(in super::super) const GETRANDOM: i64 = 318;
    pub(in super::super) const CLOCK_GETTIME: i64 = 228;
    pub(in super::super) const NANOSLEEP: i64 = 35;
    pub(in super::super) const CLOCK_NANOSLEEP: i64 = 230;
    pub(in super::super) const SCHED_YIELD: i64 = 24;
    pub(in super::super) const GETTID: i64 = 186;
    pub(in super::super) const TGKILL: i64 = 234;
    pub(in super::super) const GETPID: i64 = 39;
    pub(in super::super) const EPOLL_PWAIT: i64 = 281;
    pub(in super::super) const PPOLL: i64 = 271;
    pub(in super::super) const WRITE: i64 = 1;
    pub(in super::super) const READ: i64 = 0;
    pub(in super::super) const RECVFROM: i64 = 45;
    pub(in super::super) const SOCKET: i64 = 41;
    pub(in super::super) const BIND: i64 = 49;
    pub(in super::super) const CONNECT: i64 = 42;
    pub(in super::super) const GETSOCKNAME: i64 = 51;
    pub(in super::super) const GETPEERNAME: i64 = 52;
    pub(in super::super) const SENDMSG: i64 = 46;
    pub(in super::super) const RECVMSG: i64 = 47;
    pub(in super::super) const SENDMMSG: i64 = 307;
    pub(in super::super) const RECVMMSG: i64 = 299;
    pub(in super::super) const SHUTDOWN: i64 = 48;
    pub(in super::super) const CLOSE: i64 = 3;
    pub(in super::super) const ACCEPT4: i64 = 288;
    pub(in super::super) const PREAD64: i64 = 17;
    pub(in super::super) const PWRITE64: i64 = 18;
    pub(in super::super) const WRITEV: i64 = 20;
    pub(in super::super) const FSYNC: i64 = 74;
    pub(in super::super) const FDATASYNC: i64 = 75;
    pub(in super::super) const SENDTO: i64 = 44;
    pub(in super::super) const FSTAT: i64 = 5;
    pub(in super::super) const FCNTL: i64 = 72;
    pub(in super::super) const SCHED_GETAFFINITY: i64 = 204;
}
#[cfg(target_arch = "aarch64")]
pub(super) mod number {
    pub(in super::super) const FUTEX: i64 = 98;
    pub(in super::super) const GETRANDOM: i64 = 278;
    pub(in super::super) const CLOCK_GETTIME: i64 = 113;
    pub(in super::super) const NANOSLEEP: i64 = 101;
    pub(in super::super) const CLOCK_NANOSLEEP: i64 = 115;
    pub(in super::super) const SCHED_YIELD: i64 = 124;
    pub(in super::super) const GETTID: i64 = 178;
    pub(in super::super) const TGKILL: i64 = 131;
    pub(in super::super) const GETPID: i64 = 172;
    pub(in super::super) const EPOLL_PWAIT: i64 = 22;
    pub(in super::super) const PPOLL: i64 = 73;
    pub(in super::super) const WRITE: i64 = 64;
    pub(in super::super) const READ: i64 = 63;
    pub(in super::super) const RECVFROM: i64 = 207;
    pub(in super::super) const SOCKET: i64 = 198;
    pub(in super::super) const BIND: i64 = 200;
    pub(in super::super) const CONNECT: i64 = 203;
    pub(in super::super) const GETSOCKNAME: i64 = 204;
    pub(in super::super) const GETPEERNAME: i64 = 205;
    pub(in super::super) const SENDMSG: i64 = 211;
    pub(in super::super) const RECVMSG: i64 = 212;
    pub(in super::super) const SENDMMSG: i64 = 269;
    pub(in super::super) const RECVMMSG: i64 = 243;
    pub(in super::super) const SHUTDOWN: i64 = 210;
    pub(in super::super) const CLOSE: i64 = 57;
    pub(in super::super) const ACCEPT4: i64 = 242;
    pub(in super::super) const PREAD64: i64 = 67;
    pub(in super::super) const PWRITE64: i64 = 68;
    pub(in super::super) const WRITEV: i64 = 66;
    pub(in super::super) const FSYNC: i64 = 82;
    pub(in super::super) const FDATASYNC: i64 = 83;
    pub(in super::super) const SENDTO: i64 = 206;
    pub(in super::super) const FSTAT: i64 = 80;
    pub(in super::super) const FCNTL: i64 = 25;
    pub(in super::super) const SCHED_GETAFFINITY: i64 = 123;
}

/// A system call: its result, or an error as a negative number.
///
/// # Safety
/// The arguments are valid for the call.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) unsafe fn call(number: i64, [a, b, c, d, e, f]: [usize; 6]) -> isize {
    let result;
    // SAFETY: the call changes these registers only, and memory as the caller expects.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// A system call: its result, or an error as a negative number.
///
/// # Safety
/// The arguments are valid for the call.
#[cfg(target_arch = "aarch64")]
#[inline]
pub(super) unsafe fn call(number: i64, [a, b, c, d, e, f]: [usize; 6]) -> isize {
    let result;
    // SAFETY: the call changes these registers only, and memory as the caller expects.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a as isize => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}

unsafe extern "C" {
    pub(super) fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    pub(super) fn __errno_location() -> *mut c_int;
    pub(super) fn signal(signal: c_int, handler: extern "C" fn(c_int)) -> *mut c_void;
    pub(super) fn atexit(function: extern "C" fn()) -> c_int;
    pub(super) fn pthread_key_create(
        key: *mut u32,
        destructor: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> c_int;
    pub(super) fn pthread_setspecific(key: u32, value: *const c_void) -> c_int;
    pub(super) fn pthread_self() -> usize;
    pub(super) fn mmap(
        address: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: i64,
    ) -> *mut c_void;
    pub(super) fn ftruncate(file: c_int, length: i64) -> c_int;
    fn setsockopt(
        file: c_int,
        level: c_int,
        name: c_int,
        value: *const c_void,
        length: u32,
    ) -> c_int;
    fn getsockopt(
        file: c_int,
        level: c_int,
        name: c_int,
        value: *mut c_void,
        length: *mut u32,
    ) -> c_int;
    pub(super) fn _exit(status: c_int) -> !;
}

/// The C library's own function of a name that the program defines as well.
pub(super) struct Library {
    name: &'static [u8],
    address: AtomicPtr<c_void>,
}

impl Library {
    /// The name ends with a zero.
    pub(super) const fn new(name: &'static [u8]) -> Self {
        Self {
            name,
            address: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Where it is; null if the library has none. It is looked up once.
    #[inline]
    pub(super) fn address(&self) -> *mut c_void {
        const RTLD_NEXT: *mut c_void = -1isize as *mut c_void;
        let mut address = self.address.load(Ordering::Relaxed);
        if address.is_null() {
            debug_assert_eq!(self.name.last(), Some(&0));
            // SAFETY: the name ends with a zero.
            address = unsafe { dlsym(RTLD_NEXT, self.name.as_ptr().cast()) };
            self.address.store(address, Ordering::Relaxed);
        }
        address
    }
}

/// The result of a function of the C library that ends with this error.
pub(super) fn fail(error: c_int) -> c_int {
    // SAFETY: the place is valid for this thread.
    unsafe { *__errno_location() = error };
    -1
}

/// The result of `syscall` for the result of a system call.
pub(super) fn answer(result: isize) -> c_long {
    match result {
        -4095..=-1 => fail(-result as c_int).into(),
        _ => result as c_long,
    }
}

/// Wait until the word is another one, or for this time; a call may return early.
pub(super) fn wait_while(word: &AtomicU32, value: u32, nanos: Option<u64>) {
    let time = nanos.map(Timespec::of);
    let time = time
        .as_ref()
        .map_or(0, |time| time as *const Timespec as usize);
    let operation = (FUTEX_WAIT | FUTEX_PRIVATE) as usize;
    // SAFETY: the word lives as long as the call.
    unsafe {
        call(
            number::FUTEX,
            [
                word.as_ptr() as usize,
                operation,
                value as usize,
                time,
                0,
                0,
            ],
        )
    };
}

/// Wake the thread that waits for this word.
pub(super) fn wake(word: &AtomicU32) {
    let operation = (FUTEX_WAKE | FUTEX_PRIVATE) as usize;
    // SAFETY: waking reads and writes nothing.
    unsafe {
        call(
            number::FUTEX,
            [word.as_ptr() as usize, operation, 1, 0, 0, 0],
        )
    };
}

/// The system's number of this thread.
pub(super) fn thread_id() -> u32 {
    // SAFETY: no arguments.
    unsafe { call(number::GETTID, [0; 6]) as u32 }
}

/// Wait until no thread of this process has this number.
pub(super) fn wait_for_end(thread: u32) {
    // SAFETY: signal 0 asks only whether the thread exists.
    unsafe {
        let process = call(number::GETPID, [0; 6]) as usize;
        while call(number::TGKILL, [process, thread as usize, 0, 0, 0, 0]) != -(ESRCH as isize) {
            call(number::SCHED_YIELD, [0; 6]);
        }
    }
}

/// Which of these descriptors can be read, within this time.
pub(super) fn readable(files: &[i32], milliseconds: u64) -> Vec<bool> {
    #[repr(C)]
    struct Poll {
        file: c_int,
        events: i16,
        happened: i16,
    }
    const POLLIN: i16 = 1;
    let wait = |file: &i32| Poll {
        file: *file,
        events: POLLIN,
        happened: 0,
    };
    let mut polls: Vec<Poll> = files.iter().map(wait).collect();
    let time = Timespec::of(milliseconds.saturating_mul(1_000_000));
    let time = &time as *const Timespec as usize;
    // SAFETY: the list has this length, and the time is valid.
    unsafe {
        call(
            number::PPOLL,
            [polls.as_mut_ptr() as usize, polls.len(), time, 0, 0, 0],
        )
    };
    polls.iter().map(|poll| poll.happened != 0).collect()
}

/// Print this without the locks of the standard library, which a thread that waits may hold.
pub(super) fn print_error(text: &str) {
    // SAFETY: the text has this length.
    unsafe {
        call(
            number::WRITE,
            [2, text.as_ptr() as usize, text.len(), 0, 0, 0],
        )
    };
}

/// Whether reading this descriptor waits until there is something.
pub(super) fn is_blocking(file: c_int) -> bool {
    const GET_FLAGS: usize = 3;
    const NONBLOCK: isize = 0o4000;
    // SAFETY: the call reads and writes no memory.
    let flags = unsafe { call(number::FCNTL, [file as usize, GET_FLAGS, 0, 0, 0, 0]) };
    flags >= 0 && flags & NONBLOCK == 0
}

/// The kind and the permissions of what is behind a descriptor; 0 if there is nothing.
pub(super) fn mode(file: c_int) -> u32 {
    #[cfg(target_arch = "x86_64")]
    const PLACE: usize = 6;
    #[cfg(target_arch = "aarch64")]
    const PLACE: usize = 4;
    status(file)[PLACE]
}

/// The number of what is behind a descriptor; 0 if there is nothing.
pub(super) fn inode(file: c_int) -> u64 {
    let status = status(file);
    u64::from(status[2]) | u64::from(status[3]) << 32
}

/// What `fstat` says, in parts of four bytes.
fn status(file: c_int) -> [u32; 64] {
    let mut answer = [0_u32; 64];
    // SAFETY: the memory is longer than what the call writes.
    let result = unsafe {
        let memory = answer.as_mut_ptr() as usize;
        call(number::FSTAT, [file as usize, memory, 0, 0, 0, 0])
    };
    if result == 0 { answer } else { [0; 64] }
}

/// Another descriptor of the same, above those that a program has.
pub(super) fn duplicate(file: c_int) -> Option<c_int> {
    /// Descriptors of the program stay as they are.
    const LOWEST: usize = 512;
    /// No program that is started has it.
    const CLOSED_ON_EXEC: usize = 1_030;
    // SAFETY: the call reads and writes no memory.
    let own = unsafe {
        call(
            number::FCNTL,
            [file as usize, CLOSED_ON_EXEC, LOWEST, 0, 0, 0],
        )
    };
    c_int::try_from(own).ok().filter(|own| *own >= 0)
}

pub(super) fn close(file: c_int) {
    // SAFETY: the call reads and writes no memory.
    unsafe { call(number::CLOSE, [file as usize, 0, 0, 0, 0, 0]) };
}

/// The other end of a connection gets its end.
pub(super) fn shutdown_writes(file: c_int) {
    const WRITES: usize = 1;
    // SAFETY: the call reads and writes no memory.
    unsafe { call(number::SHUTDOWN, [file as usize, WRITES, 0, 0, 0, 0]) };
}

/// A message of a socket with its address, as the C library has it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Message {
    pub(super) name: *mut c_void,
    pub(super) name_length: u32,
    pub(super) parts: *mut c_void,
    pub(super) parts_count: usize,
    pub(super) control: *mut c_void,
    pub(super) control_length: usize,
    pub(super) flags: c_int,
}

impl Message {
    /// Its parts, each with its place and its length.
    ///
    /// # Safety
    /// It has so many of them.
    pub(super) unsafe fn parts(&self) -> &[[usize; 2]] {
        match self.parts_count {
            0 => &[],
            // SAFETY: as the caller promises.
            count => unsafe { std::slice::from_raw_parts(self.parts.cast(), count) },
        }
    }
}

/// Whether it is a socket of the internet, and none within the machine.
pub(super) fn is_of_network(file: c_int) -> bool {
    const SO_DOMAIN: c_int = 39;
    const INET: c_int = 2;
    const INET6: c_int = 10;
    matches!(socket_option(file, SO_DOMAIN), INET | INET6)
}

pub(super) const STREAM: c_int = 1;
pub(super) const DATAGRAM: c_int = 2;

/// The type of a socket; 0 of what is none.
pub(super) fn socket_type(file: c_int) -> c_int {
    const SO_TYPE: c_int = 3;
    socket_option(file, SO_TYPE)
}

/// An option of a socket itself; 0 of what is none.
pub(super) fn socket_option(file: c_int, option: c_int) -> c_int {
    const SOL_SOCKET: c_int = 1;
    let (mut value, mut length): (c_int, u32) = (0, std::mem::size_of::<c_int>() as u32);
    let place: *mut c_int = &mut value;
    // SAFETY: the places are valid, and the value has this length.
    unsafe { getsockopt(file, SOL_SOCKET, option, place.cast(), &mut length) };
    value
}

/// Have a socket take an address of which only connections are left.
pub(super) fn reuse_address(file: c_int) {
    const SOL_SOCKET: c_int = 1;
    const REUSE_ADDRESS: c_int = 2;
    let (yes, length): (c_int, u32) = (1, std::mem::size_of::<c_int>() as u32);
    let place: *const c_int = &yes;
    // SAFETY: the value has this length.
    unsafe { setsockopt(file, SOL_SOCKET, REUSE_ADDRESS, place.cast(), length) };
}

/// End a connection so that its other end gets the error that it was reset.
pub(super) fn reset(file: c_int) {
    const BOTH: usize = 2;
    // An address of no family.
    let nowhere = [0_u8; 16];
    let arguments = [
        file as usize,
        nowhere.as_ptr() as usize,
        nowhere.len(),
        0,
        0,
        0,
    ];
    // SAFETY: the address has this length.
    unsafe {
        if call(number::CONNECT, arguments) != 0 {
            // One within the machine can only be shut down.
            call(number::SHUTDOWN, [file as usize, BOTH, 0, 0, 0, 0]);
        }
    }
}
