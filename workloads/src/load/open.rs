//! An open loop: requests arrive at a rate, whatever the answers.

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::{Answer, Client, LoadResult, exponential, seeds};

/// Poisson arrivals. Each request is a client of its own.
#[derive(Clone, Copy, Debug)]
pub struct OpenLoop {
    /// Mean number of arrivals in a second, above 0.
    pub arrivals_per_s: f64,
    /// No request arrives after this time.
    pub duration: Duration,
}

/// Begin a task at each of these times after now, whatever became of those before it.
/// Each gets its number and the time at which it was meant to begin: response times
/// count from that. Gives their results in the order of the times.
///
/// # Errors
/// If one of them panics.
pub async fn arrive<T, Fut>(
    times: &[Duration],
    mut begin: impl FnMut(usize, retake::Instant) -> Fut,
) -> Result<Vec<T>, String>
where
    T: Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let start = retake::now();
    let mut tasks = Vec::with_capacity(times.len());
    for (number, at) in times.iter().enumerate() {
        let intended = start + *at;
        retake::sleep_until(intended).await;
        tasks.push(retake::spawn_named("request", begin(number, intended)));
    }
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.map_err(|error| format!("request: {error}"))?);
    }
    Ok(results)
}

impl OpenLoop {
    /// Times of arrival.
    fn times(&self, mut rng: ChaCha8Rng) -> Vec<Duration> {
        let mean_gap = Duration::from_secs_f64(1.0 / self.arrivals_per_s);
        let mut at = Duration::ZERO;
        let next = || {
            at += exponential(mean_gap, &mut rng);
            (at < self.duration).then_some(at)
        };
        std::iter::from_fn(next).collect()
    }

    /// Run the load until every request has its answer. Latencies count from the
    /// time at which a request was meant to begin.
    pub async fn run<F, Fut>(self, request: F) -> LoadResult
    where
        F: Fn(Client) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = (Client, Answer)> + Send + 'static,
    {
        let start = retake::now();
        let mut seeds = seeds();
        let times = self.times(Client::new(0, &mut seeds).rng);
        let request = Arc::new(request);
        let answers = arrive(&times, |number, intended| {
            let client = Client::new(u32::try_from(number).unwrap_or(u32::MAX), &mut seeds);
            let request = Arc::clone(&request);
            async move {
                let (_, answer) = request(client).await;
                (intended.elapsed(), answer)
            }
        });
        let mut total = LoadResult::default();
        match answers.await {
            Ok(answers) => {
                for (latency, answer) in answers {
                    total.record(latency, answer);
                }
            }
            Err(error) => *total.failures.entry(error).or_default() += 1,
        }
        total.elapsed = start.elapsed();
        total
    }
}
