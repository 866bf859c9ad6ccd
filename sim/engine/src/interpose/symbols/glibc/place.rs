//! Which code of the user's called a symbol.

use std::backtrace::Backtrace;
use std::path::{Path, PathBuf};

/// Functions that start threads for others.
const PASSED_OVER: [&str; 9] = [
    "std::",
    "core::",
    "alloc::",
    "rayon::",
    "rayon_core::",
    "crossbeam",
    "tokio::",
    "threadpool::",
    "__rust",
];
/// Their packages: an inlined function may be known by its file only.
const PASSED_OVER_PACKAGES: [&str; 4] = ["rayon-", "crossbeam-", "tokio-", "threadpool-"];
/// Parts of paths to the standard library's sources.
const STANDARD_LIBRARY: [&str; 2] = ["/rustc/", "/rustlib/src/rust/library/"];
/// Folders of a package that hold sources.
const SOURCES: [&str; 4] = ["src", "tests", "examples", "benches"];

/// The function that called the symbol of this name, with file and line where debug
/// information has them.
pub(super) fn of_caller_of(symbol: &str) -> Option<String> {
    let trace = Backtrace::force_capture().to_string();
    let folder = std::env::current_dir().unwrap_or_default();
    find(&frames(&trace, &folder), symbol)
}

struct Frame<'a> {
    function: &'a str,
    /// With its line.
    file: Option<(PathBuf, &'a str)>,
}

/// The frames of a backtrace, innermost first: lines such as `4: app::orders::watch`, each
/// followed by one such as `at ./src/orders.rs:12:9` or not.
fn frames<'a>(trace: &'a str, folder: &Path) -> Vec<Frame<'a>> {
    let mut lines = trace.lines().map(str::trim).peekable();
    let mut frames = Vec::new();
    while let Some(line) = lines.next() {
        let at = lines.next_if(|next| next.starts_with("at "));
        if let Some((number, function)) = line.split_once(": ")
            && number.parse::<u32>().is_ok()
        {
            let file = at.and_then(|at| {
                let (rest, _column) = at["at ".len()..].rsplit_once(':')?;
                let (file, line) = rest.rsplit_once(':')?;
                Some((folder.join(file.strip_prefix("./").unwrap_or(file)), line))
            });
            frames.push(Frame { function, file });
        }
    }
    frames
}

/// The first frame outside the symbol that is neither of the standard library nor of a
/// crate that starts threads for others, if there is one in the step.
fn find(frames: &[Frame<'_>], symbol: &str) -> Option<String> {
    let inner = frames.iter().rposition(|frame| frame.function == symbol)?;
    let frame = frames[inner + 1..]
        .iter()
        .take_while(|frame| !frame.is_gate())
        .find(|frame| !frame.is_passed_over())?;
    Some(frame.to_text())
}

impl Frame<'_> {
    /// Where the code of the step begins.
    fn is_gate(&self) -> bool {
        let is_gate = |path: &Path| {
            path.ends_with("sim/retake/src/gate.rs")
                || path.ends_with("src/gate.rs") && path.to_string_lossy().contains("/retake-")
        };
        self.plain().starts_with("retake::gate::")
            || self.file.as_ref().is_some_and(|(file, _)| is_gate(file))
    }

    /// The function without what the name of a method of a trait begins with.
    fn plain(&self) -> &str {
        self.function.trim_start_matches(['<', '&'])
    }

    fn is_passed_over(&self) -> bool {
        let plain = self.plain();
        if PASSED_OVER.iter().any(|krate| plain.starts_with(krate)) {
            return true;
        }
        let Some((file, _)) = &self.file else {
            return !plain.contains("::");
        };
        let path = file.to_string_lossy();
        let is_package = |part: &str| {
            let prefix = PASSED_OVER_PACKAGES
                .iter()
                .find(|it| part.starts_with(**it));
            prefix.is_some() && part.ends_with(|last: char| last.is_ascii_digit())
        };
        STANDARD_LIBRARY.iter().any(|part| path.contains(part)) || path.split('/').any(is_package)
    }

    /// The file is named from the folder of its package on, so that it is the same wherever
    /// the program was built and runs. An inlined function may have a name without modules,
    /// which says nothing.
    fn to_text(&self) -> String {
        let mut function = self.function;
        while let Some((outer, _)) = function.rsplit_once("::{{closure}}") {
            function = outer;
        }
        let is_known = !function.starts_with('{') && function.contains("::");
        let place = self.file.as_ref().map(|(file, line)| {
            let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
            let sources = parts.iter().rposition(|part| SOURCES.contains(&&**part));
            let start = sources.map_or(0, |index| index.saturating_sub(1));
            format!("{}:{line}", parts[start..].join("/"))
        });
        match place {
            Some(place) if is_known => format!("by `{function}` at {place}"),
            Some(place) => format!("at {place}"),
            None => format!("by `{function}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
   0: std::backtrace::Backtrace::create
             at /rustc/59807616/library/std/src/backtrace.rs:331:13
   1: retake_engine::interpose::symbols::glibc::place::of_caller_of
             at /home/me/retake/sim/engine/src/interpose/symbols/glibc/place.rs:30:17
   2: pthread_create
             at /home/me/retake/sim/engine/src/interpose/symbols/glibc/threads.rs:57:17
   3: <std::sys::thread::unix::Thread>::new
             at /rustc/59807616/library/std/src/sys/thread/unix.rs:92:19
   4: new<rayon_core::registry::DefaultSpawn>
             at /home/me/.cargo/registry/src/index/rayon-core-1.12.1/src/registry.rs:273:29
   5: shop::orders::watch::{{closure}}::{{closure}}
             at ./src/orders.rs:12:9
   6: <retake::gate::Gated<F> as core::future::future::Future>::poll
   7: shop::main
";

    fn found(trace: &str, folder: &str) -> Option<String> {
        find(&frames(trace, Path::new(folder)), "pthread_create")
    }

    #[test]
    fn the_frame_of_the_users_code_is_named() {
        let expected = "by `shop::orders::watch` at shop/src/orders.rs:12";
        assert_eq!(found(TRACE, "/home/me/shop").as_deref(), Some(expected));
        let elsewhere = TRACE.replace("./src", "/home/me/shop/src");
        assert_eq!(found(&elsewhere, "/").as_deref(), Some(expected));
        let inlined = TRACE.replace(
            "shop::orders::watch::{{closure}}::{{closure}}",
            "{closure#0}",
        );
        assert_eq!(
            found(&inlined, "/home/me/shop").as_deref(),
            Some("at shop/src/orders.rs:12")
        );
    }

    #[test]
    fn what_called_the_step_is_not_named() {
        let without = TRACE.replace("shop::orders", "tokio::orders");
        assert_eq!(found(&without, "/"), None);
    }
}
