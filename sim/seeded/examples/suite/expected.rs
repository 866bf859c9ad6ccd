//! The programs of the suite, and what is expected of each.

use retake_core::outcome::OutcomeKind;

/// What is expected of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expectation {
    Passes,
    /// It passes, and shows several things under several seeds.
    Varies,
    /// It fails under some seeds.
    FailsSometimes,
    /// It fails under each seed of the strategy `inbox`, and seldom where the order is random.
    FailsForInbox,
    Ends(OutcomeKind),
    /// It ends so, first in, first out, and says what `suite/ends.txt` has of it.
    Says(OutcomeKind),
}

pub(super) const EXPECTED: &[(&str, Expectation)] = &[
    ("tasks_take_turns_in_each_order", Expectation::Varies),
    (
        "tasks_of_a_local_set_take_turns_in_each_order",
        Expectation::Varies,
    ),
    ("select_takes_each_branch", Expectation::Varies),
    ("hash_maps_are_in_an_order_of_the_seed", Expectation::Varies),
    ("an_hour_takes_no_time", Expectation::Passes),
    ("a_paused_clock_is_as_without_a_seed", Expectation::Passes),
    ("tasks_block_their_threads", Expectation::Passes),
    (
        "what_comes_between_taking_and_handling_is_seen",
        Expectation::Varies,
    ),
    ("a_runtime_runs_on_a_thread_of_its_own", Expectation::Passes),
    (
        "a_runtime_that_is_entered_fires_its_timers",
        Expectation::Passes,
    ),
    (
        "a_runtime_runs_though_nobody_blocks_on_it",
        Expectation::Passes,
    ),
    (
        "threads_of_a_runtime_say_when_they_start_and_end",
        Expectation::Passes,
    ),
    ("threads_read_from_blocking_sockets", Expectation::Passes),
    ("sockets_of_one_process_talk", Expectation::Passes),
    ("sockets_have_ports_of_their_own", Expectation::Passes),
    ("files_are_read_and_written", Expectation::Passes),
    ("a_signal_is_waited_for", Expectation::Passes),
    ("yields_until_another_task_has_run", Expectation::Passes),
    (
        "a_yield_lets_a_task_that_was_woken_run_first",
        Expectation::Varies,
    ),
    ("fails_in_one_order_of_two", Expectation::FailsSometimes),
    (
        "fails_where_many_messages_go_before_one",
        Expectation::FailsForInbox,
    ),
    (
        "fails_in_a_local_set_where_many_messages_go_before_one",
        Expectation::FailsForInbox,
    ),
    (
        "deadlocks::two_tasks_wait_for_a_lock_of_each_other",
        Expectation::Says(OutcomeKind::Deadlock),
    ),
    (
        "deadlocks::two_tasks_of_a_local_set_wait_for_a_lock_of_each_other",
        Expectation::Says(OutcomeKind::Deadlock),
    ),
    (
        "deadlocks::tasks_wait_for_all_kinds_of_things",
        Expectation::Says(OutcomeKind::Deadlock),
    ),
    (
        "deadlocks::a_task_waits_for_its_next_tick_at_the_end_of_time",
        Expectation::Says(OutcomeKind::Horizon),
    ),
    (
        "deadlocks::two_tasks_take_turns_while_one_waits",
        Expectation::Says(OutcomeKind::StepLimit),
    ),
    (
        "deadlocks::a_thread_waits_for_a_thread",
        Expectation::Says(OutcomeKind::Deadlock),
    ),
    (
        "a_thread_polls_by_hand_until_it_is_ready",
        Expectation::Passes,
    ),
    (
        "a_thread_reads_the_end_of_a_stream_for_ever",
        Expectation::Passes,
    ),
    (
        "a_thread_asks_for_the_time_until_another_has_run",
        Expectation::Passes,
    ),
    ("waits_for_ever", Expectation::Ends(OutcomeKind::Deadlock)),
    ("never_ends", Expectation::Ends(OutcomeKind::Horizon)),
    ("starts_a_process", Expectation::Ends(OutcomeKind::Escaped)),
];
