//! A page on this machine's own address.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Bytes;
use tokio::net::TcpListener;

/// Serve `page` until `stop` is ready.
///
/// # Errors
/// If the connection's listener fails.
pub async fn serve(
    listener: TcpListener,
    page: Vec<u8>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let page = Bytes::from(page);
    let show = move || std::future::ready(html(page.clone()));
    let router = Router::new()
        .route("/", get(show))
        .layer(from_fn(only_for_this_machine));
    let stopped = axum::serve(listener, router).with_graceful_shutdown(stop);
    stopped.await
}

fn html(page: Bytes) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, page)
}

/// A page of somebody else's, under a name that leads here, must not read the trace.
async fn only_for_this_machine(request: Request, next: Next) -> Response {
    if request.headers().get(header::HOST).is_some_and(is_ours) {
        next.run(request).await
    } else {
        (
            StatusCode::MISDIRECTED_REQUEST,
            "this page is at its number or at `localhost`\n",
        )
            .into_response()
    }
}

fn is_ours(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else {
        return false;
    };
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name == "[::1]"
        || name
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
