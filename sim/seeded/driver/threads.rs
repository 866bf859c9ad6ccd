//! Threads: who has the turn, and what the others wait for.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use super::flags;
use super::kernel::{self, Kernel, with};
use super::progress;
use super::record::Tag;
use super::state::{Baton, Thread, Wait, What};
use super::sys;
use super::waits;

impl Kernel {
    /// A thread that will run.
    pub(super) fn new_thread(&mut self) -> u32 {
        let number = self.threads.len() as u32;
        let slot = self.enter(What::Thread(number), "thread");
        let baton = Baton {
            turn: AtomicU32::new(0),
            id: AtomicU32::new(0),
        };
        self.threads.push(Thread {
            slot,
            baton: Box::leak(Box::new(baton)),
            handle: 0,
            has_ended: false,
            wait: None,
            deadline: None,
            timed_out: false,
            assigned: None,
            runtime: None,
            is_parked: false,
            is_looking: false,
            writes_seen: 0,
        });
        let serial = self.entities[slot as usize].serial;
        let parent = self.current;
        self.record.event(Tag::Task, |fields| {
            fields.number(serial.into()).number(0);
            fields.number(if number == 0 {
                0
            } else {
                u64::from(parent) + 1
            });
            fields.text("").text("").number(0).text("");
        });
        number
    }

    /// It waits no longer.
    pub(super) fn wake(&mut self, thread: u32) {
        self.forget_wait(thread);
        let slot = self.threads[thread as usize].slot;
        self.entities[slot as usize].cause = self.steps;
        self.insert(slot);
    }

    fn forget_wait(&mut self, number: u32) {
        let thread = &mut self.threads[number as usize];
        if let Some(deadline) = thread.deadline.take() {
            self.deadlines.remove(deadline, number);
        }
        if let Some(Wait::Futex { word, .. }) = thread.wait.take() {
            if let Some(waiters) = self.futexes.get_mut(&word) {
                waiters.retain(|(waiter, _)| *waiter != number);
                if waiters.is_empty() {
                    self.futexes.remove(&word);
                }
            }
        }
    }

    /// The time for which it waits is over.
    pub(super) fn time_out(&mut self, number: u32) {
        let thread = &mut self.threads[number as usize];
        thread.deadline = None;
        thread.timed_out = true;
        self.rouse(number);
    }

    /// What it waits for has happened: it can run, or has to look at its timers and events.
    fn rouse(&mut self, thread: u32) {
        if self.threads[thread as usize].is_parked {
            self.forget_wait(thread);
            self.due.insert(thread);
        } else {
            self.wake(thread);
        }
    }

    /// Wake so many threads that wait for this word.
    pub(super) fn wake_futex(&mut self, word: usize, most: u32, bits: u32) -> u32 {
        let mut woken = 0;
        while woken < most {
            let waiters = self.futexes.get(&word).map_or(&[][..], |waiters| waiters);
            let Some((thread, _)) = waiters.iter().find(|(_, those)| those & bits != 0) else {
                break;
            };
            let thread = *thread;
            self.rouse(thread);
            woken += 1;
        }
        woken
    }

    /// Whether something from outside has happened for which a thread waits, within this time.
    pub(super) fn take_from_outside(&mut self, milliseconds: u64) -> bool {
        let mut waiting = Vec::new();
        for (number, thread) in self.threads.iter().enumerate() {
            if let Some(Wait::File(file)) = thread.wait {
                waiting.push((number as u32, file));
            }
        }
        if waiting.is_empty() {
            return false;
        }
        let files: Vec<i32> = waiting.iter().map(|(_, file)| *file).collect();
        let ready = sys::readable(&files, milliseconds);
        let mut any = false;
        for ((thread, _), is_ready) in waiting.into_iter().zip(ready) {
            if is_ready {
                any = true;
                self.rouse(thread);
            }
        }
        if any && milliseconds > 1 {
            self.note("it waited for something outside of the process");
        }
        any
    }

    /// What may make a run differ from another one of its seed.
    pub(super) fn note(&mut self, text: &str) {
        self.record.event(Tag::Note, |fields| {
            fields.text(text);
        });
    }
}

/// Hand the turn on, and come back when this thread has it again.
pub(super) fn hand_on(me: u32) {
    let next = with(|kernel| kernel.choose());
    if next != me {
        switch(me, next);
    }
}

/// Hand the turn to this thread, which was chosen, and come back when this one has it again.
pub(super) fn switch(me: u32, next: u32) {
    let (mine, its) = with(|kernel| {
        let baton = |thread: u32| kernel.threads[thread as usize].baton;
        (baton(me), baton(next))
    });
    give(its);
    wait_for_turn(mine);
}

fn give(baton: &'static Baton) {
    baton.turn.store(1, Ordering::Release);
    sys::wake(&baton.turn);
}

/// Wait until this thread has the turn.
pub(super) fn wait_for_turn(baton: &'static Baton) {
    while baton.turn.swap(0, Ordering::Acquire) == 0 {
        sys::wait_while(&baton.turn, 0, None);
    }
    if let Some(thread) = with(|kernel| kernel.exiting.take()) {
        // It frees memory, which others may get.
        sys::wait_for_end(thread);
    }
}

/// Have another thread drive this one's runtime meanwhile, if it was built with several.
fn hand_over() {
    #[cfg(feature = "rt")]
    crate::runtime::scheduler::current_thread::hand_over_core();
}

/// Wait for this, at most until that time. True if the time is over.
pub(super) fn block(me: u32, wait: Wait, deadline: Option<u64>) -> bool {
    progress::is_made();
    if !with(|kernel| kernel.threads[me as usize].is_parked) {
        hand_over();
    }
    let current = with(|kernel| {
        kernel.suspend(me);
        let thread = &mut kernel.threads[me as usize];
        thread.wait = Some(wait);
        thread.timed_out = false;
        let deadline = deadline.map(|deadline| kernel.timer_deadline(deadline));
        kernel.threads[me as usize].deadline = deadline;
        if let Some(deadline) = deadline {
            kernel.deadlines.insert(deadline, me);
        }
        if let Wait::Futex { word, bits } = wait {
            kernel.futexes.entry(word).or_default().push((me, bits));
        }
        kernel.current
    });
    hand_on(me);
    while with(|kernel| kernel.looks_at_itself(me)) {
        waits::look_at_calls();
        hand_on(me);
    }
    with(|kernel| {
        flags::set_current(current);
        kernel.forget_wait(me);
        if !kernel.threads[me as usize].is_parked {
            kernel.threads[me as usize].assigned = None;
        }
        kernel.resume(me);
        kernel.threads[me as usize].timed_out
    })
}

/// Let others run first.
pub(super) fn yield_now(me: u32) {
    hand_over();
    let current = with(|kernel| {
        kernel.suspend(me);
        let slot = kernel.threads[me as usize].slot;
        kernel.entities[slot as usize].cause = 0;
        kernel.insert(slot);
        kernel.current
    });
    hand_on(me);
    with(|kernel| {
        flags::set_current(current);
        kernel.threads[me as usize].assigned = None;
        kernel.resume(me);
    });
}

/// This thread ends: nothing of it runs any more.
pub(super) fn end(me: u32) {
    let next = with(|kernel| {
        let thread = &mut kernel.threads[me as usize];
        thread.has_ended = true;
        let (slot, id) = (thread.slot, thread.baton.id.load(Ordering::Relaxed));
        kernel.leave(slot);
        let waiters: Vec<u32> = (0..kernel.threads.len() as u32)
            .filter(|it| kernel.threads[*it as usize].wait == Some(Wait::End(me)))
            .collect();
        waiters.into_iter().for_each(|thread| kernel.wake(thread));
        kernel.exiting = Some(id);
        let next = kernel.choose();
        kernel.threads[next as usize].baton
    });
    kernel::be(None);
    give(next);
}

/// Have the simulation continue when this thread ends.
pub(super) fn at_end_of_thread(thread: u32) {
    use std::sync::OnceLock;
    static KEY: OnceLock<u32> = OnceLock::new();
    unsafe extern "C" fn ends(value: *mut c_void) {
        end(value as usize as u32 - 1);
    }
    let key = *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the place is valid, and the function is one of C.
        unsafe { sys::pthread_key_create(&mut key, Some(ends)) };
        key
    });
    // SAFETY: the key exists.
    unsafe { sys::pthread_setspecific(key, (thread as usize + 1) as *const c_void) };
}
