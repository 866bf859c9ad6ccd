//! What these tests share.

pub(crate) use crate::broken::{Broken, break_service};
pub(crate) use crate::files::SimulatedFile;
pub(crate) use retake::ServiceFailure;
pub(crate) use retake_inspect::compare;
pub(crate) use retake_sim::net::{self, TcpListener, TcpStream};
pub(crate) use retake_sim::{Fault, Sim, Strategy, fs};
pub(crate) use retake_system::ingress::{Envelope, Order, Secret, Served, Token};
pub(crate) use retake_system::ledger::{
    DiskFault, Durability, FileDisk, ReceiptKind, SimulatedDisk,
};
pub(crate) use retake_system::{
    Ingress, IngressConfig, Service, ServiceTime, Signal, System, SystemConfig, invariants,
};
pub(crate) use retake_traces::record::Record;
pub(crate) use retake_traces::{MemorySink, Schedule};
pub(crate) use serde_json::Value;
pub(crate) use std::net::SocketAddr;
pub(crate) use std::sync::Arc;
pub(crate) use std::time::Duration;
pub(crate) use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A listener on the simulated network.
pub(crate) struct SimulatedListener(pub(crate) TcpListener);

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

pub(crate) const ADDRESS: &str = "127.0.0.1:8080";
/// When simulations begin, in milliseconds of Unix time.
pub(crate) const START_MS: u64 = retake::SIMULATED_UNIX_START.as_millis() as u64;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct Stage {
    pub(crate) system: System,
    pub(crate) ingress: Ingress,
    pub(crate) stop: tokio::sync::oneshot::Sender<()>,
    pub(crate) serving: tokio::task::JoinHandle<Served>,
}

pub(crate) fn secret() -> Secret {
    Secret::new("of the test")
}

pub(crate) fn small() -> IngressConfig {
    IngressConfig {
        secret: Some(secret()),
        body_max: 1000,
        ..IngressConfig::default()
    }
}

pub(crate) async fn start(config: IngressConfig) -> Stage {
    start_system(config, SystemConfig::default()).await
}

pub(crate) async fn start_system(config: IngressConfig, system: SystemConfig) -> Stage {
    start_on(net::Network::new(), config, system).await
}

pub(crate) async fn start_on(
    network: net::Network,
    config: IngressConfig,
    system: SystemConfig,
) -> Stage {
    net::start(network);
    let system = System::start(SystemConfig {
        action_time: ServiceTime::Fixed(Duration::from_millis(20)),
        ..system
    });
    let system = system.await.unwrap();
    system.entitle("acme", true).await.unwrap();
    let ingress = Ingress::new(&system, config);
    let listener = SimulatedListener(TcpListener::bind("0.0.0.0:8080").await.unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let serving = {
        let ingress = ingress.clone();
        retake::spawn(async move {
            let stopped = async { drop(stopped.await) };
            ingress.serve(listener, stopped).await
        })
    };
    Stage {
        system,
        ingress,
        stop,
        serving,
    }
}

/// A client that writes what it is given, byte for byte.
pub(crate) struct Client<Io>(pub(crate) Io, pub(crate) Vec<u8>);

pub(crate) async fn connect() -> Client<TcpStream> {
    Client(TcpStream::connect(ADDRESS).await.unwrap(), Vec::new())
}

pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: retake\r\ncontent-length: {length}\r\n\r\n{body}")
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: retake\r\n\r\n")
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Client<Io> {
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have closed.
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// The status and body of the next answer; none when the server closed.
    pub(crate) async fn read(&mut self) -> Option<(u16, String)> {
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

    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> (u16, Value) {
        self.write(request).await;
        let (status, body) = self.read().await.expect("an answer");
        (status, serde_json::from_str(&body).unwrap_or_default())
    }
}

pub(crate) fn push(tenant: &str, id: &str, value: f64) -> String {
    let signal = Signal {
        tenant: tenant.to_owned(),
        metric: "cpu".to_owned(),
        value,
        ..Signal::default()
    };
    post("/pubsub", &Envelope::to_json(&signal, id, 1))
}

/// An order of the millisecond of this number in a simulation.
pub(crate) fn order(tenant: &str, action: &str, number: u64) -> String {
    order_of("e", tenant, action, START_MS + number)
}

pub(crate) fn order_of(entitlement: &str, tenant: &str, action: &str, timestamp: u64) -> String {
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

pub(crate) fn simulate<F, Fut>(scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    for seed in 0..5 {
        let scenario = scenario.clone();
        Sim::new().seed(seed).run(scenario).expect_passed();
    }
}
