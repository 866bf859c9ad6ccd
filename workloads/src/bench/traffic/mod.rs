//! How much HTTP: clients that come and go, ask, wait and think.
//!
//! [`client`] is what one of them asks, [`load`] what all of them measured.

mod client;
mod load;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinHandle;

use self::client::{Client, ClientLog};
pub(super) use self::client::{Kind, Sample};
pub(super) use self::load::{Load, finish};
use super::client::{Door, HttpClient};
use super::context::{Context, SETTLE};
use super::measure::Measurement;
use super::wire::{Gauges, Server};

/// When a client begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    pub(super) from: Duration,
    pub(super) to: Duration,
}

/// A closed loop: each client has one request at a time.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) clients: Vec<Stay>,
    /// Mean of the exponentially distributed pause before each request.
    pub(super) think: Duration,
    /// Kinds with their weights.
    pub(super) mix: Vec<(Kind, u32)>,
    /// What begins before this time is not counted.
    pub(super) warm_up: Duration,
}

impl Traffic {
    /// So many clients for so long. The first tenth, at most a second, is warm-up.
    pub(super) fn steady(clients: u64, time: Duration, kind: Kind) -> Self {
        let stay = Stay {
            from: Duration::ZERO,
            to: time,
        };
        Self {
            clients: vec![stay; clients as usize],
            think: Duration::from_millis(10),
            mix: vec![(kind, 1)],
            warm_up: (time / 10).min(Duration::from_secs(1)),
        }
    }

    pub(super) fn think(self, think: Duration) -> Self {
        Self { think, ..self }
    }

    pub(super) fn mix(self, mix: &[(Kind, u32)]) -> Self {
        Self {
            mix: mix.to_vec(),
            ..self
        }
    }

    fn end(&self) -> Duration {
        self.clients
            .iter()
            .map(|stay| stay.to)
            .max()
            .unwrap_or_default()
    }

    /// Run it on a server of its own, and tell what every load tells.
    pub(super) async fn run_alone(
        &self,
        context: &Context,
        measured: &mut Measurement,
    ) -> Option<Load> {
        let server = match Server::start(context).await {
            Ok(server) => server,
            Err(error) => {
                measured.errors.push(error);
                return None;
            }
        };
        let load = self.run(context, &server).await;
        load.describe(context, measured);
        finish(server, &[&load], measured).await;
        Some(load)
    }

    /// Run it against this server; once a second its figures are read.
    pub(super) async fn run(&self, context: &Context, server: &Server) -> Load {
        let think = context.think.unwrap_or(self.think);
        let start = retake::now();
        let cpu_before = (server.cpu(), super::wire::cpu_time(std::process::id()));
        let mut seeds = ChaCha8Rng::seed_from_u64(retake::rng().next_u64());
        // Ids of messages differ between loads on one server.
        let load_number = seeds.next_u32();
        let mix = Arc::new(self.mix.clone());
        let clients: Vec<_> = self
            .clients
            .iter()
            .enumerate()
            .map(|(number, stay)| {
                let client = Client {
                    http: HttpClient::new(server.door()),
                    rng: ChaCha8Rng::seed_from_u64(seeds.next_u64()),
                    name: format!("{load_number:08x}-{number}"),
                    number: number as u32,
                    asked: 0,
                    mix: Arc::clone(&mix),
                    think,
                    lateness: context.lateness(),
                    large: None,
                };
                (client, *stay)
            })
            .collect();
        let clients = match server.door() {
            Door::Simulated | Door::Pipes(_) => Clients::Tasks(start_all(clients, start)),
            Door::Live(_) => Clients::on_a_thread(clients, start),
        };
        let mut gauges = Vec::new();
        let mut watcher = HttpClient::new(server.door());
        let end = self.end();
        let mut tick = Duration::ZERO;
        while tick <= end {
            retake::sleep_until(start + tick).await;
            gauges.push((tick, server.gauges(&mut watcher).await));
            tick += Duration::from_secs(1);
        }
        let mut samples = Vec::new();
        let mut errors = BTreeMap::new();
        for client in clients.all().await {
            match client {
                Ok((taken, failed)) => {
                    samples.extend(taken);
                    for (error, count) in failed {
                        *errors.entry(error).or_default() += count;
                    }
                }
                Err(error) => *errors.entry(format!("client: {error}")).or_default() += 1,
            }
        }
        samples.sort_by_key(|sample: &Sample| sample.at);
        let elapsed = start.elapsed();
        gauges.push((elapsed, server.gauges(&mut watcher).await));
        let cpu_after = (server.cpu(), super::wire::cpu_time(std::process::id()));
        let mut settled = Gauges::default();
        for _ in 0..SETTLE.0 {
            settled = server.gauges(&mut watcher).await;
            if settled.leased == 0.0 && settled.depth == 0.0 {
                break;
            }
            retake::sleep(SETTLE.1).await;
        }
        let used = |before: Option<Duration>, after: Option<Duration>| {
            Some(after?.saturating_sub(before?))
        };
        Load {
            samples,
            errors,
            gauges,
            settled,
            warm_up: self.warm_up,
            elapsed,
            server_cpu: used(cpu_before.0, cpu_after.0),
            client_cpu: used(cpu_before.1, cpu_after.1),
        }
    }
}

/// Clients at work.
enum Clients {
    Tasks(Vec<JoinHandle<ClientLog>>),
    Thread(JoinHandle<Vec<ClientEnd>>),
}

/// How a client ended.
type ClientEnd = Result<ClientLog, String>;

fn start_all(clients: Vec<(Client, Stay)>, start: retake::Instant) -> Vec<JoinHandle<ClientLog>> {
    let clients = clients.into_iter().map(|(client, stay)| {
        let name = format!("client-{}", client.number);
        retake::spawn_named(&name, client.run(stay, start))
    });
    clients.collect()
}

async fn wait_for(clients: Vec<JoinHandle<ClientLog>>) -> Vec<ClientEnd> {
    let mut ended = Vec::new();
    for client in clients {
        ended.push(client.await.map_err(|error| error.to_string()));
    }
    ended
}

impl Clients {
    /// Live clients share one thread, with a runtime of its own: on the benchmark's, whose
    /// threads wake one another, half of what is measured would be that.
    #[allow(clippy::disallowed_methods, reason = "live only")]
    fn on_a_thread(clients: Vec<(Client, Stay)>, start: retake::Instant) -> Self {
        Self::Thread(tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => {
                    runtime.block_on(async { wait_for(start_all(clients, start)).await })
                }
                Err(error) => vec![Err(error.to_string())],
            }
        }))
    }

    /// How all of them ended.
    async fn all(self) -> Vec<ClientEnd> {
        match self {
            Self::Tasks(tasks) => wait_for(tasks).await,
            Self::Thread(thread) => match thread.await {
                Ok(ended) => ended,
                Err(error) => vec![Err(error.to_string())],
            },
        }
    }
}
