//! Functions that a program may have: the linker finds them, or nothing.

/// The address of a symbol, 0 if the program does not have it.
#[doc(hidden)]
#[macro_export]
macro_rules! linked_address {
    ($name:literal) => {{
        let address: usize;
        // SAFETY: it reads an entry of the table that the linker makes, which is null for a weak
        // symbol that nothing defines.
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        unsafe {
            std::arch::asm!(
                concat!(".weak ", $name),
                concat!("mov {}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                out(reg) address,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        // SAFETY: as above.
        #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
        unsafe {
            std::arch::asm!(
                concat!(".weak ", $name),
                concat!("adrp {0}, :got:", $name),
                concat!("ldr {0}, [{0}, :got_lo12:", $name, "]"),
                out(reg) address,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        #[cfg(not(all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        )))]
        {
            address = 0;
        }
        address
    }};
}

/// Functions of C that the program may have, each as a function that gives it: `fn f = "name" as
/// type;`. The type must be that with which the program defines it.
#[doc(hidden)]
#[macro_export]
macro_rules! linked_functions {
    ($($(#[$doc:meta])* $visibility:vis fn $function:ident = $name:literal as $type:ty;)*) => {
        $($(#[$doc])*
        #[inline]
        $visibility fn $function() -> Option<$type> {
            let address = $crate::linked_address!($name);
            // SAFETY: who defines it has given it this type, and a null pointer is `None`.
            unsafe { std::mem::transmute::<usize, Option<$type>>(address) }
        })*
    };
}
