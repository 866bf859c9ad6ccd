//! A closed loop: a number of clients, each with one request at a time.

use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Client, LoadResult, exponential, seeds};

/// Clients that ask, wait for the answer, think, and ask again.
#[derive(Clone, Copy, Debug)]
pub struct ClosedLoop {
    /// How many clients.
    pub clients: u32,
    /// No request begins after this time.
    pub duration: Duration,
    /// Mean of the exponentially distributed pause between answer and next request.
    pub think_time: Duration,
}

impl ClosedLoop {
    /// Run the load until every client has its last answer.
    pub async fn run<F, Fut>(self, request: F) -> LoadResult
    where
        F: Fn(Client) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = (Client, Answer)> + Send + 'static,
    {
        let start = retake::now();
        let mut seeds = seeds();
        let request = Arc::new(request);
        let clients: Vec<_> = (0..self.clients)
            .map(|number| {
                let client = Client::new(number, &mut seeds);
                let request = Arc::clone(&request);
                retake::spawn_named(
                    &format!("client-{number}"),
                    self.client(client, request, start),
                )
            })
            .collect();
        let mut total = LoadResult::default();
        for client in clients {
            match client.await {
                Ok(result) => total.add(result),
                Err(error) => {
                    *total
                        .failures
                        .entry(format!("client: {error}"))
                        .or_default() += 1;
                }
            }
        }
        total
    }

    async fn client<F, Fut>(
        self,
        mut client: Client,
        request: Arc<F>,
        start: retake::Instant,
    ) -> LoadResult
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = (Client, Answer)>,
    {
        let end = start + self.duration;
        let mut result = LoadResult::default();
        loop {
            // Thinking first spreads the clients out.
            retake::sleep(exponential(self.think_time, &mut client.rng)).await;
            let begun = retake::now();
            if begun >= end {
                break;
            }
            let (back, answer) = request(client).await;
            client = back;
            result.record(begun.elapsed(), answer);
            result.elapsed = start.elapsed();
        }
        result
    }
}
