//! Small programs, one for each way in which a program of tokio waits.

#![cfg(test)]

mod deadlocks;
mod faults;

use std::cell::RefCell;
use std::future::Future;
use std::io::{Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task;
use tokio::time::{interval, sleep, timeout};

std::thread_local! {
    /// Tasks are run first in, first out, as without a seed.
    static IS_FIFO: bool = std::env::var("SUITE_STRATEGY").map_or(true, |it| it == "fifo");
}

/// Prints what differs from seed to seed.
fn show(what: &impl std::fmt::Debug) {
    println!("shows {what:?}");
}

#[tokio::test]
async fn tasks_take_turns_in_each_order() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for number in 0..3 {
        let sender = sender.clone();
        tokio::spawn(async move { sender.send(number).unwrap() });
    }
    drop(sender);
    let mut order = Vec::new();
    while let Some(number) = receiver.recv().await {
        order.push(number);
    }
    show(&order);
}

#[tokio::test]
async fn tasks_of_a_local_set_take_turns_in_each_order() {
    let set = task::LocalSet::new();
    let order = Rc::new(RefCell::new(Vec::new()));
    for number in 0..3 {
        let order = Rc::clone(&order);
        set.spawn_local(async move {
            order.borrow_mut().push(number);
            task::yield_now().await;
            order.borrow_mut().push(number);
        });
    }
    set.await;
    show(&order.borrow());
}

#[tokio::test]
async fn select_takes_each_branch() {
    let mut taken = Vec::new();
    for _ in 0..4 {
        tokio::select! {
            () = async {} => taken.push('a'),
            () = async {} => taken.push('b'),
        }
    }
    show(&taken);
}

#[tokio::test]
async fn hash_maps_are_in_an_order_of_the_seed() {
    let map: std::collections::HashMap<u32, ()> = (0..6).map(|key| (key, ())).collect();
    show(&map.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_hour_takes_no_time() {
    let start = Instant::now();
    let mut ticks = interval(Duration::from_secs(60));
    for _ in 0..60 {
        ticks.tick().await;
    }
    assert!(timeout(Duration::from_secs(60), sleep(Duration::from_secs(61))).await.is_err());
    let passed = start.elapsed();
    assert!((3_600..3_601).contains(&passed.as_secs()), "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_is_as_without_a_seed() {
    let (real, tokios) = (Instant::now(), tokio::time::Instant::now());
    sleep(Duration::from_secs(1_000)).await;
    assert_eq!(tokios.elapsed().as_secs(), 1_000);
    assert!(real.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_block_their_threads() {
    let number = task::spawn_blocking(|| {
        std::thread::sleep(Duration::from_secs(5));
        7
    });
    let number = number.await.unwrap();
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        sender.send(number).unwrap();
    });
    assert_eq!(task::block_in_place(|| receiver.blocking_recv().unwrap()), 7);
    let start = Instant::now();
    let sleeps = tokio::spawn(async { std::thread::sleep(Duration::from_secs(20)) });
    tokio::spawn(async {}).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "the other task waits for a thread");
    sleeps.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_between_taking_and_handling_is_seen() {
    static HANDLED: AtomicUsize = AtomicUsize::new(0);
    let mut between = 0;
    for round in 0..100 {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.send(()).await.unwrap();
        let handles = tokio::spawn(async move {
            receiver.recv().await.unwrap();
            HANDLED.fetch_add(1, SeqCst);
        });
        let looks = tokio::spawn(async move {
            let is_taken = sender.capacity() == 1;
            is_taken && HANDLED.load(SeqCst) == round
        });
        handles.await.unwrap();
        between += usize::from(looks.await.unwrap());
    }
    show(&(between > 0));
}

#[test]
fn a_runtime_runs_on_a_thread_of_its_own() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (sender, mut receiver) = mpsc::channel(1);
    let other = std::thread::spawn(move || {
        Runtime::new().unwrap().block_on(async {
            for number in 0..5 {
                sleep(Duration::from_millis(10)).await;
                sender.send(number).await.unwrap();
            }
        });
    });
    let sum = runtime.block_on(async {
        let mut sum = 0;
        while let Some(number) = receiver.recv().await {
            sum += number;
        }
        sum
    });
    other.join().unwrap();
    assert_eq!(sum, 10);
}

#[test]
fn a_runtime_runs_though_nobody_blocks_on_it() {
    let runtime = Runtime::new().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        sleep(Duration::from_millis(10)).await;
        sender.send(5).unwrap();
    });
    assert_eq!(receiver.recv().unwrap(), 5);
}

#[test]
fn threads_of_a_runtime_say_when_they_start_and_end() {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let runtime = Builder::new_multi_thread()
        .thread_name("worker")
        .on_thread_start(|| {
            assert_eq!(std::thread::current().name(), Some("worker"));
            STARTED.fetch_add(1, SeqCst);
            THREADS.fetch_add(1, SeqCst);
        })
        .on_thread_stop(|| {
            THREADS.fetch_sub(1, SeqCst);
        })
        .build()
        .unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    runtime.spawn(async move { sender.send(()).unwrap() });
    receiver.recv().unwrap();
    drop(runtime);
    assert!(STARTED.load(SeqCst) > 0);
    assert_eq!(THREADS.load(SeqCst), 0);
}

#[test]
fn a_runtime_that_is_entered_fires_its_timers() {
    let other = Runtime::new().unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let sleep = {
            let _entered = other.enter();
            sleep(Duration::from_millis(100))
        };
        sleep.await;
    });
}

#[test]
fn threads_read_from_blocking_sockets() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"hi").unwrap();
        let mut bytes = [0; 2];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    });
    let (mut stream, _) = listener.accept().unwrap();
    let mut bytes = [0; 2];
    stream.read_exact(&mut bytes).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { sleep(Duration::from_secs(1)).await });
    stream.write_all(&bytes).unwrap();
    assert_eq!(&client.join().unwrap(), b"hi");
}

#[tokio::test]
async fn sockets_of_one_process_talk() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut bytes = [0; 5];
    timeout(Duration::from_secs(5), stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    server.await.unwrap();
    assert_eq!(&bytes, b"hello");
}

/// A port that the process which runs the suite has itself.
const TAKEN: u16 = 45_671;

#[tokio::test]
async fn sockets_have_ports_of_their_own() {
    use std::io::ErrorKind;
    use tokio::net::{TcpListener, TcpStream, UdpSocket};

    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = match first.local_addr().unwrap().port() {
        // The system would give another one in each run.
        port if std::env::var_os("SUITE_STRATEGY").is_some() => {
            assert_eq!(port, 40_000);
            TAKEN
        }
        port => port,
    };
    let left = first.local_addr().unwrap();
    drop(first);
    let refused = TcpStream::connect(left).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let address = ("127.0.0.1", port);
    let listener = TcpListener::bind(address).await.unwrap();
    assert_eq!(listener.local_addr().unwrap().port(), port);
    let again = TcpListener::bind(address).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AddrInUse);
    let client = TcpStream::connect(address).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    assert_eq!(peer, server.peer_addr().unwrap());
    assert_eq!(server.local_addr().unwrap(), client.peer_addr().unwrap());
    drop((server, client, listener));
    match port {
        // It is the other process's again.
        TAKEN => drop(TcpStream::connect(address).await.unwrap()),
        _ => {
            let refused = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        }
    }
    TcpListener::bind(address).await.unwrap();

    // Closed, but for its copy.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let copy = listener.try_clone().unwrap();
    drop(listener);
    drop(std::net::TcpStream::connect(copy.local_addr().unwrap()).unwrap());

    let one = UdpSocket::bind("[::1]:0").await.unwrap();
    let other = UdpSocket::bind("[::1]:0").await.unwrap();
    let (one_is_at, other_is_at) = (one.local_addr().unwrap(), other.local_addr().unwrap());
    one.send_to(b"one", other_is_at).await.unwrap();
    let mut memory = [0; 8];
    assert_eq!(other.recv_from(&mut memory).await.unwrap(), (3, one_is_at));
    other.connect(one_is_at).await.unwrap();
    other.send(b"other").await.unwrap();
    assert_eq!(one.recv_from(&mut memory).await.unwrap(), (5, other_is_at));
    show(&(peer, one_is_at, other_is_at));
}

#[tokio::test]
async fn files_are_read_and_written() {
    let path = std::env::temp_dir().join("suite.txt");
    tokio::fs::write(&path, "text").await.unwrap();
    assert_eq!(tokio::fs::read_to_string(&path).await.unwrap(), "text");
}

#[tokio::test]
async fn fails_in_one_order_of_two() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for number in 0..2 {
        let sender = sender.clone();
        tokio::spawn(async move { sender.send(number).unwrap() });
    }
    assert_eq!(receiver.recv().await, Some(0), "the second task was first");
}

/// How many jobs one task has done when the only message of another one tells it to stop.
async fn jobs_before_the_end(spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>)) -> usize {
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    static HANDLED: AtomicUsize = AtomicUsize::new(0);
    let (sender, mut jobs) = mpsc::unbounded_channel();
    spawn(Box::pin(async move {
        WAITING.fetch_add(1, SeqCst);
        while jobs.recv().await.is_some() {
            HANDLED.fetch_add(1, SeqCst);
        }
    }));
    let (stop, mut stopped) = mpsc::unbounded_channel();
    let (tell, told) = oneshot::channel();
    spawn(Box::pin(async move {
        WAITING.fetch_add(1, SeqCst);
        stopped.recv().await.unwrap();
        tell.send(HANDLED.load(SeqCst)).unwrap();
    }));
    while WAITING.load(SeqCst) < 2 {
        task::yield_now().await;
    }
    (0..20).for_each(|job| sender.send(job).unwrap());
    stop.send(()).unwrap();
    told.await.unwrap()
}

#[tokio::test]
async fn fails_where_many_messages_go_before_one() {
    let handled = jobs_before_the_end(|task| drop(tokio::spawn(task))).await;
    assert!(handled < 15, "it stops after {handled} jobs");
}

#[tokio::test]
async fn fails_in_a_local_set_where_many_messages_go_before_one() {
    let set = task::LocalSet::new();
    let handled = jobs_before_the_end(|it| drop(task::spawn_local(it)));
    let handled = set.run_until(handled).await;
    assert!(handled < 15, "it stops after {handled} jobs");
}

#[cfg(tokio_unstable)]
#[tokio::test]
async fn tasks_have_names() {
    let named = task::Builder::new().name("pays").spawn(async {}).unwrap();
    named.await.unwrap();
    let set = task::LocalSet::new();
    let named = task::Builder::new().name("sells").spawn_local_on(async {}, &set).unwrap();
    set.run_until(named).await.unwrap();
    tokio::spawn(async {}).await.unwrap();
}

#[tokio::test]
async fn yields_until_another_task_has_run() {
    let other = tokio::spawn(async {});
    while !other.is_finished() {
        task::yield_now().await;
    }
}

#[tokio::test]
async fn a_yield_lets_a_task_that_was_woken_run_first() {
    let (sender, receiver) = oneshot::channel();
    let other = tokio::spawn(receiver);
    task::yield_now().await;
    sender.send(()).unwrap();
    task::yield_now().await;
    show(&other.is_finished());
    if IS_FIFO.with(|it| *it) {
        assert!(other.is_finished());
    }
}

extern "C" {
    fn raise(signal: i32) -> i32;
}

#[tokio::test]
async fn a_signal_is_waited_for() {
    use tokio::signal::unix::{signal, SignalKind};
    let kind = SignalKind::user_defined1();
    let mut signals = [signal(kind).unwrap(), signal(kind).unwrap()];
    assert_eq!(unsafe { raise(kind.as_raw_value()) }, 0);
    for signal in &mut signals {
        signal.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_thread_polls_by_hand_until_it_is_ready() {
    let (sender, mut receiver) = mpsc::channel::<()>(1);
    let (told, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut message = std::pin::pin!(receiver.recv());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        while message.as_mut().poll(&mut context).is_pending() {}
        told.send(()).unwrap();
    });
    sleep(Duration::from_millis(50)).await;
    sender.send(()).await.unwrap();
    end.await.unwrap();
}

#[tokio::test]
async fn a_thread_asks_for_the_time_until_another_has_run() {
    static HAS_RUN: AtomicBool = AtomicBool::new(false);
    let (told, end) = oneshot::channel();
    std::thread::spawn(move || {
        while !HAS_RUN.load(SeqCst) {
            std::hint::black_box(Instant::now());
        }
        told.send(()).unwrap();
    });
    sleep(Duration::from_millis(1)).await;
    HAS_RUN.store(true, SeqCst);
    end.await.unwrap();
}

#[tokio::test]
async fn a_thread_reads_the_end_of_a_stream_for_ever() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, closed) = oneshot::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut sender = Some(sender);
        loop {
            if stream.read(&mut [0; 8]).unwrap() == 0 {
                sender.take().map(|it| it.send(()));
            }
        }
    });
    drop(std::net::TcpStream::connect(address).unwrap());
    closed.await.unwrap();
    sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn waits_for_ever() {
    let (_sender, receiver) = oneshot::channel::<()>();
    receiver.await.unwrap();
}

#[tokio::test]
async fn never_ends() {
    let mut ticks = interval(Duration::from_secs(1_000));
    loop {
        ticks.tick().await;
    }
}

#[tokio::test]
async fn starts_a_process() {
    tokio::process::Command::new("true").status().await.unwrap();
}
