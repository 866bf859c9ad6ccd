//! What gates and tests do in a process that is simulated as a whole. Here the program itself
//! defines the functions by which they know. A generated tokio has them as well, and is linked
//! instead under `cargo retake`: the symbols here are weak.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![allow(unsafe_code, reason = "defines functions of C")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use ractor::{Actor, ActorRef, RpcReplyPort, call};
use retake_testkit::ActorResult;

static TEXTS: Mutex<Vec<(u32, String)>> = Mutex::new(Vec::new());

fn texts() -> std::sync::MutexGuard<'static, Vec<(u32, String)>> {
    TEXTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A weak symbol of this name, at which the function begins.
macro_rules! weak {
    ($name:literal, $function:path) => {
        #[cfg(target_arch = "x86_64")]
        std::arch::global_asm!(
            concat!(".weak ", $name),
            concat!($name, ":"),
            "jmp {}",
            sym $function,
        );
        #[cfg(target_arch = "aarch64")]
        std::arch::global_asm!(
            concat!(".weak ", $name),
            concat!($name, ":"),
            "b {}",
            sym $function,
        );
    };
}

weak!("retake_seeded_is_simulated", is_simulated);
weak!("retake_seeded_records_texts", records_texts);
weak!("retake_seeded_text", text);
weak!("retake_seeded_violated", violated);

/// Whether a generated tokio is linked: it has more functions than those of this file.
fn is_generated() -> bool {
    retake::linked_address!("retake_seeded_callback") != 0
}

extern "C" fn is_simulated() -> bool {
    true
}

extern "C" fn records_texts() -> bool {
    true
}

/// # Safety
/// It is a text of this length.
unsafe extern "C" fn text(kind: u32, text: *const u8, length: usize) {
    // SAFETY: as the caller promises.
    let text = unsafe { std::slice::from_raw_parts(text, length) };
    texts().push((kind, String::from_utf8_lossy(text).into_owned()));
}

/// # Safety
/// It is a text of this length.
unsafe extern "C" fn violated(what: *const u8, length: usize) {
    const VIOLATED: u32 = 100;
    // SAFETY: as the caller promises.
    unsafe { text(VIOLATED, what, length) };
}

struct Till;

#[derive(Debug)]
enum Order {
    Pay(u32),
    Sum(RpcReplyPort<u32>),
}

#[retake::simulated]
impl Actor for Till {
    type Msg = Order;
    type State = u32;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> ActorResult<u32> {
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<Order>, order: Order, sum: &mut u32) -> ActorResult {
        match order {
            Order::Pay(price) => {
                *sum += price;
                retake::event!("{price} paid");
            }
            Order::Sum(reply) => reply.send(*sum)?,
        }
        Ok(())
    }
}

static RUNS: AtomicU32 = AtomicU32::new(0);

/// In this process many seeds would run it many times.
#[retake_sim::test(seeds = 50, isolation = "shared")]
async fn a_test_runs_once_and_its_gates_tell_what_they_know() {
    if is_generated() {
        return;
    }
    assert_eq!(RUNS.fetch_add(1, Ordering::SeqCst), 0, "it has run before");
    assert!(!retake::is_simulated(), "no engine schedules it");
    let (till, _) = Actor::spawn(None, Till, ()).await.expect("it starts");
    till.cast(Order::Pay(3)).expect("it lives");
    assert_eq!(call!(till, Order::Sum).expect("it answers"), 3);
    retake::always!(1 + 1 == 3, "the sum is wrong");

    let texts = texts();
    let of_kind = |wanted: u32| {
        let texts = texts.iter().filter(|(kind, _)| *kind == wanted);
        texts.map(|(_, text)| text.as_str()).collect::<Vec<_>>()
    };
    assert!(of_kind(0).iter().all(|name| *name == "Till"));
    assert_eq!(of_kind(1)[0], "Pay(3)");
    assert!(of_kind(1)[1].starts_with("Sum("));
    assert_eq!(of_kind(2), ["0", "0", "3"]);
    assert_eq!(of_kind(3), ["3 paid"]);
    assert_eq!(of_kind(100), ["the sum is wrong"]);
}

/// It has its own seed and strategy, and steps of its own.
#[test]
fn a_simulation_of_a_test_s_own_is_as_elsewhere() {
    let run = retake_sim::Sim::new().seed(3).run(|| async {
        let (till, _) = Actor::spawn(None, Till, ()).await.expect("it starts");
        till.cast(Order::Pay(4)).expect("it lives");
        call!(till, Order::Sum).expect("it answers")
    });
    assert!(run.stats.steps > 3);
    assert_eq!(run.expect_passed(), 4);
}
