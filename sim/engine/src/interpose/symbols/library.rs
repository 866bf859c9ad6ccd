//! The library's own definition of a symbol that the program defines.

use std::ffi::{CStr, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

/// One symbol, looked up once.
pub(super) struct Symbol {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Symbol {
    pub(super) const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            address: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Its address. None in a program that is linked statically.
    #[inline]
    pub(super) fn address(&self) -> Option<NonNull<c_void>> {
        NonNull::new(self.address.load(Ordering::Acquire)).or_else(|| self.look_up())
    }

    #[cold]
    fn look_up(&self) -> Option<NonNull<c_void>> {
        // SAFETY: the name is a string of C. The search begins behind this program.
        let address = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        self.address.store(address, Ordering::Release);
        NonNull::new(address)
    }
}

macro_rules! symbols {
    ($($constant:ident $name:literal,)*) => {
        $(pub(super) static $constant: Symbol = Symbol::new($name);)*

        /// Look up all of them, so that nothing else has to.
        pub(super) fn look_up_all() {
            for symbol in [$(&$constant),*] {
                symbol.address();
            }
        }
    };
}

symbols! {
    CLOCK_GETTIME c"clock_gettime",
    FOPEN c"fopen",
    FOPEN64 c"fopen64",
    GETAUXVAL c"getauxval",
    GETHOSTNAME c"gethostname",
    GETTIMEOFDAY c"gettimeofday",
    GET_NPROCS c"get_nprocs",
    GET_NPROCS_CONF c"get_nprocs_conf",
    MALLOC_USABLE_SIZE c"malloc_usable_size",
    PTHREAD_CREATE c"pthread_create",
    PTHREAD_GETAFFINITY_NP c"pthread_getaffinity_np",
    SCHED_GETCPU c"sched_getcpu",
    SYSCONF c"sysconf",
}

/// The library's function of this symbol and type, if there is one.
macro_rules! library {
    ($symbol:ident as $type:ty) => {
        $crate::interpose::symbols::library::$symbol
            .address()
            .map(|address| {
                // SAFETY: the library declares the function of this name with this type.
                unsafe { std::mem::transmute::<*mut std::ffi::c_void, $type>(address.as_ptr()) }
            })
    };
}
pub(super) use library;
