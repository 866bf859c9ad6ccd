//! The HTTP ingress answers as it says, on simulated sockets and on real ones.

mod bounds;
mod network;
mod orders;
mod serving;
mod signals;
mod strangers;

use retake_inspect::compare;
use retake_sim::Strategy;
use retake_sim::net::{self, TcpListener, TcpStream};
use retake_system::ingress::{Envelope, Order, Secret, ServeReport, Token};
use retake_system::ledger::{DiskFault, Durability, SimulatedDisk};
use retake_system::{Ingress, IngressConfig, invariants};
use retake_traces::record::Record;
use retake_traces::{MemorySink, Schedule};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::common::*;

/// A listener on the simulated network.
struct SimulatedListener(TcpListener);

impl axum::serve::Listener for SimulatedListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        self.0.accept().await.unwrap()
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

const ADDRESS: &str = "127.0.0.1:8080";
/// When simulations begin, in milliseconds of Unix time.
const START_MS: u64 = retake::SIMULATED_UNIX_START.as_millis() as u64;

struct Stage {
    system: System,
    ingress: Ingress,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<ServeReport>,
}

fn secret() -> Secret {
    Secret::new("of the test")
}

fn small() -> IngressConfig {
    IngressConfig {
        secret: Some(secret()),
        body_max: 1000,
        ..IngressConfig::default()
    }
}

async fn start(config: IngressConfig) -> Stage {
    start_system(config, SystemConfig::default()).await
}

/// A small ingress, and a client that is connected with it.
async fn served() -> (Stage, Client<TcpStream>) {
    (start(small()).await, connect().await)
}

async fn start_system(config: IngressConfig, system: SystemConfig) -> Stage {
    start_on(net::Network::new(), config, system).await
}

async fn start_on(network: net::Network, config: IngressConfig, system: SystemConfig) -> Stage {
    net::start(network);
    let action_time = ServiceTime::Fixed(WORK);
    let system = crate::common::start(SystemConfig {
        action_time,
        ..system
    });
    let system = system.await;
    let ingress = Ingress::new(&system, config);
    let listener = SimulatedListener(TcpListener::bind("0.0.0.0:8080").await.unwrap());
    let (stop, serving) = serve(&ingress, listener);
    Stage {
        system,
        ingress,
        stop,
        serving,
    }
}

type Serving = (
    tokio::sync::oneshot::Sender<()>,
    tokio::task::JoinHandle<ServeReport>,
);

/// Serves until it is asked to stop.
fn serve<L>(ingress: &Ingress, listener: L) -> Serving
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let ingress = ingress.clone();
    let serving = retake::spawn(async move {
        let stopped = async { drop(stopped.await) };
        ingress.serve(listener, stopped).await
    });
    (stop, serving)
}

/// A client that writes what it is given, byte for byte.
struct Client<Io>(Io, Vec<u8>);

async fn connect() -> Client<TcpStream> {
    Client(TcpStream::connect(ADDRESS).await.unwrap(), Vec::new())
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: retake\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: retake\r\n\r\n")
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Client<Io> {
    async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have closed.
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// The status and body of the next answer; none when the server closed.
    async fn read(&mut self) -> Option<(u16, String)> {
        loop {
            if let Some(end) = self.1.windows(4).position(|it| it == b"\r\n\r\n") {
                let head = String::from_utf8(self.1[..end].to_vec()).unwrap();
                let status = head.split(' ').nth(1)?.parse().unwrap();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse().unwrap());
                if self.1.len() >= end + 4 + length {
                    let rest = self.1.split_off(end + 4 + length);
                    let body = String::from_utf8(self.1[end + 4..].to_vec()).unwrap();
                    self.1 = rest;
                    return Some((status, body));
                }
            }
            let mut bytes = [0; 4096];
            match self.0.read(&mut bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.1.extend(&bytes[..count]),
            }
        }
    }

    async fn ask(&mut self, request: impl AsRef<[u8]>) -> (u16, Value) {
        self.write(request).await;
        let (status, body) = self.read().await.expect("an answer");
        (status, serde_json::from_str(&body).unwrap_or_default())
    }
}

fn push(tenant: &str, id: &str, value: f64) -> String {
    let signal = signal(tenant, value);
    post("/pubsub", &Envelope::to_json(&signal, id, 1))
}

/// An order of the millisecond of this number in a simulation.
fn order(tenant: &str, action: &str, number: u64) -> String {
    order_of("e", tenant, action, START_MS + number)
}

fn order_of(entitlement: &str, tenant: &str, action: &str, timestamp: u64) -> String {
    let order = Order {
        entitlement_id: entitlement.to_owned(),
        tenant_id: tenant.to_owned(),
        action: action.to_owned(),
        timestamp,
        signature: String::new(),
    };
    let order = order.sign(&secret());
    post("/marketplace", &serde_json::to_string(&order).unwrap())
}

fn simulate<F, Fut>(scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    under_seeds(5, scenario);
}

/// On a real socket.
async fn serve_live(ingress: &Ingress) -> (SocketAddr, Serving) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, serve(ingress, listener))
}
