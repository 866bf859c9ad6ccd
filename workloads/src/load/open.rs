//! An open loop: requests arrive at a rate, whatever the answers.

use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Client, LoadResult, exponential, seeds};

/// Poisson arrivals. Each request is a client of its own.
#[derive(Clone, Copy, Debug)]
pub struct OpenLoop {
    /// Mean number of arrivals in a second, above 0.
    pub arrivals_per_s: f64,
    /// No request arrives after this time.
    pub duration: Duration,
}

impl OpenLoop {
    /// Run the load until every request has its answer. Latencies count from the
    /// time at which a request was meant to begin.
    pub async fn run<F, Fut>(self, request: F) -> LoadResult
    where
        F: Fn(Client) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = (Client, Answer)> + Send + 'static,
    {
        let start = retake::now();
        let end = start + self.duration;
        let mean_gap = Duration::from_secs_f64(1.0 / self.arrivals_per_s);
        let mut seeds = seeds();
        let mut arrivals = Client::new(0, &mut seeds).rng;
        let request = Arc::new(request);
        let mut requests = Vec::new();
        let mut intended = start;
        for number in 0.. {
            intended = intended + exponential(mean_gap, &mut arrivals);
            if intended >= end {
                break;
            }
            retake::sleep_until(intended).await;
            let client = Client::new(number, &mut seeds);
            let request = Arc::clone(&request);
            requests.push(retake::spawn_named("request", async move {
                let (_, answer) = request(client).await;
                (intended.elapsed(), answer)
            }));
        }
        let mut total = LoadResult::default();
        for request in requests {
            match request.await {
                Ok((latency, answer)) => total.record(latency, answer),
                Err(error) => {
                    *total
                        .failures
                        .entry(format!("request: {error}"))
                        .or_default() += 1;
                }
            }
        }
        total.elapsed = start.elapsed();
        total
    }
}
