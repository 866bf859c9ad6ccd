//! A worker that forks: it makes a child for each request. The child does the work and answers.
//!
//! The worker reads nothing but headers and allocates nothing for a request, so the state
//! from which its children start stays what it was. The child reads the request.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::os::{self, Side};
use super::server::{self, Runner};
use super::wire;

/// How long the other threads of a worker may take to become idle.
const REST: Duration = Duration::from_secs(10);

/// Serve the process that started this one, until it ends.
pub(super) fn serve(number: &str, run: Runner<'_>) -> ! {
    let socket = number.parse().map_err(|_| "no number".to_owned());
    let socket = socket.and_then(|it| os::take_socket(it).map_err(|error| error.to_string()));
    let socket = match socket {
        Ok(socket) => UnixStream::from(socket),
        Err(error) => {
            server::refuse_variable(number, &error);
            os::exit(2);
        }
    };
    // Once, instead of in each child.
    retake_engine::internal::prepare();
    os::share_one_arena();
    os::explain_abort(socket.as_fd());
    if let Err(what) = os::others_sleep(REST) {
        let _ = wire::send(&socket, wire::REFUSAL, what.as_bytes());
        os::exit(2);
    }
    let greeting = if os::is_randomized() {
        wire::RANDOMIZED
    } else {
        0
    };
    if wire::send(&socket, wire::READY, &[greeting]).is_err() {
        os::exit(0);
    }
    #[cfg(target_os = "linux")]
    let mut text = super::text::Text::find();
    loop {
        let started = wire::header(wire::STARTED, 0);
        let Ok(Some((kind, length))) = wire::next(&socket) else {
            // The client is gone.
            os::exit(0);
        };
        if (&socket).write_all(&started).is_err() {
            os::exit(0);
        }
        if kind == wire::SHARED {
            respond(&socket, length, run, false);
            continue;
        }
        match os::split() {
            Ok(Side::Child) => {
                let answered =
                    catch_unwind(AssertUnwindSafe(|| respond(&socket, length, run, true)));
                os::exit(answered.map_or(101, |()| wire::ANSWERED));
            }
            Ok(Side::Parent(child)) => {
                #[cfg(target_os = "linux")]
                if let Some(text) = &mut text
                    && text.count()
                {
                    text.put_in_huge_pages();
                }
                os::wait_or_follow(child);
            }
            Err(error) => {
                let what = format!("it cannot fork: {error}");
                let _ = wire::send(&socket, wire::REFUSAL, what.as_bytes());
                os::exit(2);
            }
        }
    }
}

/// Answer a request of this length, within its limits.
fn respond(socket: &UnixStream, length: usize, run: Runner<'_>, is_child: bool) {
    server::answer(socket, length, run, |limits| {
        if is_child {
            os::limit_life(limits.alarm_s);
        }
        if limits.memory_mb > 0 {
            os::limit_memory(limits.memory_mb.into());
        }
        if !limits.prints {
            os::silence();
        }
    });
}
