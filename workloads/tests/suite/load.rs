//! The load generators against queues whose behaviour is known.

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use rand_distr::{Distribution, Exp1};
use retake_sim::Sim;
use retake_workloads::load::{Answer, Client, ClosedLoop, LatencySummary, LoadResult, OpenLoop};

/// Serves one request at a time, each for an exponentially distributed time.
struct Server;

#[retake::simulated]
impl Actor for Server {
    type Msg = RpcReplyPort<()>;
    type State = Duration;
    type Arguments = Duration;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        mean: Duration,
    ) -> Result<Duration, ActorProcessingErr> {
        Ok(mean)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        reply: Self::Msg,
        mean: &mut Duration,
    ) -> Result<(), ActorProcessingErr> {
        let factor: f64 = Exp1.sample(&mut retake::rng());
        retake::sleep(mean.mul_f64(factor)).await;
        Ok(reply.send(())?)
    }
}

async fn ask(server: ActorRef<RpcReplyPort<()>>, client: Client) -> (Client, Answer) {
    let answer = ractor::call!(server, |reply| reply);
    (
        client,
        answer.map(|()| "served").map_err(|error| error.to_string()),
    )
}

/// A simulation in which a load is given to a server of this mean service time.
fn on_server<F: Future<Output = LoadResult> + Send>(
    service_ms: u64,
    load: impl Fn(ActorRef<RpcReplyPort<()>>) -> F + Copy + Send + Sync + 'static,
) -> LoadResult {
    let run = Sim::new().seed(1).run(move || async move {
        let mean = Duration::from_millis(service_ms);
        let (server, _) = Actor::spawn(None, Server, mean).await.unwrap();
        load(server).await
    });
    run.expect_passed()
}

fn mean_ms(summary: &LatencySummary) -> f64 {
    summary.mean_ns as f64 / 1e6
}

#[track_caller]
fn assert_close(found: f64, expected: f64, percent: f64) {
    let is_close = (found - expected).abs() <= expected * percent / 100.0;
    assert!(is_close, "{found} instead of {expected}");
}

#[test]
fn an_open_loop_on_one_server_has_the_response_time_of_an_m_m_1_queue() {
    let result = on_server(10, async |server| {
        let load = OpenLoop {
            arrivals_per_s: 50.0,
            duration: Duration::from_secs(300),
        };
        load.run(move |client| ask(server.clone(), client)).await
    });
    assert_close(result.requests() as f64, 15_000.0, 3.0);
    // 1 / (service rate - arrival rate)
    let expected_ms = 1000.0 / (100.0 - 50.0);
    let summary = result.latencies.summary();
    assert_close(mean_ms(&summary), expected_ms, 7.0);
    // The response time of this queue is exponentially distributed.
    let (p50_ms, p99_ms) = (summary.p50_ns as f64 / 1e6, summary.p99_ns as f64 / 1e6);
    assert_close(p50_ms, expected_ms * 2.0_f64.ln(), 7.0);
    assert_close(p99_ms, expected_ms * 100.0_f64.ln(), 15.0);
}

#[test]
fn a_closed_loop_obeys_the_law_of_response_time() {
    let result = on_server(20, async |server| {
        let load = ClosedLoop {
            clients: 20,
            duration: Duration::from_secs(300),
            think_time: Duration::from_millis(500),
        };
        load.run(move |client| ask(server.clone(), client)).await
    });
    let throughput = result.requests() as f64 / result.elapsed.as_secs_f64();
    let response_s = mean_ms(&result.latencies.summary()) / 1e3;
    // clients = throughput x (response time + think time)
    assert_close(throughput * (response_s + 0.5), 20.0, 2.0);
}

#[test]
fn an_open_loop_shows_the_waiting_behind_a_stall() {
    /// Stalls for a second in the middle.
    async fn stalling(at: retake::Instant, client: Client) -> (Client, Answer) {
        let into = at.elapsed();
        if (Duration::from_secs(5)..Duration::from_secs(6)).contains(&into) {
            retake::sleep(Duration::from_secs(6) - into).await;
        }
        (client, Ok("served"))
    }
    let run = Sim::new().seed(1).run(|| async {
        let start = retake::now();
        let load = OpenLoop {
            arrivals_per_s: 100.0,
            duration: Duration::from_secs(10),
        };
        load.run(move |client| stalling(start, client)).await
    });
    let summary = run.expect_passed().latencies.summary();
    // One in ten arrivals meets the stall, half a second of it on average.
    assert!(
        summary.p50_ns < 1_000 && summary.p99_ns > 800_000_000,
        "{summary:?}"
    );
}

#[test]
fn failures_are_counted_by_reason_and_clients_draw_their_own_numbers() {
    let run = Sim::new().seed(1).run(|| async {
        let load = ClosedLoop {
            clients: 4,
            duration: Duration::from_secs(1),
            think_time: Duration::from_millis(10),
        };
        load.run(|client| async move {
            let answer = if client.number == 0 {
                Err("no".to_owned())
            } else {
                Ok("yes")
            };
            (client, answer)
        })
        .await
    });
    let result = run.expect_passed();
    assert_eq!(result.failures.keys().collect::<Vec<_>>(), ["no"]);
    assert_eq!(
        result.requests(),
        result.successes() + result.failures["no"]
    );
    assert!(result.successes() > 200, "{}", result.successes());
}
