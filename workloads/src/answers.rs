//! Answers of an HTTP server, as clients of it read them.

use retake_system::ledger::ReceiptId;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Headers of an answer, at most.
const HEADERS_MAX: usize = 32;

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// The server closes the connection behind it.
    pub(crate) closes: bool,
}

/// What a load counts of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gist {
    pub(crate) status: u16,
    pub(crate) receipt: Option<ReceiptId>,
    /// Turned away because there was too much to do.
    pub(crate) is_shed: bool,
}

impl Answer {
    pub(crate) fn gist(&self) -> Gist {
        let has = |word: &[u8]| self.body.windows(word.len()).any(|it| it == word);
        Gist {
            status: self.status,
            receipt: receipt(&self.body),
            is_shed: self.status == 503 && has(b"\"overloaded\""),
        }
    }
}

/// The receipt that an answer names. Reading the JSON would make the client slow.
fn receipt(body: &[u8]) -> Option<ReceiptId> {
    const KEY: &[u8] = b"\"receipt\":";
    let start = body.windows(KEY.len()).position(|it| it == KEY)? + KEY.len();
    let digits = body[start..].iter().take_while(|it| it.is_ascii_digit());
    let digits = &body[start..start + digits.count()];
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The answers that come on a connection, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// What has come, and belongs to no answer that was taken.
    bytes: Vec<u8>,
}

/// What an answer's head says.
struct Head {
    status: u16,
    /// Bytes of the head itself.
    size: usize,
    body_size: usize,
    closes: bool,
}

impl Answers {
    /// Read the next one.
    ///
    /// # Errors
    /// What was read instead.
    pub(crate) async fn next(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
    ) -> Result<Answer, String> {
        let bytes = &mut self.bytes;
        let mut more = async |bytes: &mut Vec<u8>| match io.read_buf(bytes).await {
            Ok(0) => Err("the connection was closed".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("cannot read the answer: {error}")),
        };
        let head = loop {
            // An answer may have come with the one before it.
            if let Some(head) = head(bytes)? {
                break head;
            }
            bytes.reserve(1024);
            more(bytes).await?;
        };
        let end = head.size.saturating_add(head.body_size);
        while bytes.len() < end {
            more(bytes).await?;
        }
        let body = bytes[head.size..end].to_vec();
        bytes.drain(..end);
        Ok(Answer {
            status: head.status,
            body,
            closes: head.closes,
        })
    }
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

    async fn read(text: &str) -> Result<Answer, String> {
        Answers::default().next(&mut text.as_bytes()).await
    }

    #[test]
    fn what_counts_of_an_answer_is_found_in_its_text() {
        let of = |status, body: &str| {
            let answer = Answer {
                status,
                body: body.into(),
                closes: false,
            };
            answer.gist()
        };
        let taken = of(200, r#"{"hash":"ab","receipt":17,"status":"accepted"}"#);
        assert_eq!((taken.receipt, taken.is_shed), (Some(17), false));
        for body in [r#"{"receipt":null}"#, "", r#"{"receipt":"#] {
            assert_eq!(of(200, body).receipt, None, "{body}");
        }
        assert!(of(503, r#"{"error":"overloaded"}"#).is_shed);
        assert!(!of(503, r#"{"error":"timeout"}"#).is_shed);
    }

    #[tokio::test]
    async fn answers_that_come_together_are_taken_one_by_one() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na\
                    HTTP/1.1 400 x\r\ncontent-length: 2\r\n\r\nbc";
        let (mut answers, mut io) = (Answers::default(), text.as_bytes());
        for expected in [(200, &b"a"[..]), (400, b"bc")] {
            let answer = answers.next(&mut io).await.unwrap();
            assert_eq!((answer.status, &answer.body[..]), expected);
        }
        assert!(answers.next(&mut io).await.is_err());
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
        use tokio::io::AsyncWriteExt as _;
        let (mut writer, mut reader) = tokio::io::duplex(7);
        let mut answers = Answers::default();
        let write = writer.write_all(text.as_bytes());
        let (written, answered) = tokio::join!(write, answers.next(&mut reader));
        written.unwrap();
        let answer = answered.unwrap();
        assert_eq!(
            (answer.status, answer.closes, &answer.body[..]),
            (503, true, &b"hello"[..])
        );
        let answer = read("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let answer = answer.unwrap();
        assert!(answer.body.is_empty() && !answer.closes);
    }
}
