//! A page on this machine's own address.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;

/// A request must have come within this time.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted, for want of open files for example.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Serve `page` until `stop` is ready.
pub(crate) async fn serve(listener: TcpListener, page: Vec<u8>, stop: impl Future<Output = ()>) {
    let page = Bytes::from(page);
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let page = page.clone();
        let respond =
            service_fn(move |request| ready(Ok::<_, Infallible>(response(&request, page.clone()))));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIME_MAX)
            .serve_connection(TokioIo::new(stream), respond);
        let connection = connections.watch(connection);
        #[allow(
            clippy::disallowed_methods,
            reason = "a server on real sockets, outside any simulation"
        )]
        tokio::spawn(async move {
            // What goes wrong with a connection, its client sees.
            let _ = connection.await;
        });
    }
    connections.shutdown().await;
}

type Page = Response<Full<Bytes>>;

/// A page of somebody else's, under a name that leads here, must not read the trace.
fn response(request: &Request<Incoming>, page: Bytes) -> Page {
    let is_for_us = request.headers().get(header::HOST).is_some_and(is_ours);
    if !is_for_us {
        let text = "this page is at its number or at `localhost`\n";
        return refusal(StatusCode::MISDIRECTED_REQUEST, text);
    }
    if request.uri().path() != "/" {
        return refusal(StatusCode::NOT_FOUND, "");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    html(page)
}

fn refusal(status: StatusCode, text: &'static str) -> Page {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

fn html(page: Bytes) -> Page {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    let mut response = Response::new(Full::new(page));
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn is_ours(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else {
        return false;
    };
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name == "[::1]" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
