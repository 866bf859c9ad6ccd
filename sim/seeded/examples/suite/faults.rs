//! Programs to which faults happen, and what they show with and without each.

use std::path::Path;

use retake_core::planned::PlannedFault;
use retake_seeded::child::Event;

use super::{Program, Result, text};

/// Seeds of each program, and the strategy of each.
const STRATEGIES: [&str; 3] = ["fifo", "random", "pct"];

/// A program, what it shows without a fault, faults as their lines, and what it shows with them.
struct FaultTrial {
    name: &'static str,
    without: &'static str,
    faults: &'static [&'static str],
    with: &'static str,
    /// How often faults have an effect.
    effects: usize,
}

const TRIED: &[FaultTrial] = &[
    FaultTrial {
        name: "a_task_is_killed",
        without: "(\"dropped\", 10, \"7\")",
        faults: &["at 3500000000\twaits\ttask\tkill"],
        with: "(\"dropped\", 3, \"cancelled\")",
        effects: 1,
    },
    FaultTrial {
        name: "a_task_of_several_threads_is_killed",
        without: "(\"dropped\", 10, \"7\")",
        faults: &["at 3500000000\twai*\tawait\tkill"],
        with: "(\"dropped\", 3, \"cancelled\")",
        effects: 1,
    },
    FaultTrial {
        name: "a_task_of_a_local_set_is_killed",
        without: "(10, \"10\")",
        faults: &["at 3500000000\tlocal\ttask\tkill"],
        with: "(3, \"cancelled\")",
        effects: 1,
    },
    FaultTrial {
        name: "a_task_panics",
        without: "(true, true, \"7\")",
        faults: &["at 500000000\tcounts\tcallback 2\tpanic"],
        with: "(true, false, \"panicked\")",
        effects: 1,
    },
    FaultTrial {
        name: "a_task_does_not_run_for_a_time",
        without: "(\"0\", \"0\")",
        faults: &["step 1\tpasses\ttask\tdelay\t5000000000"],
        with: "(\"5\", \"0\")",
        effects: 1,
    },
    FaultTrial {
        name: "a_task_does_not_run_for_a_time",
        without: "(\"0\", \"0\")",
        faults: &["step 1\tpasses\ttask\tslow\t1000000000\t60000000000"],
        with: "(\"3\", \"0\")",
        effects: 1,
    },
    FaultTrial {
        name: "nothing_runs_for_a_time",
        without: "[0, 1, 2, 3, 4]",
        faults: &["at 1500000000\t\trun\tpause\t3500000000"],
        with: "[0, 1, 3, 3, 4]",
        effects: 1,
    },
    FaultTrial {
        name: "timers_fire_late",
        without: "false",
        faults: &["step 1\t\trun\tlate\t50000000\t60000000000"],
        with: "true",
        effects: 1,
    },
    FaultTrial {
        name: "timers_fire_together",
        without: "(0, 0)",
        faults: &["step 1\t\trun\tcoalesce\t1000000000\t60000000000"],
        with: "(1, 2)",
        effects: 1,
    },
    FaultTrial {
        name: "the_wall_clock_is_wrong",
        without: "[(1, 1), (2, 2), (3, 3)]",
        faults: &["at 1500000000\t\trun\tclock step\t-60000000000\t2500000000"],
        with: "[(1, 1), (2, -57), (3, 3)]",
        effects: 1,
    },
    FaultTrial {
        name: "a_file_is_written_and_read",
        without: "([None, None, None, None], \"some words\")",
        faults: &["step 1\t\trequest\tdisk\t-\t=writes\terror\t100%\t-"],
        with: "([None, Some(5), None, None], \"\")",
        effects: 1,
    },
    FaultTrial {
        name: "a_file_is_written_and_read",
        without: "([None, None, None, None], \"some words\")",
        faults: &[
            "step 1\t\trequest\tdisk\t-\t-\tfull\t100%\t-",
            "step 1\t\trequest\tdisk\t-\t=syncs\terror\t100%\t-",
            "step 1\t\trequest\tdisk\t-\t=reads\terror\t100%\t-",
        ],
        with: "([None, Some(28), Some(5), Some(5)], \"\")",
        effects: 3,
    },
    FaultTrial {
        name: "a_file_is_written_and_read",
        without: "([None, None, None, None], \"some words\")",
        faults: &["step 1\t\trequest\tdisk\t=another\t=writes\terror\t100%\t-"],
        with: "([None, None, None, None], \"some words\")",
        effects: 0,
    },
    FaultTrial {
        name: "what_is_read_is_a_part",
        without: "(false, false, true)",
        faults: &[
            "step 1\t\trequest\tdisk\t-\t=writes\tshort\t100%\t-",
            "step 1\t\trequest\tdisk\t-\t=reads\tshort\t100%\t-",
        ],
        with: "(true, true, true)",
        effects: 2,
    },
    FaultTrial {
        name: "what_is_read_is_a_part",
        without: "(false, false, true)",
        faults: &["step 1\t\trequest\tdisk\t-\t=reads\tcorrupt\t100%\t-"],
        with: "(false, false, false)",
        effects: 1,
    },
    FaultTrial {
        name: "a_connection_is_used",
        without: "(true, true)",
        faults: &["at 900000000\t\tpacket\tpackets\t=* - *\treset\t-\t100%\t-"],
        with: "(false, false)",
        effects: 1,
    },
    FaultTrial {
        name: "a_connection_has_an_end",
        without: "((\"onetwo\", 1), \"answer\", 1, None)",
        faults: &["at 900000000\t\tpacket\tpackets\t-\tlate\t2000000000\t100%\t-"],
        with: "((\"onetwo\", 3), \"answer\", 5, None)",
        effects: 1,
    },
    FaultTrial {
        name: "a_connection_has_an_end",
        without: "((\"onetwo\", 1), \"answer\", 1, None)",
        faults: &["at 900000000\t\tpacket\tpackets\t=* - *\tcut\t-\t100%\t4000000000"],
        with: "((\"onetwo\", 4), \"answer\", 4, Some(Some(113)))",
        effects: 1,
    },
    FaultTrial {
        name: "a_connection_has_an_end",
        without: "((\"onetwo\", 1), \"answer\", 1, None)",
        faults: &[
            "at 900000000\t\tpacket\tpackets\t=* - *\tcut\t-\t100%\t-",
            "at 7000000000\t\trun\theal\t-",
        ],
        with: "((\"onetwo\", 7), \"answer\", 7, Some(Some(113)))",
        effects: 2,
    },
    FaultTrial {
        name: "datagrams_are_received_in_their_order",
        without: "(true, true)",
        faults: &["step 1\t\tpacket\tpackets\t-\tovertaken\t-\t50%\t-"],
        with: "(true, false)",
        effects: 1,
    },
    FaultTrial {
        name: "datagrams_are_sent",
        without: "\"all\"",
        faults: &["step 1\t\tpacket\tpackets\t-\tlost\t-\t50%\t-"],
        with: "\"some\"",
        effects: 1,
    },
    FaultTrial {
        name: "datagrams_are_sent",
        without: "\"all\"",
        faults: &["step 1\t\tpacket\tpackets\t-\ttwice\t-\t50%\t-"],
        with: "\"more\"",
        effects: 1,
    },
    FaultTrial {
        name: "what_lasts_ends",
        without: "\"0\"",
        faults: &[
            "step 1\tpasses\ttask\tdelay\t50000000000",
            "at 2000000000\t\trun\theal\t-",
        ],
        with: "\"2\"",
        effects: 2,
    },
];

/// Try all of them. Gives how many runs there were.
pub(super) fn try_all(executable: &Path, folder: &Path) -> Result<u32> {
    let program = Program {
        executable,
        backtrace: "0",
        faults: Vec::new(),
    };
    let mut runs = 0;
    for tried in TRIED {
        let name = format!("faults::{}", tried.name);
        let problem = |problem| format!("{name} with {:?}: {problem}", tried.faults);
        for (seed, strategy) in (0..).zip(STRATEGIES) {
            let effects = shows(&program, folder, &name, seed, strategy, tried.without);
            if effects.map_err(problem)? != 0 {
                return Err(problem("there are faults without any".to_owned()));
            }
            let faults = tried.faults.iter().map(|line| PlannedFault::of_line(line));
            let with = Program {
                faults: faults.collect::<Option<_>>().ok_or("a line is wrong")?,
                ..program
            };
            let effects = shows(&with, folder, &name, seed, strategy, tried.with);
            let effects = effects.map_err(problem)?;
            if effects != tried.effects {
                return Err(problem(format!("they had {effects} effects")));
            }
            runs += 3;
        }
    }
    Ok(runs)
}

/// Run a program twice, which has to show this. Gives how many effects of faults it has recorded.
fn shows(
    program: &Program<'_>,
    folder: &Path,
    name: &str,
    seed: u64,
    strategy: &str,
    expected: &str,
) -> Result<usize> {
    let (first, events) = program.run(folder, name, seed, strategy)?;
    let (_, again) = program.run(folder, name, seed, strategy)?;
    if events != again {
        return Err(format!("two runs of seed {seed} differ"));
    }
    let printed = text(&first);
    let shown = printed.lines().find_map(|line| line.split_once("shows "));
    let shown = shown.map(|(_, what)| what);
    if shown != Some(expected) {
        return Err(format!(
            "seed {seed} shows {shown:?} instead of {expected:?}:\n{printed}"
        ));
    }
    let is_fault = |event: &&Event| matches!(event, Event::Fault { .. });
    Ok(events.iter().filter(is_fault).count())
}
