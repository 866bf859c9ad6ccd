//! Labels of tasks: what people mean by one, and names for tasks that have none, from the type of
//! the future and the place of the spawn.
//!
//! `my_crate::tests::it_works::{{closure}}::{{closure}}`, spawned in line 12, is `it_works:12`;
//! a named `async fn run` is `run`; an actor of ractor is called by its own type.

/// What rustc calls closures, and the bodies of `async` functions and blocks.
const CLOSURE: &str = "{{closure}}";

/// The name and the number at the end of a text that has one.
#[must_use]
pub fn numbered(text: &str) -> Option<(&str, u32)> {
    let (name, number) = text.rsplit_once('#')?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    let number = number.parse().ok().filter(|_| is_number)?;
    Some((name, number))
}

/// Whether somebody who writes `text` can mean this incarnation of this name: text without a
/// number means all of them, and a text is a name first.
#[must_use]
pub fn is_meant(name: &str, incarnation: u32, text: &str) -> bool {
    name == text || numbered(text) == Some((name, incarnation))
}

/// The label of a task that was spawned with this name, which is empty without one, by the type of
/// its future and the place of the spawn.
#[must_use]
pub fn of_spawn(name: &str, type_name: &str, file: &str, line: u32) -> String {
    if !name.is_empty() {
        return name.to_owned();
    }
    match is_place(file) {
        true => of_task(type_name, file, line),
        false => of_task(type_name, "", 0),
    }
}

/// Whether this file is one of the user's sources: a copy of tokio is not.
#[must_use]
pub fn is_place(file: &str) -> bool {
    !file.is_empty() && !file.contains("/retake/tokio-")
}

/// The label of a task: its future's type, and where it was spawned.
#[must_use]
pub fn of_task(type_name: &str, file: &str, line: u32) -> String {
    match of_future(type_name) {
        Some(ShortName { name, is_inner }) if is_inner && line > 0 => format!("{name}:{line}"),
        Some(ShortName { name, .. }) => name,
        None => of_place(file, line),
    }
}

/// The label of a thread: by its own name, or by the future that it blocks on. Rust's test harness
/// names the thread of a test after the test.
#[must_use]
pub fn of_thread(name: &str, main: Option<&str>) -> String {
    let own = last_segment(name);
    if !own.is_empty() {
        return own.to_owned();
    }
    let named = main.and_then(of_future);
    named.map_or_else(|| "thread".to_owned(), |named| named.name)
}

/// A type without the modules of its paths: `Vec<Job>` for `alloc::vec::Vec<my_crate::Job>`.
#[must_use]
pub fn short_type(name: &str) -> String {
    let mut short = String::new();
    let mut word = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || c == '_' || c == ':' || c == '{' || c == '}' || c == '#' {
            word.push(c);
        } else {
            short.push_str(last_segment(&word));
            word.clear();
            short.push(c);
        }
    }
    short.push_str(last_segment(&word));
    short
}

struct ShortName {
    name: String,
    /// It is a closure within what is named, of which there may be several.
    is_inner: bool,
}

/// The name of the function, or of the type, that a future comes from; none for one whose type
/// is hidden, such as `Pin<Box<dyn Future>>`.
fn of_future(type_name: &str) -> Option<ShortName> {
    if let Some(actor) = of_actor(type_name) {
        return Some(ShortName {
            name: actor,
            is_inner: false,
        });
    }
    let segments = segments(type_name);
    let closures = segments.iter().filter(|it| **it == CLOSURE).count();
    if closures > 0 {
        let function = segments.iter().rev().find(|it| **it != CLOSURE)?;
        let name = without_parameters(function);
        // `<Type as Trait>` is no function's name.
        let name = if name.is_empty() {
            short_type(function)
        } else {
            name.to_owned()
        };
        return Some(ShortName {
            name,
            is_inner: closures > 1,
        });
    }
    let last = segments.last()?;
    // A wrapper: what is inside has the name.
    for parameter in parameters(last) {
        let inner = parameter.contains(CLOSURE).then(|| of_future(parameter));
        if let Some(named) = inner.flatten() {
            return Some(named);
        }
    }
    let name = without_parameters(last);
    let is_hidden = type_name.contains("dyn ") || name.is_empty();
    (!is_hidden).then(|| ShortName {
        name: name.to_owned(),
        is_inner: false,
    })
}

/// The type of the actor, if this is the loop of one: ractor has it as a parameter of its own
/// type, `ractor::actor::ActorRuntime<my_crate::Counter>::start::{{closure}}::{{closure}}`.
fn of_actor(type_name: &str) -> Option<String> {
    let segments = segments(type_name);
    let is_ractor = *segments.first()? == "ractor";
    let runtime = segments.iter().filter(|_| is_ractor);
    let mut actors = runtime.flat_map(|segment| parameters(segment));
    let actor = actors.find(|it| !it.contains(CLOSURE))?;
    Some(without_parameters(last_segment_of_type(actor)).to_owned())
}

/// Where it was spawned: `lib:12` for `src/lib.rs`, or `task` where that is unknown.
fn of_place(file: &str, line: u32) -> String {
    let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    match (stem, line) {
        ("", _) => "task".to_owned(),
        (stem, 0) => stem.to_owned(),
        (stem, line) => format!("{stem}:{line}"),
    }
}

/// The parts of a path that `::` separates, outside of `<…>` and `(…)`.
fn segments(path: &str) -> Vec<&str> {
    split(path, "::")
}

/// The parameters of a segment: `A` and `B` of `Type<A, B>`.
fn parameters(segment: &str) -> Vec<&str> {
    let Some((_, rest)) = segment.split_once('<') else {
        return Vec::new();
    };
    let inner = rest.strip_suffix('>').unwrap_or(rest);
    split(inner, ", ")
}

/// Split where no bracket is open.
fn split<'a>(text: &'a str, at: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut place) = (0_usize, 0, 0);
    while let Some(c) = text[place..].chars().next() {
        match c {
            '<' | '(' | '[' => depth += 1,
            // An arrow, `->`, is no bracket.
            '>' if text[..place].ends_with('-') => {}
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && text[place..].starts_with(at) {
            parts.push(&text[start..place]);
            place += at.len();
            start = place;
        } else {
            place += c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

fn without_parameters(segment: &str) -> &str {
    segment.split('<').next().unwrap_or(segment)
}

fn last_segment_of_type(path: &str) -> &str {
    segments(path).last().copied().unwrap_or(path)
}

/// The last segment of a path without brackets.
fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(type_name: &str) -> String {
        of_task(type_name, "/home/me/shop/src/lib.rs", 12)
    }

    #[test]
    fn a_block_is_called_by_its_function_and_line() {
        let inner = "my_crate::tests::it_works::{{closure}}::{{closure}}";
        assert_eq!(label(inner), "it_works:12");
        let method = "my_crate::Server<my_crate::Disk>::go::{{closure}}::{{closure}}";
        assert_eq!(label(method), "go:12");
        assert_eq!(of_task(inner, "", 0), "it_works");
    }

    #[test]
    fn a_named_function_is_called_by_its_name() {
        assert_eq!(label("my_crate::run::{{closure}}"), "run");
        assert_eq!(
            label("my_crate::run<alloc::vec::Vec<u8>>::{{closure}}"),
            "run"
        );
        let method = "<my_crate::Counter as my_crate::Service>::call::{{closure}}";
        assert_eq!(label(method), "call");
    }

    #[test]
    fn a_wrapper_is_called_by_what_is_inside() {
        let of = |inner: &str| format!("tracing::instrument::Instrumented<{inner}>");
        assert_eq!(label(&of("my_crate::run::{{closure}}")), "run");
        assert_eq!(label(&of("a::it::{{closure}}::{{closure}}")), "it:12");
        let boxed = "core::pin::Pin<alloc::boxed::Box<my_crate::run::{{closure}}>>";
        assert_eq!(label(boxed), "run");
        let map = "futures_util::future::Map<a::run::{{closure}}, a::other::{{closure}}>";
        assert_eq!(label(map), "run");
    }

    #[test]
    fn an_actor_is_called_by_its_type() {
        let of = |actor: &str| {
            format!("ractor::actor::ActorRuntime<{actor}>::start::{{{{closure}}}}::{{{{closure}}}}")
        };
        assert_eq!(label(&of("my_crate::Counter")), "Counter");
        assert_eq!(label(&of("my_crate::Worker<my_crate::Job, u8>")), "Worker");
    }

    #[test]
    fn a_future_without_a_name_is_called_by_its_place() {
        let hidden = "core::pin::Pin<alloc::boxed::Box<dyn core::future::future::Future<Output = \
                      ()> + core::marker::Send>>";
        assert_eq!(label(hidden), "lib:12");
        assert_eq!(of_task(hidden, "", 0), "task");
        assert_eq!(label("my_crate::Connection<my_crate::Disk>"), "Connection");
        assert_eq!(label(""), "lib:12");
    }

    #[test]
    fn a_thread_is_called_by_its_own_name_or_by_what_it_blocks_on() {
        let serve = Some("my_crate::serve::{{closure}}");
        assert_eq!(of_thread("tests::it_works", serve), "it_works");
        assert_eq!(of_thread("", serve), "serve");
        assert_eq!(of_thread("", None), "thread");
    }

    #[test]
    fn a_type_is_shown_without_its_modules() {
        assert_eq!(short_type("my_crate::net::Job"), "Job");
        let tuple = "(alloc::vec::Vec<my_crate::Job>, &str)";
        assert_eq!(short_type(tuple), "(Vec<Job>, &str)");
        assert_eq!(short_type("u8"), "u8");
    }

    #[test]
    fn unbalanced_names_are_no_reason_to_panic() {
        for text in [
            "<",
            ">",
            "a<b",
            "a>::b",
            "::",
            "<a as b>::{{closure}}",
            "é<ü>::ö",
        ] {
            drop((label(text), short_type(text), of_thread(text, Some(text))));
        }
    }
}
