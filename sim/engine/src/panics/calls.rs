//! What a backtrace shows: calls of the user's code, and what it awaits.

use super::FRAMES_MAX;

/// The calls of a backtrace as text with their places, innermost first, up to the gate of the
/// step.
///
/// With `debug = "line-tables-only"` the names of optimized functions lack their paths, so
/// places are asked as well.
fn calls(backtrace: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut function = "";
    let calls = backtrace.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(place) = line.strip_prefix("at ") {
            return Some((function, place));
        }
        if let Some((_, name)) = line.split_once(": ") {
            function = name;
        }
        None
    });
    calls.take_while(|(function, place)| {
        let function = function.trim_start_matches('<');
        !function.starts_with("retake::gate::") && !is_gate(place)
    })
}

/// What code awaits, by the backtrace of a clone of its waker: the future, if it is not the
/// code's own, and the place in the code.
pub(crate) fn awaited(backtrace: &str) -> Option<String> {
    // The outermost call before that of the user's code which is not of the standard library.
    let mut future = None;
    for (function, place) in calls(backtrace) {
        if let Some(place) = users_place(place).filter(|_| !is_own(function)) {
            let future = future.as_deref().unwrap_or("something");
            let function = plain_function(function);
            let function = Some(function).filter(|it| !it.starts_with('{'));
            let function = function.map(|it| format!(" in {it}")).unwrap_or_default();
            return Some(format!("{future}{function} at {place}"));
        }
        future = named_future(function, place).or(future);
    }
    None
}

/// The future that a function is of, if that is of the package that has its source: a macro's
/// source may be of one package and its function of another. Its module if its name has no path.
fn named_future(function: &str, place: &str) -> Option<String> {
    let plain = plain_function(function);
    let name = plain.split(['<', '{']).next().unwrap_or_default();
    if name.contains("::") {
        let (package, _) = plain.split_once("::")?;
        let folder = format!("/{}-", package.replace('_', "-"));
        return (place.replace('_', "-").contains(&folder)).then(|| plain.to_owned());
    }
    let is_of_macro = name.is_empty() && !plain.starts_with("{async_fn");
    if is_of_macro { None } else { module(place) }
}

/// The module of a place in a package of a registry or in another repository.
fn module(place: &str) -> Option<String> {
    let place = place.replace('\\', "/");
    if !["/registry/src/", "/git/checkouts/"]
        .iter()
        .any(|folder| place.contains(folder))
    {
        return None;
    }
    let path = short_path(&place);
    let (package, file) = path.split_once("/src/")?;
    let is_version = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let name: Vec<&str> = package
        .split('-')
        .take_while(|it| !is_version(it))
        .collect();
    let (file, _) = file.split_once(".rs")?;
    let parts = file
        .split('/')
        .filter(|part| !["mod", "lib"].contains(part));
    let mut module = vec![name.join("_")];
    module.extend(parts.map(str::to_owned));
    Some(module.join("::"))
}

/// A place in the source of the gates, whether it was built in a workspace or in a registry.
fn is_gate(place: &str) -> bool {
    const GATE: &str = "/retake/src/gate.rs";
    const PACKAGED: &str = concat!("/retake-", env!("CARGO_PKG_VERSION"), "/src/gate.rs");
    let place = place.replace('\\', "/");
    let Some((file, _)) = place.split_once(".rs:") else {
        return false;
    };
    let file = format!("{file}.rs");
    file.ends_with(PACKAGED) || whole_path(&file) == sim_folder() + GATE
}

/// The name of a function without closures; of a method of a trait, the type that has it.
fn plain_function(name: &str) -> &str {
    let mut name = name;
    while let Some(outer) = name.strip_suffix("::{{closure}}") {
        name = outer;
    }
    match name.strip_prefix('<').and_then(|it| it.split_once(" as ")) {
        Some((of_type, _)) => of_type,
        None => name,
    }
}

/// Of a backtrace as text, the frames whose source is neither a dependency's nor the
/// standard library's.
#[must_use]
pub fn user_calls(backtrace: &str) -> Vec<String> {
    let users = calls(backtrace).filter(|(function, _)| !is_own(function));
    let frames = users.filter_map(|(function, place)| {
        let place = users_place(place)?;
        // An inlined function's name may be `{async_fn#0}`, which says nothing.
        Some(match function.starts_with('{') {
            true => format!("at {place}"),
            false => format!("in {function} at {place}"),
        })
    });
    frames.take(FRAMES_MAX).collect()
}

/// A place of a backtrace, such as `./src/bank.rs:42:10`, as it is shown; none of code that is
/// a dependency's, the standard library's or the simulator's. A file of the workspace that is
/// not below the current directory has its whole path there.
fn users_place(place: &str) -> Option<String> {
    let plain = place.replace('\\', "/");
    // The last one is a copy that `cargo retake` has made.
    let is_others = [
        "/registry/src/",
        "/git/checkouts/",
        "/rustc/",
        "/rustlib/",
        "/retake/tokio-1.",
    ]
    .iter()
    .any(|folder| plain.contains(folder));
    // The C library's are in the same form.
    if is_others || !plain.contains(".rs:") {
        return None;
    }
    let relative = plain.strip_prefix("./").unwrap_or(&plain);
    let whole = whole_path(relative);
    (!is_own_source(&whole)).then(|| short_path(relative))
}

/// A source of the simulator, where it was built in a workspace.
fn is_own_source(whole: &str) -> bool {
    const ENGINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");
    const OTHERS: [&str; 4] = ["/src/", "/cli/src/", "/retake/src/", "/live/src/"];
    let below = whole.strip_prefix(&*sim_folder());
    let is_other = |below: &str| OTHERS.iter().any(|folder| below.starts_with(folder));
    whole.starts_with(ENGINE) || below.is_some_and(is_other)
}

/// The folder of `retake-sim`, which has the others of the simulator's crates in it.
fn sim_folder() -> String {
    let engine = env!("CARGO_MANIFEST_DIR").replace('\\', "/");
    let folder = engine.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    folder.unwrap_or(engine)
}

/// A path of a backtrace, which is relative where it is below the current directory.
fn whole_path(path: &str) -> String {
    let relative = path.strip_prefix("./").unwrap_or(path);
    let folder = std::env::current_dir().unwrap_or_default();
    folder.join(relative).to_string_lossy().replace('\\', "/")
}

/// Of the simulator, whose calls are around every step.
fn is_own(function: &str) -> bool {
    let function = function.trim_start_matches('<');
    [
        "retake_engine::",
        "retake_sim::",
        "retake_cli::",
        "retake::",
    ]
    .iter()
    .any(|module| function.starts_with(module))
}

/// A path without what only this machine has: where the standard library, the packages of
/// a registry and checkouts of other repositories are kept.
pub(super) fn short_path(path: &str) -> String {
    let plain = path.replace('\\', "/");
    let after = |mark: &str, skip: usize| {
        let (_, rest) = plain.split_once(mark)?;
        rest.splitn(skip + 1, '/').nth(skip).map(str::to_owned)
    };
    let kept = after("/registry/src/", 1)
        .or_else(|| of_checkout(&plain))
        .or_else(|| after("/rustc/", 1))
        .or_else(|| {
            let (_, rest) = plain.split_once("/lib/rustlib/src/rust/")?;
            Some(rest.to_owned())
        });
    match kept {
        Some(kept) => kept,
        None if plain.starts_with('/') || plain.get(1..3) == Some(":/") => of_package(&plain),
        None => plain,
    }
}

/// Of a path in a checkout of another repository: its name, without the hash, and the rest.
fn of_checkout(path: &str) -> Option<String> {
    let (_, rest) = path.split_once("/git/checkouts/")?;
    let mut parts = rest.splitn(3, '/');
    let name = parts.next()?;
    let (name, _) = name.rsplit_once('-').unwrap_or((name, ""));
    let _revision = parts.next()?;
    Some(format!("{name}/{}", parts.next()?))
}

/// Of an absolute path, what begins with the folder of its package.
fn of_package(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let folder = parts
        .iter()
        .rposition(|part| ["src", "tests", "examples", "benches"].contains(part));
    let from = match folder {
        Some(folder) => folder.saturating_sub(1),
        None => parts.len().saturating_sub(2),
    };
    parts[from..].join("/")
}

#[cfg(test)]
mod tests {
    use super::{awaited, short_path, sim_folder, user_calls, users_place};

    #[test]
    fn a_path_has_nothing_of_the_machine() {
        for (path, short) in [
            ("src/bank.rs", "src/bank.rs"),
            ("sim/tests/outcomes.rs", "sim/tests/outcomes.rs"),
            (
                "/home/me/.cargo/registry/src/index.example-6f17d22bba15001f/bytes-1.2.3/src/buf.rs",
                "bytes-1.2.3/src/buf.rs",
            ),
            (
                "/home/me/.cargo/git/checkouts/bytes-0123abcd/9f8e7d6/src/buf.rs",
                "bytes/src/buf.rs",
            ),
            (
                "/rustc/0123456789abcdef/library/core/src/cell.rs",
                "library/core/src/cell.rs",
            ),
            (
                "/home/me/.rustup/toolchains/stable/lib/rustlib/src/rust/library/alloc/src/vec.rs",
                "library/alloc/src/vec.rs",
            ),
            (
                "/home/me/work/bank/src/rules/age.rs",
                "bank/src/rules/age.rs",
            ),
            ("C:\\work\\bank\\src\\main.rs", "bank/src/main.rs"),
        ] {
            assert_eq!(short_path(path), short);
        }
    }

    #[test]
    fn a_file_of_the_workspace_is_the_users_wherever_the_test_runs() {
        for (place, shown) in [
            ("./app/src/bank.rs:42:10", Some("app/src/bank.rs:42:10")),
            (
                "/home/me/work/rules/src/age.rs:7:1",
                Some("rules/src/age.rs:7:1"),
            ),
            (".\\app\\src\\bank.rs:42:10", Some("app/src/bank.rs:42:10")),
            ("/rustc/0123/library/core/src/option.rs:5:5", None),
            ("./.cargo/registry/src/x/tokio-1.2.3/src/run.rs:1:1", None),
            ("/home/me/.cargo/git/checkouts/a-01/9f/src/a.rs:1:1", None),
            ("<unknown>", None),
            ("./nptl/pthread_create.c:442:8", None),
            (concat!(env!("CARGO_MANIFEST_DIR"), "/src/sim.rs:5:5"), None),
            (&(sim_folder() + "/src/explore/case.rs:5:5"), None),
        ] {
            assert_eq!(users_place(place).as_deref(), shown, "{place}");
        }
    }

    #[test]
    fn what_is_awaited_is_the_future_that_the_users_code_polls() {
        let backtrace = "   0: <std::backtrace::Backtrace>::force_capture\n   \
             1: retake_engine::awaits::table::clone\n             at ./sim/engine/src/awaits.rs:9:9\n   \
             2: tokio::sync::batch_semaphore::Acquire::poll\n             at /home/me/.cargo/registry/src/x/tokio-1.2.3/src/a.rs:1:1\n   \
             3: tokio::sync::mutex::Mutex<T>::lock::{{closure}}\n             at /home/me/.cargo/registry/src/x/tokio-1.2.3/src/b.rs:1:1\n   \
             4: <core::pin::Pin<P> as core::future::future::Future>::poll\n             at /rustc/01/library/core/src/pin.rs:1:1\n   \
             5: bank::transfer::{{closure}}\n             at ./app/src/bank.rs:42:10\n   \
             6: bank::main::{{closure}}\n             at ./app/src/main.rs:7:5\n";
        assert_eq!(
            awaited(backtrace).as_deref(),
            Some("tokio::sync::mutex::Mutex<T>::lock in bank::transfer at app/src/bank.rs:42:10")
        );
        let join = "   0: <tokio::task::JoinHandle<T> as core::future::Future>::poll\n             at /home/me/.cargo/registry/src/x/tokio-1.2.3/src/a.rs:1:1\n   \
             1: bank::main::{{closure}}\n             at /home/me/.cargo/registry/src/x/tokio-1.2.3/src/select.rs:1:1\n   \
             2: bank::main::{{closure}}\n             at ./app/src/main.rs:7:5\n";
        assert_eq!(
            awaited(join).as_deref(),
            Some("tokio::task::JoinHandle<T> in bank::main at app/src/main.rs:7:5")
        );
        let own = "   0: tokio::a::poll\n             at /home/me/.cargo/registry/src/x/tokio-1.2.3/src/a.rs:1:1\n   \
             1: retake::gate::look\n             at ./gate.rs:1:1\n   \
             2: bank::main\n             at ./app/src/main.rs:7:5\n";
        assert_eq!(awaited(own), None, "it is below the step");
    }

    #[test]
    fn what_is_awaited_is_known_by_its_file_where_names_have_no_paths() {
        let tokio = "/home/me/.cargo/registry/src/x/tokio-1.2.3/src";
        let lock = format!(
            "   0: poll<()>\n             at {tokio}/sync/batch_semaphore.rs:1:1\n   \
             1: {{async_fn#0}}<()>\n             at {tokio}/sync/mutex.rs:1:1\n   \
             2: {{closure#3}}\n             at {tokio}/macros/join.rs:1:1\n   \
             3: {{async_block#0}}\n             at ./app/src/bank.rs:42:10\n"
        );
        assert_eq!(
            awaited(&lock).as_deref(),
            Some("tokio::sync::mutex at app/src/bank.rs:42:10")
        );
        let own = format!(
            "   0: poll<()>\n             at /home/me/.cargo/registry/src/x/a-1.2.3/src/lib.rs:1:1\n   \
             1: look<()>\n             at {}/retake/src/gate.rs:1:1\n   2: main\n             at ./app/src/main.rs:7:5\n",
            sim_folder()
        );
        assert_eq!(awaited(&own), None, "it is below the step");
    }

    #[test]
    fn frames_are_the_users() {
        let backtrace = "   0: rust_begin_unwind\n             at /rustc/0123/library/std/src/panicking.rs:5:5\n   \
             1: bank::withdraw\n             at ./app/src/bank.rs:42:10\n   \
             2: {async_fn#0}\n             at ./app/src/account.rs:7:5\n   \
             3: retake::gate::poll_gated\n             at ./sim/retake/src/gate.rs:9:9\n   \
             4: tokio::runtime::run\n             at /home/me/.cargo/registry/src/x/tokio-1.2.3/src/run.rs:1:1\n   \
             5: bank::main\n             at ./app/src/main.rs:7:5\n";
        assert_eq!(
            user_calls(backtrace),
            [
                "in bank::withdraw at app/src/bank.rs:42:10",
                "at app/src/account.rs:7:5"
            ]
        );
    }
}
