//! `retake calibrate`: measure costs for simulated benchmarks, and check them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use retake_traces::file::{FileError, OutputFile};

use crate::bench::calibrate::{Prediction, hold_out, measure};
use crate::bench::machine::machine;
use crate::report::human_ns;
use retake_cli::Program;
use retake_cli::command::{Error, Interrupt, Status};

/// Measure what operations cost on this machine, for simulated benchmarks.
///
/// Then runs benchmarks on which nothing was measured, simulated and live, and
/// prints how far the queueing model is off.
#[derive(Debug, Parser)]
#[command(name = "calibrate")]
pub(crate) struct CalibrateArgs {
    /// Where the costs are written, for `retake bench --costs`.
    #[arg(short, long, value_name = "FILE", default_value = "costs.json")]
    output: PathBuf,
    /// Share of the full load of the benchmarks that are held out; 0 leaves the
    /// check out.
    #[arg(long, default_value_t = 0.2)]
    check_scale: f64,
}

/// The longest that a signal takes from one process of a group to the next.
const SIGNAL_TIME_MAX: Duration = Duration::from_millis(500);

pub(crate) fn calibrate(
    _: &Program,
    args: &CalibrateArgs,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    if !(0.0..=1.0).contains(&args.check_scale) {
        let what = "--check-scale: must be from 0 to 1".to_owned();
        return Err(Error::Usage(what));
    }
    let interrupt = Interrupt::listen();
    // Before the measuring, which takes its time.
    let mut file = OutputFile::create(&args.output)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // Syncs are measured where the file is written.
    let folder = args.output.parent().unwrap_or(Path::new("")).to_owned();
    let measuring = measure(machine(), folder.clone());
    let costs = runtime.block_on(async {
        let mut measuring = retake::spawn(measuring);
        let costs = tokio::select! {
            biased;
            () = interrupt.asked() => None,
            costs = &mut measuring => Some(costs),
        };
        match costs {
            None => {
                // Its server and its files go with it.
                measuring.abort();
                let _ = measuring.await;
                None
            }
            // Ctrl-C in a terminal is for the server as well, which may end before this
            // process knows of it: that is no failure to measure.
            Some(Ok(Err(error))) => {
                let asked = tokio::time::timeout(SIGNAL_TIME_MAX, interrupt.asked()).await;
                asked.is_err().then_some(Ok(Err(error)))
            }
            costs => costs,
        }
    });
    runtime.shutdown_background();
    let Some(costs) = costs else {
        writeln!(
            out,
            "interrupted while costs were measured: {} is as it was",
            args.output.display()
        )?;
        return Ok(Status::Interrupted);
    };
    let costs = costs.map_err(std::io::Error::other)?;
    let costs = costs.map_err(Error::Usage)?;
    let text = serde_json::to_string_pretty(&costs).map_err(std::io::Error::from)?;
    file.write_all((text + "\n").as_bytes())
        .map_err(FileError::of("write", &args.output))?;
    file.finish()?;
    writeln!(out, "costs on {}, in microseconds:", costs.machine)?;
    writeln!(out, "{:<10} {:>10} {:>10} {:>10}", "", "mean", "p50", "p99")?;
    for (name, cost) in costs.all() {
        let [mean, p50, p99] = cost.summary();
        writeln!(out, "{name:<10} {mean:>10.2} {p50:>10.2} {p99:>10.2}")?;
    }
    writeln!(out, "written to {}", args.output.display())?;
    if args.check_scale == 0.0 {
        return Ok(Status::Passed);
    }
    writeln!(
        out,
        "\nqueueing model against live runs on which nothing was calibrated:\n\
         {:<26} {:<6} {:>10} {:>10} {:>7}",
        "", "", "model", "live", "error"
    )?;
    out.flush()?;
    for prediction in hold_out(&costs, args.check_scale, &folder, &interrupt.flag()) {
        if interrupt.is_asked() {
            break;
        }
        let Prediction {
            id,
            predicted,
            live,
            ..
        } = prediction;
        for (name, which, predicted, live) in [
            (id, "p50", predicted.0, live.0),
            ("", "p99", predicted.1, live.1),
        ] {
            writeln!(
                out,
                "{name:<26} {which:<6} {:>10} {:>10} {:>+6.0}%",
                human_ns(predicted),
                human_ns(live),
                Prediction::error_percent(predicted, live)
            )?;
        }
    }
    if interrupt.is_asked() {
        writeln!(out, "interrupted: not all benchmarks were run")?;
        return Ok(Status::Interrupted);
    }
    Ok(Status::Passed)
}
