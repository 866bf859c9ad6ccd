//! How the program defines functions of the C library.

/// Give functions the weak names of functions of the C library.
macro_rules! weak {
    ($($name:literal $function:ident,)*) => {
        $(std::arch::global_asm!(
            concat!(".weak ", $name),
            concat!(".type ", $name, ", %function"),
            concat!(".set ", $name, ", ", stringify!($function)),
        );)*

        /// Have the linker keep what defines the names.
        pub(super) fn keep() {
            $(std::hint::black_box($function as *const ());)*
        }
    };
}
pub(super) use weak;
