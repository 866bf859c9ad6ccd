//! What is added to tokio's own files.

use crate::source::Source;

const CHANNEL: &str = include_str!("../driver/tokio/channel.rs");
const COOP: &str = include_str!("../driver/tokio/coop.rs");
const CURRENT_THREAD: &str = include_str!("../driver/tokio/current_thread.rs");
const LOCAL: &str = include_str!("../driver/tokio/local.rs");
const POOL: &str = include_str!("../driver/tokio/pool.rs");
const SEMAPHORE: &str = include_str!("../driver/tokio/semaphore.rs");
const TASK: &str = include_str!("../driver/tokio/task.rs");
/// All that is appended to files of tokio.
pub(crate) const APPENDED: &[&str] = &[CHANNEL, COOP, CURRENT_THREAD, LOCAL, POOL, SEMAPHORE, TASK];

/// An edit of one file: its path in the package, or the paths that it has in different versions,
/// and what is done to it.
type Edit = (&'static str, fn(&mut Source) -> Result<(), String>);

/// All edits, in no order that matters.
pub(crate) const EDITS: &[Edit] = &[
    ("src/lib.rs", root),
    ("src/runtime/scheduler/current_thread/mod.rs", scheduler),
    ("src/runtime/scheduler/block_in_place.rs", block_in_place),
    ("src/runtime/task/mod.rs", task),
    ("src/runtime/task/core.rs", header),
    ("src/task/spawn.rs", spawn),
    ("src/runtime/builder.rs", builder),
    ("src/runtime/blocking/pool.rs", pool),
    ("src/runtime/handle.rs", handle),
    ("src/task/local.rs", local_set),
    ("src/task/builder.rs", task_builder),
    ("src/process/mod.rs", process),
    ("src/signal/unix.rs", signal),
    ("src/runtime/coop.rs src/task/coop/mod.rs", budget),
    ("src/runtime/io/driver.rs", events),
    ("src/sync/mpsc/chan.rs", channel),
    ("src/sync/batch_semaphore.rs", semaphore),
    ("src/sync/notify.rs", notify),
    ("src/runtime/io/scheduled_io.rs", readiness),
    ("src/runtime/task/core.rs", task_core),
    ("src/runtime/task/harness.rs", harness),
    ("src/runtime/task/join.rs", join),
    ("src/task/join_set.rs", join_set),
];

/// The driver is a module of the crate.
fn root(source: &mut Source) -> Result<(), String> {
    source.append("\n#[doc(hidden)]\n#[allow(warnings)]\nmod retake;\n");
    // All futures of tokio call this before they wait.
    source.at_start_of_inner_function("trace", "trace_leaf", "crate::retake::leaf();")
}

/// The loop of the current-thread scheduler chooses by the seed, and what makes tasks runnable
/// says so.
fn scheduler(source: &mut Source) -> Result<(), String> {
    source.add_field("Core", "seeded: seeded::Queue")?;
    source.add_field("Shared", "seeded: seeded::SimulatedRuntime")?;
    // Threads of one runtime hand over the core to each other.
    let shared = |it: &str| format!("Arc<{it}>");
    source.change_field("CurrentThread", "core", shared)?;
    source.change_field("CurrentThread", "notify", shared)?;
    let new = ("CurrentThread", "new");
    source.add_value(new, "Core", "seeded: seeded::Queue::default()")?;
    source.add_value(new, "Shared", "seeded: seeded::SimulatedRuntime::new()")?;
    source.change_value(new, "CurrentThread", "notify", |it| {
        format!("handle.shared.seeded.share_notify({it})")
    })?;
    source.change_value(new, "CurrentThread", "core", |_| {
        "core: handle.shared.seeded.share_core(core)".to_owned()
    })?;

    let block_on = "if crate::retake::is_simulated() { return self.block_on_seeded(handle, blocking, future.as_mut(), retake_at); }";
    source.behind_first_of_closure("CurrentThread", "block_on", "blocking", block_on)?;
    let at = "let retake_at = std::panic::Location::caller();";
    source.at_start_of("CurrentThread", None, "block_on", at)?;
    // Tasks of a runtime with several threads may block in place.
    source.change_argument(("CurrentThread", "block_on"), "enter_runtime", 1, |stock| {
        format!("{stock} || handle.as_current_thread().has_simulated_threads()")
    })?;
    // What yields while its thread has handed over the core is not deferred: nobody would wake it.
    let without_core = "if crate::retake::is_simulated() && self.core.borrow().is_none() { \
        waker.wake_by_ref(); return; }";
    source.at_start_of("Context", None, "defer", without_core)?;
    let shutdown =
        "if crate::retake::is_simulated() { self.end_workers(handle.as_current_thread()); }";
    source.at_start_of("CurrentThread", None, "shutdown", shutdown)?;

    let schedule = "crate::retake::ready(self.shared.seeded.number, task.retake_slot(), \
        || task.retake_id(), task.retake_waker()); \
        self.shared.seeded.ensure_driver(self);";
    source.at_start_of("Handle", Some("Schedule"), "schedule", schedule)?;
    // What is woken by a thread that has handed over the core is for the one that has it.
    let has_core = "(!crate::retake::is_on() || cx.core.borrow().is_some())";
    source.add_guard("Handle", Some("Schedule"), "schedule", has_core)?;
    let ended = "crate::retake::ended(task.retake_slot());";
    source.at_start_of("Handle", Some("Schedule"), "release", ended)?;
    let woken = "crate::retake::main_ready(arc_self.shared.seeded.number);";
    source.at_start_of("Handle", Some("Wake"), "wake_by_ref", woken)?;
    let spawns = "crate::retake::spawns(std::any::type_name::<F>());";
    source.at_start_of("Handle", None, "spawn", spawns)?;
    source.at_start_of_any("Handle", "spawn_local", spawns);

    append_with_coop(source, CURRENT_THREAD);
    Ok(())
}

/// Append a text that names tokio's module of budgets, which was moved.
fn append_with_coop(source: &mut Source, text: &str) {
    let coop = match source.contains("runtime::coop") {
        true => "crate::runtime::coop",
        false => "crate::task::coop",
    };
    source.append(&text.replace("RETAKE_COOP", coop));
}

/// Whether a future asks for no limits says so.
fn budget(source: &mut Source) -> Result<(), String> {
    source.append(COOP);
    Ok(())
}

/// A task of a runtime with several threads that blocks in place hands over the core.
fn block_in_place(source: &mut Source) -> Result<(), String> {
    let blocks = "let f = if crate::retake::is_simulated() { \
        match scheduler::current_thread::block_in_place(f) { Ok(it) => return it, Err(f) => f } \
        } else { f };";
    source.at_start_of_function("block_in_place", blocks)
}

fn task(source: &mut Source) -> Result<(), String> {
    source.append(TASK);
    Ok(())
}

/// The header of a task has its slot.
fn header(source: &mut Source) -> Result<(), String> {
    source.add_field("Header", "pub(crate) retake: crate::retake::Slot")?;
    let none = "retake: crate::retake::Slot::new()";
    source.add_value(("Cell", "new"), "Header", none)
}

/// Where a task is spawned: what follows is called from within tokio.
const SPAWNS: &str = "crate::retake::spawns_at(std::panic::Location::caller());";

fn spawn(source: &mut Source) -> Result<(), String> {
    source.at_start_of_function("spawn", SPAWNS)
}

/// A runtime with several threads is a current-thread one whose core is handed over.
fn builder(source: &mut Source) -> Result<(), String> {
    source.change_arm("Builder", "build", "Kind::MultiThread", |stock| {
        format!(
            "if crate::retake::is_simulated() {{ \
                crate::retake::with_threads(|| self.build_current_thread_runtime()) \
            }} else {{ {stock} }}"
        )
    })
}

/// Threads of a runtime are named, and say when they start and end, as those of its pool do.
fn pool(source: &mut Source) -> Result<(), String> {
    source.append(POOL);
    Ok(())
}

/// It says that it has several threads, as it would without a seed.
fn handle(source: &mut Source) -> Result<(), String> {
    let flavor = "#[cfg(feature = \"rt-multi-thread\")] \
        if let scheduler::Handle::CurrentThread(it) = &self.inner { \
            if it.has_simulated_threads() { return RuntimeFlavor::MultiThread; } }";
    source.at_start_of("Handle", None, "runtime_flavor", flavor)?;
    source.at_start_of("Handle", None, "spawn", SPAWNS)?;
    // Who enters it may make timers, which its own threads fire.
    let entered = "match &self.inner { \
        scheduler::Handle::CurrentThread(it) => it.ensure_simulated_driver(), \
        #[cfg(feature = \"rt-multi-thread\")] _ => {} }";
    source.at_start_of("Handle", None, "enter", entered)
}

/// Tasks of a `LocalSet` run one at a time, each in a turn of its own.
fn local_set(source: &mut Source) -> Result<(), String> {
    source.add_field("Shared", "retake: u32")?;
    let number = "retake: crate::retake::new_local_set()";
    source.add_value(("LocalSet", "new"), "Shared", number)?;
    let seeded = "if crate::retake::is_simulated() { return self.tick_seeded(); }";
    source.at_start_of("LocalSet", None, "tick", seeded)?;
    let polls = "crate::retake::polls_set(cx.waker());";
    source.at_start_of("LocalSet", Some("Future"), "poll", polls)?;
    let turn = "crate::retake::polls_set(cx.waker()); \
        if crate::retake::has_local_turn(self.local_set.context.shared.retake) { \
            self.local_set.turn_seeded(cx); return Poll::Pending; \
        }";
    source.at_start_of("RunUntil", Some("Future"), "poll", turn)?;
    let ready = "if crate::retake::local_ready(self.retake, task.retake_slot(), task.retake_id(), \
            task.retake_waker()) { return self.keep_seeded(task); \
        }";
    source.at_start_of("Shared", None, "schedule", ready)?;
    let ended = "crate::retake::ended(task.retake_slot());";
    source.at_start_of("Shared", Some("Schedule"), "release", ended)?;
    let spawns = "crate::retake::spawns(std::any::type_name::<F>());";
    source.at_start_of("Context", None, "spawn", spawns)?;
    source.at_start_of("LocalSet", None, "spawn_local", SPAWNS)?;
    source.at_start_of_function("spawn_local", SPAWNS)?;
    append_with_coop(source, LOCAL);
    Ok(())
}

/// A task may have a name.
fn task_builder(source: &mut Source) -> Result<(), String> {
    let named = format!("crate::retake::spawns_as(self.name); {SPAWNS}");
    for method in ["spawn", "spawn_on", "spawn_local", "spawn_local_on"] {
        source.at_start_of("Builder", None, method, &named)?;
    }
    Ok(())
}

/// Other processes live in real time.
fn process(source: &mut Source) -> Result<(), String> {
    let refused = "crate::retake::escapes(\"it starts a process by `tokio::process`\");";
    source.at_start_of("Command", None, "spawn", refused)
}

/// Signals come from outside.
fn signal(source: &mut Source) -> Result<(), String> {
    let listens = "crate::retake::listens_to_signals();";
    source.at_start_of_function("signal_with_handle", listens)
}

/// What waits for events of sockets may wait for something outside of the process.
fn events(source: &mut Source) -> Result<(), String> {
    source.at_start_of(
        "Handle",
        None,
        "add_source",
        "crate::retake::has_event_source();",
    )
}

/// Each message that a task takes is a step of its own.
fn channel(source: &mut Source) -> Result<(), String> {
    source.rename("Rx", "recv", "recv_stock")?;
    source.rename("Rx", "recv_many", "recv_many_stock")?;
    source.rename("Rx", "try_recv", "try_recv_stock")?;
    // How many messages wait for whom.
    source.add_field("Chan", "inbox: crate::retake::Inbox")?;
    let inbox = "inbox: crate::retake::Inbox::new()";
    // Later versions have a function more.
    source
        .add_value_in_function("channel_from_list", "Chan", inbox)
        .or_else(|_| source.add_value_in_function("channel", "Chan", inbox))?;
    source.at_start_of("Tx", None, "send", "self.inner.inbox.sent();")?;
    let closed = "self.inner.inbox.closed(|| self.len());";
    source.at_start_of("Rx", Some("Drop"), "drop", closed)?;
    append_with_coop(source, CHANNEL);
    Ok(())
}

/// What has a semaphore in it, such as a `Mutex`, is known by its own use of that, and so is its
/// holder.
fn semaphore(source: &mut Source) -> Result<(), String> {
    source.add_field("Semaphore", "retake: crate::retake::Use")?;
    let constructors = ["new", "const_new", "new_closed", "const_new_closed"];
    for constructor in constructors {
        // Not all versions have the last one.
        if constructor == constructors[3] && !source.contains(constructor) {
            continue;
        }
        let made = ("Semaphore", constructor);
        source.add_value(made, "Self", "retake: crate::retake::Use::new()")?;
    }
    source.at_start_of("Semaphore", None, "acquire", "self.retake.begins();")?;
    source.add_attribute("Semaphore", "acquire", "#[track_caller]")?;
    source.at_start_of("Semaphore", None, "release", "self.retake.released();")?;
    source.rename("Semaphore", "try_acquire", "try_acquire_stock")?;
    source.append(SEMAPHORE);
    source.change_call("Acquire", "Future", "poll", "poll_acquire", |stock| {
        format!("semaphore.retake.polled({stock})")
    })
}

/// Parts of tokio wait by a `Notify`, and so do its users.
fn notify(source: &mut Source) -> Result<(), String> {
    source.add_field("Notify", "retake: crate::retake::Use")?;
    for constructor in ["new", "const_new"] {
        source.add_value(
            ("Notify", constructor),
            "Notify",
            "retake: crate::retake::Use::new()",
        )?;
    }
    source.at_start_of("Notify", None, "notified", "self.retake.begins();")?;
    source.add_attribute("Notify", "notified", "#[track_caller]")?;
    let waits = "crate::retake::leaf(); self.notify.retake.waits();";
    source.at_start_of("Notified", Some("Future"), "poll", waits)?;
    // Early versions have none.
    let owned = source.at_start_of("OwnedNotified", Some("Future"), "poll", waits);
    drop(owned);
    Ok(())
}

/// What waits for a socket in an `async fn`.
fn readiness(source: &mut Source) -> Result<(), String> {
    let leaf = "crate::retake::leaf();";
    source.at_start_of("Readiness", Some("Future"), "poll", leaf)
}

/// What a task waits for is seen by its waker, if it is no future of tokio.
fn harness(source: &mut Source) -> Result<(), String> {
    source.change_argument(("Harness", "poll_inner"), "from_waker", 0, |stock| {
        format!("crate::retake::look_waker({stock})")
    })
}

/// The future of a task may panic on purpose, where tokio catches it.
fn task_core(source: &mut Source) -> Result<(), String> {
    let panics = "crate::retake::panics(self.task_id.as_u64());";
    source.at_start_of("Core", None, "poll", panics)
}

/// The task that is joined is known.
fn join(source: &mut Source) -> Result<(), String> {
    let joins = "crate::retake::joins(self.id().as_u64());";
    source.at_start_of("JoinHandle", Some("Future"), "poll", joins)
}

fn join_set(source: &mut Source) -> Result<(), String> {
    let leaf = "crate::retake::leaf();";
    source.at_start_of("JoinSet", None, "poll_join_next", leaf)
}
