//! Programs to which faults happen: each shows what it sees of them, and so passes without any.

use std::rc::Rc;
use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinError};
use tokio::time::{interval, sleep};

use crate::show;

fn how(ended: &Result<u32, JoinError>) -> String {
    match ended {
        Ok(number) => number.to_string(),
        Err(error) if error.is_cancelled() => "cancelled".to_owned(),
        Err(_) => "panicked".to_owned(),
    }
}

/// What has passed, in whole seconds: what programs do takes some steps.
fn seconds(start: Instant) -> u64 {
    (start.elapsed() + Duration::from_millis(100)).as_secs()
}

/// Says that it is dropped.
struct Guard(Option<oneshot::Sender<&'static str>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send("dropped");
        }
    }
}

async fn waits(guard: Guard) -> u32 {
    sleep(Duration::from_secs(10)).await;
    drop(guard);
    sleep(Duration::from_secs(1)).await;
    7
}

#[tokio::test]
async fn a_task_is_killed() {
    let (sender, receiver) = oneshot::channel();
    let task = tokio::spawn(waits(Guard(Some(sender))));
    let start = Instant::now();
    let said = receiver.await.unwrap();
    show(&(said, seconds(start), how(&task.await)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_of_several_threads_is_killed() {
    let (sender, receiver) = oneshot::channel();
    let task = tokio::spawn(waits(Guard(Some(sender))));
    let start = Instant::now();
    let said = receiver.await.unwrap();
    show(&(said, seconds(start), how(&task.await)));
}

async fn local(seen: Rc<Cell<u32>>) -> u32 {
    for _ in 0..10 {
        sleep(Duration::from_secs(1)).await;
        seen.set(seen.get() + 1);
    }
    seen.get()
}

#[tokio::test]
async fn a_task_of_a_local_set_is_killed() {
    let seen = Rc::new(Cell::new(0));
    let set = task::LocalSet::new();
    let task = set.spawn_local(local(Rc::clone(&seen)));
    let ended = set.run_until(task).await;
    show(&(seen.get(), how(&ended)));
}

async fn counts(mut numbers: mpsc::UnboundedReceiver<u32>) -> u32 {
    let mut sum = 0;
    while let Some(number) = numbers.recv().await {
        sum += number;
    }
    sum
}

#[tokio::test]
async fn a_task_panics() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let task = tokio::spawn(counts(receiver));
    sleep(Duration::from_secs(1)).await;
    let was_there = sender.send(3).is_ok();
    sleep(Duration::from_secs(1)).await;
    let is_there = sender.send(4).is_ok();
    drop(sender);
    show(&(was_there, is_there, how(&task.await)));
}

async fn passes(start: Instant, times: u32) -> u32 {
    for _ in 0..times {
        task::yield_now().await;
    }
    seconds(start) as u32
}

#[tokio::test]
async fn a_task_does_not_run_for_a_time() {
    let start = Instant::now();
    let task = tokio::spawn(passes(start, 3));
    let other = tokio::spawn(async move { passes(start, 3).await });
    let ended = (how(&task.await), how(&other.await));
    show(&ended);
}

#[tokio::test]
async fn nothing_runs_for_a_time() {
    let start = Instant::now();
    let mut ticks = interval(Duration::from_secs(1));
    let mut times = Vec::new();
    for _ in 0..5 {
        ticks.tick().await;
        times.push(seconds(start));
    }
    show(&times);
}

#[tokio::test]
async fn timers_fire_late() {
    let start = Instant::now();
    let mut late = 0;
    for number in 1..=20 {
        sleep(Duration::from_millis(100)).await;
        late = late.max(start.elapsed().as_millis() as u64 / number - 100);
    }
    show(&(late > 5));
}

#[tokio::test]
async fn timers_fire_together() {
    let start = Instant::now();
    sleep(Duration::from_millis(300)).await;
    let first = seconds(start);
    std::thread::sleep(Duration::from_millis(300));
    show(&(first, seconds(start)));
}

#[tokio::test]
async fn the_wall_clock_is_wrong() {
    let (start, wall) = (Instant::now(), SystemTime::now());
    let mut seen = Vec::new();
    for _ in 0..3 {
        sleep(Duration::from_secs(1)).await;
        let ahead = match SystemTime::now().duration_since(wall) {
            Ok(passed) => passed.as_secs() as i64,
            Err(error) => -(error.duration().as_secs() as i64),
        };
        seen.push((seconds(start), ahead));
    }
    show(&seen);
}

/// The errors of some operations on a file, and what is in it then.
async fn file_operations(path: &std::path::Path) -> (Vec<Option<i32>>, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut errors = Vec::new();
    let mut note = |result: std::io::Result<()>| errors.push(result.err().and_then(|it| it.raw_os_error()));
    let mut file = tokio::fs::File::create(path).await.unwrap();
    let written = file.write_all(b"some words").await;
    note(written);
    note(file.flush().await);
    note(file.sync_all().await);
    drop(file);
    let mut text = String::new();
    let mut file = tokio::fs::File::open(path).await.unwrap();
    note(file.read_to_string(&mut text).await.map(drop));
    (errors, text)
}

#[tokio::test]
async fn a_file_is_written_and_read() {
    let path = std::env::temp_dir().join(format!("suite-{}", std::process::id()));
    let seen = file_operations(&path).await;
    std::fs::remove_file(&path).unwrap();
    show(&seen);
}

#[tokio::test]
async fn what_is_read_is_a_part() {
    use std::io::{Read, Write};
    let path = std::env::temp_dir().join(format!("suite-part-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    let bytes = vec![7; 100];
    let written = file.write(&bytes).unwrap();
    file.write_all(&bytes[written..]).unwrap();
    let mut file = std::fs::File::open(&path).unwrap();
    let mut read = [0; 100];
    let length = file.read(&mut read).unwrap();
    std::fs::remove_file(&path).unwrap();
    let are_right = read[..length].iter().all(|byte| *byte == 7);
    show(&((1..100).contains(&written), (1..100).contains(&length), are_right));
}

#[tokio::test]
async fn a_connection_is_used() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.map_err(|error| error.kind())
    });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let sent = stream.write_all(b"word").await.map_err(|error| error.kind());
    show(&(sent.is_ok(), server.await.unwrap().is_ok()));
}

/// What a server gets up to the end, and when; it answers then.
#[tokio::test]
async fn a_connection_has_an_end() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let start = Instant::now();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = std::sync::Arc::new(listener);
    let address = listener.local_addr().unwrap();
    let accepts = listener.clone();
    let server = tokio::spawn(async move {
        let (mut stream, _) = accepts.accept().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let got = (text, seconds(start));
        stream.write_all(b"answer").await.unwrap();
        got
    });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let mut answer = String::new();
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes()).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    let other = tokio::net::TcpStream::connect(address).await;
    let other = other.err().map(|error| error.raw_os_error());
    stream.read_to_string(&mut answer).await.unwrap();
    show(&(server.await.unwrap(), answer, seconds(start), other));
}

#[tokio::test]
async fn datagrams_are_received_in_their_order() {
    let [one, other] = ["127.0.0.1:0"; 2].map(|it| std::net::UdpSocket::bind(it).unwrap());
    let other = {
        other.set_nonblocking(true).unwrap();
        tokio::net::UdpSocket::from_std(other).unwrap()
    };
    let to = other.local_addr().unwrap();
    for number in 0..20 {
        one.send_to(&[number], to).unwrap();
    }
    // They come nevertheless.
    drop(one);
    let mut numbers = Vec::new();
    for _ in 0..20 {
        let mut byte = [0];
        other.recv(&mut byte).await.unwrap();
        numbers.push(byte[0]);
    }
    let are_sorted = numbers.is_sorted();
    numbers.sort_unstable();
    show(&(numbers == (0..20).collect::<Vec<u8>>(), are_sorted));
}

#[tokio::test]
async fn datagrams_are_sent() {
    let [one, other] = ["127.0.0.1:0"; 2].map(|it| std::net::UdpSocket::bind(it).unwrap());
    for number in 0..20 {
        one.send_to(&[number], other.local_addr().unwrap()).unwrap();
    }
    other.set_nonblocking(true).unwrap();
    let mut count = 0;
    while other.recv(&mut [0; 8]).is_ok() {
        count += 1;
    }
    show(&match count {
        20 => "all",
        0..20 => "some",
        _ => "more",
    });
}

#[tokio::test]
async fn what_lasts_ends() {
    let start = Instant::now();
    let task = tokio::spawn(passes(start, 3));
    show(&how(&task.await));
}
