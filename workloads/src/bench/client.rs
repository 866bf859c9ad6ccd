//! A client of HTTP that costs little, since what it takes would be measured.
//!
//! Beside it hyper's client, which gives its connection a task of its own, made the median
//! of `GET /health` a quarter longer than `wrk` measures it. This one writes a request at
//! once, and reads until [`httparse`] has its answer.

use std::net::SocketAddr;
use std::time::Duration;

use retake_sim::net;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::wire::SIMULATED_ADDRESS;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Headers of an answer, at most.
const HEADERS_MAX: usize = 32;

/// How to connect.
#[derive(Clone, Copy, Debug)]
pub(super) enum Door {
    Simulated,
    Live(SocketAddr),
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Door {
    async fn open(self) -> std::io::Result<Box<dyn Io>> {
        Ok(match self {
            Self::Simulated => Box::new(net::TcpStream::connect(SIMULATED_ADDRESS).await?),
            Self::Live(address) => {
                let stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

/// A client with one connection, opened anew when it was closed.
pub(super) struct HttpClient {
    door: Door,
    connection: Option<Box<dyn Io>>,
    /// Taken again for each request.
    request: Vec<u8>,
}

/// What an answer's head says.
struct Head {
    status: u16,
    /// Bytes of the head itself.
    size: usize,
    body_size: usize,
    closes: bool,
}

impl HttpClient {
    pub(super) fn new(door: Door) -> Self {
        Self {
            door,
            connection: None,
            request: Vec::new(),
        }
    }

    /// The status and body of an answer.
    pub(super) async fn request(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<(u16, Vec<u8>), String> {
        let answer = retake::timeout(PATIENCE, self.ask(method, path, body)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<(u16, Vec<u8>), String> {
        let io = match &mut self.connection {
            Some(io) => io,
            none => {
                let io = self.door.open().await;
                none.insert(io.map_err(|error| format!("cannot connect: {error}"))?)
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
        let (head, body) = answer(io).await?;
        if head.closes {
            self.connection = None;
        }
        Ok((head.status, body))
    }
}

/// Read an answer.
async fn answer(io: &mut (impl AsyncRead + Unpin)) -> Result<(Head, Vec<u8>), String> {
    let mut bytes = Vec::with_capacity(1024);
    let mut more = async |bytes: &mut Vec<u8>| match io.read_buf(bytes).await {
        Ok(0) => Err("the connection was closed".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot read the answer: {error}")),
    };
    let head = loop {
        more(&mut bytes).await?;
        if let Some(head) = head(&bytes)? {
            break head;
        }
    };
    while bytes.len() < head.size + head.body_size {
        more(&mut bytes).await?;
    }
    let body = bytes.split_off(head.size);
    Ok((head, body))
}

/// The head of an answer, if all of it is there.
fn head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = answer.parse(bytes);
    let parsed = parsed.map_err(|error| format!("the answer is no HTTP: {error}"))?;
    let httparse::Status::Complete(size) = parsed else {
        return Ok(None);
    };
    let value = |name: &str| {
        let mut headers = answer.headers.iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let body_size = value("content-length").and_then(|size| size.parse().ok());
    Ok(Some(Head {
        status: answer.code.unwrap_or(0),
        size,
        // What the server sends always tells.
        body_size: body_size.ok_or("the answer does not tell its length")?,
        closes: value("connection").is_some_and(|it| it.eq_ignore_ascii_case("close")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str) -> Result<(Head, Vec<u8>), String> {
        answer(&mut text.as_bytes()).await
    }

    #[tokio::test]
    async fn answers_that_are_wrong_or_cut_off_are_errors() {
        for (text, what) in [
            ("", "was closed"),
            ("HTTP/1.1 200 OK\r\ncontent-le", "was closed"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
                "was closed",
            ),
            ("HTTP/1.1 200 OK\r\n\r\nab", "does not tell its length"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
                "does not tell its length",
            ),
            ("nonsense\r\n\r\n", "is no HTTP"),
        ] {
            let error = read(text).await.err();
            assert!(
                error.as_ref().is_some_and(|it| it.contains(what)),
                "{text}: {error:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_answer_has_its_status_and_body_however_it_comes() {
        let text = "HTTP/1.1 503 x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        let (mut writer, mut reader) = tokio::io::duplex(7);
        let write = writer.write_all(text.as_bytes());
        let (written, answered) = tokio::join!(write, answer(&mut reader));
        written.unwrap();
        let (head, body) = answered.unwrap();
        assert_eq!(
            (head.status, head.closes, &body[..]),
            (503, true, &b"hello"[..])
        );
        let (head, body) = read("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        assert!(body.is_empty() && !head.closes);
    }
}
