//! The system behind HTTP: simulated, or as a process of its own.

use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use retake_sim::net;
use retake_system::ingress::{Ingress, IngressConfig, Secret, ServeReport};
use retake_system::ledger::{Durability, SimulatedDisk};
use retake_system::stages::Stage;
use retake_system::{ServiceTime, Store, System, SystemConfig};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::client::{Door, HttpClient, SIMULATED_ADDRESS};
use super::context::{Context, Mode};

/// The time of an action's work behind HTTP.
const ACTION_MEAN: Duration = Duration::from_millis(3);
/// Tenants behind HTTP.
pub(super) const TENANTS: u32 = 20;

pub(super) fn tenant(number: u32) -> String {
    format!("tenant-{}", number % TENANTS)
}

/// The secret of a benchmark's orders.
pub(super) fn secret() -> Secret {
    Secret::new("a secret of the benchmarks")
}

/// A running server.
pub(super) enum Server {
    /// In this process, on simulated sockets or pipes.
    Within {
        door: Door,
        system: System,
        ingress: Ingress,
        disk: SimulatedDisk,
        stop: tokio::sync::oneshot::Sender<()>,
        serving: JoinHandle<ServeReport>,
    },
    /// A process of its own.
    Live {
        process: Process,
        address: SocketAddr,
        /// The ledger's folder, which goes with it.
        data: tempfile::TempDir,
    },
}

/// A server's process. Killed when it is dropped.
pub(super) struct Process {
    child: Child,
    /// Kept open, for its last words.
    stdout: Option<std::io::BufReader<ChildStdout>>,
}

impl Process {
    /// Tell it to stop, and wait until it has.
    async fn stop(&mut self) -> Result<(), String> {
        // Longer than it gives its connections.
        const PATIENCE: (u32, Duration) = (300, Duration::from_millis(100));
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        told.map_err(|error| format!("the server did not take the order to stop: {error}"))?;
        for _ in 0..PATIENCE.0 {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("the server has crashed: {status}")),
                Ok(None) => retake::sleep(PATIENCE.1).await,
                Err(error) => return Err(format!("the server is lost: {error}")),
            }
        }
        Err("the server does not stop".to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A listener on simulated sockets.
pub(crate) struct SimulatedListener(pub(crate) net::TcpListener);

impl axum::serve::Listener for SimulatedListener {
    type Io = net::TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (net::TcpStream, SocketAddr) {
        loop {
            if let Ok(accepted) = self.0.accept().await {
                return accepted;
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Takes the ends of pipes that clients have made.
struct PipeListener(mpsc::UnboundedReceiver<DuplexStream>);

impl axum::serve::Listener for PipeListener {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Server {
    pub(super) async fn start(context: &Context) -> Result<Self, String> {
        match context.mode {
            Mode::Sim => {
                net::start(net::Network::new());
                let listener = net::TcpListener::bind(SIMULATED_ADDRESS).await;
                let listener = listener.map_err(|error| format!("cannot listen: {error}"))?;
                Self::start_within(context, Door::Simulated, SimulatedListener(listener)).await
            }
            Mode::Program => {
                let (connect, accept) = mpsc::unbounded_channel();
                Self::start_within(context, Door::Pipes(connect), PipeListener(accept)).await
            }
            Mode::Live => Self::start_live(context),
        }
    }

    async fn start_within(
        context: &Context,
        door: Door,
        listener: impl axum::serve::Listener,
    ) -> Result<Self, String> {
        let disk = SimulatedDisk::new().sync_time(context.commit_time());
        let config = SystemConfig {
            durability: Durability::GroupCommit {
                disk: Arc::new(disk.clone()),
                delay: context.commit_delay(),
                batch: 100,
            },
            ..context.system(context.slept(ServiceTime::Exponential(ACTION_MEAN)))
        };
        let system = context.start(config, (0..TENANTS).map(tenant)).await?;
        let ingress = Ingress::new(
            &system,
            IngressConfig {
                secret: Some(secret()),
                request_time: context.request_time(),
                ..IngressConfig::default()
            },
        );
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = {
            let ingress = ingress.clone();
            retake::spawn_named("server", async move {
                let stopped = async { drop(stopped.await) };
                ingress.serve(listener, stopped).await
            })
        };
        Ok(Self::Within {
            door,
            system,
            ingress,
            disk,
            stop,
            serving,
        })
    }

    fn start_live(context: &Context) -> Result<Self, String> {
        use std::io::BufRead as _;
        let cannot = |error: std::io::Error| format!("the server cannot be started: {error}");
        let data = context.scratch()?;
        let secret_file = data.path().join("secret");
        std::fs::write(&secret_file, "a secret of the benchmarks").map_err(cannot)?;
        let program = std::env::current_exe().map_err(cannot)?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--addr", "127.0.0.1:0", "--log-level", "error"])
            .args(["--action-ms", &ACTION_MEAN.as_millis().to_string()])
            .arg("--secret")
            .arg(&secret_file)
            .arg("--data")
            .arg(data.path().join("ledger"));
        for planned in &context.failures {
            command.args(["--fail", &planned.to_string()]);
        }
        for number in 0..TENANTS {
            command.args(["--entitle", &tenant(number)]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(cannot)?;
        let stdout = child.stdout.take();
        let mut process = Process {
            child,
            stdout: stdout.map(std::io::BufReader::new),
        };
        let mut line = String::new();
        if let Some(stdout) = &mut process.stdout {
            stdout.read_line(&mut line).map_err(cannot)?;
        }
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(',').next())
            .and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| format!("the server says: {line}"))?;
        Ok(Self::Live {
            process,
            address,
            data,
        })
    }

    /// A way to open connections.
    pub(super) fn door(&self) -> Door {
        match self {
            Self::Within { door, .. } => door.clone(),
            Self::Live { address, .. } => Door::Live(*address),
        }
    }

    /// The server's own figures.
    pub(super) async fn gauges(&self, client: &mut HttpClient) -> Gauges {
        match self {
            Self::Within {
                system,
                ingress,
                disk,
                ..
            } => {
                let status = system.pool().status().await.ok();
                Gauges {
                    depth: ingress.depth().0 as f64,
                    depth_max: ingress.depth().1 as f64,
                    leased: status.map_or(0.0, |status| status.leased as f64),
                    waiting: status.map_or(0.0, |status| status.waiting as f64),
                    memory: retake_sim::memory::live_bytes() as f64,
                    stages: Stage::ALL.map(|stage| system.stages().total(stage).as_secs_f64()),
                    receipt_bytes: (system.store().bytes() + disk.memory()) as f64,
                    cpu: 0.0,
                }
            }
            Self::Live { process, .. } => {
                let text = match client.request("GET", "/metrics", b"").await {
                    Ok(answer) if answer.status == 200 => {
                        String::from_utf8_lossy(&answer.body).into_owned()
                    }
                    _ => String::new(),
                };
                let gauge = |name: &str| {
                    let line = text.lines().find_map(|line| line.strip_prefix(name));
                    line.and_then(|value| value.trim().parse().ok())
                        .unwrap_or(0.0)
                };
                Gauges {
                    depth: gauge("retake_requests_in_flight "),
                    depth_max: gauge("retake_requests_in_flight_max "),
                    leased: gauge("retake_pool_leased "),
                    waiting: gauge("retake_pool_waiting "),
                    memory: resident_bytes(process.child.id()),
                    stages: Stage::ALL.map(|stage| {
                        gauge(&format!(
                            "retake_stage_seconds{{stage=\"{}\"}} ",
                            stage.word()
                        ))
                    }),
                    receipt_bytes: gauge("retake_receipts_bytes "),
                    cpu: self.cpu().unwrap_or_default().as_secs_f64(),
                }
            }
        }
    }

    /// Processor time that the server has used, where it is a process of its own.
    pub(super) fn cpu(&self) -> Option<Duration> {
        match self {
            Self::Within { .. } => None,
            Self::Live { process, .. } => cpu_time(process.child.id()),
        }
    }

    /// Stop, and give the receipts: of a live server those that its file holds then.
    pub(super) async fn stop(self) -> Result<Store, String> {
        match self {
            Self::Within {
                system,
                stop,
                serving,
                ..
            } => {
                let store = system.store().clone();
                let _ = stop.send(());
                let _ = serving.await;
                system.stop().await;
                Ok(store)
            }
            Self::Live {
                mut process, data, ..
            } => {
                process.stop().await?;
                let file = data.path().join("ledger/ledger.log");
                let store = crate::recover::receipts(&file).await?;
                store.ok_or_else(|| "the server has left no ledger".to_owned())
            }
        }
    }
}

/// A server's figures at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauges {
    pub(super) depth: f64,
    pub(super) depth_max: f64,
    pub(super) leased: f64,
    pub(super) waiting: f64,
    pub(super) memory: f64,
    /// Seconds spent in each stage since the server's start.
    pub(super) stages: [f64; Stage::ALL.len()],
    /// What they take in memory, roughly; that of a simulated disk as well.
    pub(super) receipt_bytes: f64,
    /// Seconds of processor time, where the server is a process.
    pub(super) cpu: f64,
}

/// Resident size of a process, in bytes.
fn resident_bytes(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1024.0
}

/// Processor time of a process, where the system tells (Linux).
pub(super) fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have spaces.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // Linux counts them in hundredths of a second for programs.
    Some(Duration::from_millis(10 * ticks))
}
