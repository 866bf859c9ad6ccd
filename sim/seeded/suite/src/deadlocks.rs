//! Programs that come to a standstill, each in its own way.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::sync::{broadcast, mpsc, oneshot, watch, Barrier, Mutex, Notify, RwLock, Semaphore};
use tokio::task::{self, JoinSet};
use tokio::time::sleep;

async fn take_both(first: Arc<Mutex<()>>, second: Arc<Mutex<()>>) {
    let _first = first.lock().await;
    sleep(Duration::from_millis(1)).await;
    let _second = second.lock().await;
}

#[tokio::test]
async fn two_tasks_wait_for_a_lock_of_each_other() {
    let (one, two) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let there = tokio::spawn(take_both(one.clone(), two.clone()));
    let back = tokio::spawn(take_both(two, one));
    there.await.unwrap();
    back.await.unwrap();
}

#[tokio::test]
async fn two_tasks_of_a_local_set_wait_for_a_lock_of_each_other() {
    let (one, two) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let set = task::LocalSet::new();
    set.spawn_local(take_both(one.clone(), two.clone()));
    set.run_until(async {
        task::spawn_local(take_both(two, one)).await.unwrap();
    })
    .await;
}

async fn receive(mut receiver: mpsc::Receiver<()>) {
    receiver.recv().await;
}

async fn select(notify: Arc<Notify>, receiver: oneshot::Receiver<()>) {
    tokio::select! {
        biased;
        () = notify.notified() => {}
        _ = receiver => {}
    }
}

#[tokio::test]
async fn tasks_wait_for_all_kinds_of_things() {
    let mut tasks = JoinSet::new();
    let (sender, receiver) = mpsc::channel(1);
    tasks.spawn(receive(receiver));
    let (full, _receiver) = mpsc::channel(1);
    full.send(()).await.unwrap();
    let also_full = full.clone();
    tasks.spawn(async move { also_full.send(()).await.unwrap() });
    tasks.spawn(async move { full.closed().await });
    let (_answers, answer) = oneshot::channel::<()>();
    tasks.spawn(async move { drop(answer.await) });
    let semaphore = Arc::new(Semaphore::new(1));
    tasks.spawn(async move { drop(semaphore.acquire_many(2).await) });
    let notify = Arc::new(Notify::new());
    let notified = notify.clone();
    tasks.spawn(async move { notified.notified().await });
    let (_changes, mut changed) = watch::channel(());
    tasks.spawn(async move { drop(changed.changed().await) });
    let (_hears, mut heard) = broadcast::channel::<()>(1);
    tasks.spawn(async move { drop(heard.recv().await) });
    let lock = Arc::new(RwLock::new(()));
    let written = lock.clone().write_owned().await;
    tasks.spawn(async move { drop(lock.read().await) });
    tasks.spawn(async move { drop(Barrier::new(2).wait().await) });
    let (_never, receiver) = oneshot::channel();
    tasks.spawn(select(notify, receiver));
    let (_other, mut pipe) = tokio::io::duplex(8);
    tasks.spawn(async move { drop(pipe.read_u8().await) });
    tasks.spawn(async { std::future::pending().await });
    let (_held, blocks) = std::sync::mpsc::channel::<()>();
    let blocked = task::spawn_blocking(move || drop(blocks.recv()));
    tasks.spawn(async move { blocked.await.unwrap() });
    while tasks.join_next().await.is_some() {}
    drop((sender, written));
}

#[tokio::test]
async fn a_task_waits_for_its_next_tick_at_the_end_of_time() {
    loop {
        sleep(Duration::from_secs(1_000)).await;
    }
}

#[tokio::test]
async fn two_tasks_take_turns_while_one_waits() {
    let (_sender, receiver) = oneshot::channel::<()>();
    tokio::spawn(async { drop(receiver.await) });
    tokio::spawn(yields_for_ever());
    yields_for_ever().await;
}

async fn yields_for_ever() {
    loop {
        task::yield_now().await;
    }
}

#[test]
fn a_thread_waits_for_a_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (sender, receiver) = oneshot::channel::<()>();
    let other = std::thread::spawn(move || receiver.blocking_recv());
    runtime.block_on(async {
        drop(other.join());
    });
    drop(sender);
}
