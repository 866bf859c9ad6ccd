//! Processors, and the names of process and machine.

use super::harness::{is_of_the_seed, is_the_same};
use crate::common::here;

#[test]
fn the_number_of_processors_is_fixed() {
    is_the_same(here!(), || async {
        let processors = std::thread::available_parallelism().unwrap().get();
        assert_eq!(processors, retake_sim::interpose::PROCESSORS);
        format!(
            "{processors} {} {}",
            num_cpus::get(),
            num_cpus::get_physical()
        )
    });
}

#[test]
#[allow(unsafe_code, reason = "functions of the C library")]
fn the_number_of_processors_is_fixed_for_the_c_library() {
    unsafe extern "C" {
        fn get_nprocs() -> libc::c_int;
        fn get_nprocs_conf() -> libc::c_int;
    }
    is_the_same(here!(), || async {
        // SAFETY: the set is as large as it says.
        let counts = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            let size = size_of_val(&set);
            libc::pthread_getaffinity_np(libc::pthread_self(), size, &raw mut set);
            [
                libc::sysconf(libc::_SC_NPROCESSORS_ONLN),
                libc::sysconf(libc::_SC_NPROCESSORS_CONF),
                get_nprocs().into(),
                get_nprocs_conf().into(),
                libc::CPU_COUNT(&set).into(),
                libc::sched_getcpu().into(),
            ]
        };
        assert_eq!(counts, [4, 4, 4, 4, 4, 0]);
        format!("{counts:?}")
    });
}

#[test]
#[allow(unsafe_code, reason = "functions of the C library")]
fn the_id_of_the_process_is_of_the_seed() {
    is_of_the_seed(here!(), || async {
        // SAFETY: none takes an argument.
        let [thread, call] = unsafe {
            let call = libc::syscall(libc::SYS_gettid);
            [libc::gettid(), call as libc::pid_t]
        };
        assert_eq!(thread, call);
        let parent = std::os::unix::process::parent_id();
        format!("{} {thread} {parent}", std::process::id())
    });
}

#[test]
#[allow(unsafe_code, reason = "functions of the C library")]
fn the_name_of_the_machine_is_fixed() {
    is_the_same(here!(), || async {
        let mut name = [0_u8; 64];
        // SAFETY: the buffer is as long as it says, and the names are valid for a write.
        let names = unsafe {
            libc::gethostname(name.as_mut_ptr().cast(), name.len());
            let mut names: libc::utsname = std::mem::zeroed();
            libc::uname(&raw mut names);
            names
        };
        let node: Vec<u8> = names.nodename.map(libc::c_char::cast_unsigned).to_vec();
        assert_eq!(node[..name.len()], name);
        let name = std::ffi::CStr::from_bytes_until_nul(&name).unwrap();
        assert_eq!(name, c"simulation");
        format!("{name:?}")
    });
}
