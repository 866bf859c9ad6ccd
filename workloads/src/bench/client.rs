//! A client of HTTP that costs little, since what it takes would be measured.
//!
//! In comparison, hyper's client, which gives its connection a task of its own, made the median
//! of `GET /health` a quarter longer than `wrk` measures it. This one writes a request at
//! once, and reads until there is its answer.

use std::net::SocketAddr;
use std::time::Duration;

use retake_sim::net;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

use crate::answers::{Answer, Answers};

/// Where a simulated server listens.
pub(super) const SIMULATED_ADDRESS: &str = "127.0.0.1:8080";

/// What a pipe holds in each direction: as much as a socket of Linux by default.
const PIPE_BYTES: usize = 64 << 10;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to connect.
#[derive(Clone, Debug)]
pub(super) enum Door {
    Simulated,
    /// To who receives the other end of a pipe within the process.
    Pipes(mpsc::UnboundedSender<DuplexStream>),
    Live(SocketAddr),
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Door {
    async fn open(&self) -> std::io::Result<Box<dyn Io>> {
        Ok(match self {
            Self::Simulated => Box::new(net::TcpStream::connect(SIMULATED_ADDRESS).await?),
            Self::Pipes(listener) => {
                let (mine, other) = tokio::io::duplex(PIPE_BYTES);
                let sent = listener.send(other);
                sent.map_err(|_| std::io::ErrorKind::ConnectionRefused)?;
                Box::new(mine)
            }
            Self::Live(address) => {
                let stream = tokio::net::TcpStream::connect(*address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

/// A client with one connection, opened again when it was closed.
pub(super) struct HttpClient {
    door: Door,
    connection: Option<(Box<dyn Io>, Answers)>,
    /// Taken again for each request.
    request: Vec<u8>,
}

impl HttpClient {
    pub(super) fn new(door: Door) -> Self {
        Self {
            door,
            connection: None,
            request: Vec::new(),
        }
    }

    /// Ask, and wait for the answer.
    pub(super) async fn request(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Answer, String> {
        let answer = retake::timeout(PATIENCE, self.ask(method, path, body)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    async fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Answer, String> {
        let (io, answers) = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let io = self.door.open().await;
                let io = io.map_err(|error| format!("cannot connect: {error}"))?;
                none.insert((io, Answers::default()))
            }
        };
        let length = body.len();
        self.request.clear();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: retake\r\ncontent-length: {length}\r\n\r\n");
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        let sent = io.write_all(&self.request).await;
        sent.map_err(|error| format!("cannot send: {error}"))?;
        let answer = answers.next(io).await?;
        if answer.closes {
            self.connection = None;
        }
        Ok(answer)
    }
}
