//! The programs of the suite, and what is expected of each.

use retake_core::outcome::OutcomeKind;

/// What is expected of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
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

pub(super) const EXPECTED: &[(&str, Expected)] = &[
    ("tasks_take_turns_in_each_order", Expected::Varies),
    (
        "tasks_of_a_local_set_take_turns_in_each_order",
        Expected::Varies,
    ),
    ("select_takes_each_branch", Expected::Varies),
    ("hash_maps_are_in_an_order_of_the_seed", Expected::Varies),
    ("an_hour_takes_no_time", Expected::Passes),
    ("a_paused_clock_is_as_without_a_seed", Expected::Passes),
    ("tasks_block_their_threads", Expected::Passes),
    (
        "what_comes_between_taking_and_handling_is_seen",
        Expected::Varies,
    ),
    ("a_runtime_runs_on_a_thread_of_its_own", Expected::Passes),
    (
        "a_runtime_that_is_entered_fires_its_timers",
        Expected::Passes,
    ),
    (
        "a_runtime_runs_though_nobody_blocks_on_it",
        Expected::Passes,
    ),
    (
        "threads_of_a_runtime_say_when_they_start_and_end",
        Expected::Passes,
    ),
    ("threads_read_from_blocking_sockets", Expected::Passes),
    ("sockets_of_one_process_talk", Expected::Passes),
    ("sockets_have_ports_of_their_own", Expected::Passes),
    ("files_are_read_and_written", Expected::Passes),
    ("a_signal_is_waited_for", Expected::Passes),
    ("yields_until_another_task_has_run", Expected::Passes),
    (
        "a_yield_lets_a_task_that_was_woken_run_first",
        Expected::Varies,
    ),
    ("fails_in_one_order_of_two", Expected::FailsSometimes),
    (
        "fails_where_many_messages_go_before_one",
        Expected::FailsForInbox,
    ),
    (
        "fails_in_a_local_set_where_many_messages_go_before_one",
        Expected::FailsForInbox,
    ),
    (
        "deadlocks::two_tasks_wait_for_a_lock_of_each_other",
        Expected::Says(OutcomeKind::Deadlock),
    ),
    (
        "deadlocks::two_tasks_of_a_local_set_wait_for_a_lock_of_each_other",
        Expected::Says(OutcomeKind::Deadlock),
    ),
    (
        "deadlocks::tasks_wait_for_all_kinds_of_things",
        Expected::Says(OutcomeKind::Deadlock),
    ),
    (
        "deadlocks::a_task_waits_for_its_next_tick_at_the_end_of_time",
        Expected::Says(OutcomeKind::Horizon),
    ),
    (
        "deadlocks::two_tasks_take_turns_while_one_waits",
        Expected::Says(OutcomeKind::StepLimit),
    ),
    (
        "deadlocks::a_thread_waits_for_a_thread",
        Expected::Says(OutcomeKind::Deadlock),
    ),
    ("a_thread_polls_by_hand_until_it_is_ready", Expected::Passes),
    (
        "a_thread_reads_the_end_of_a_stream_for_ever",
        Expected::Passes,
    ),
    (
        "a_thread_asks_for_the_time_until_another_has_run",
        Expected::Passes,
    ),
    ("waits_for_ever", Expected::Ends(OutcomeKind::Deadlock)),
    ("never_ends", Expected::Ends(OutcomeKind::Horizon)),
    ("starts_a_process", Expected::Ends(OutcomeKind::Escaped)),
];
