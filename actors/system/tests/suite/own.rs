//! The examples of `docs/own.md`, which `docs.rs` compares with the page.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use retake_sim::{Sim, net};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MS: Duration = Duration::from_millis(1);

async fn serve(router: Router) {
    let listener = net::TcpListener::bind("0.0.0.0:80").await.unwrap();
    retake::spawn_named("server", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(router.clone());
            let connection = http1::Builder::new()
                .auto_date_header(false) // the real date would differ
                .serve_connection(TokioIo::new(stream), service);
            retake::spawn_named("connection", connection);
        }
    });
}

#[test]
fn a_router_answers_on_simulated_sockets_without_a_task_past_the_gates() {
    let run = Sim::new().strict(true).run(|| async {
        net::start(net::Network::new().latency(MS..=3 * MS));
        serve(Router::new().route("/", get(async || "hello"))).await;
        let answer = net::on("client", async {
            let mut stream = net::TcpStream::connect("server:80").await.unwrap();
            let request = b"GET / HTTP/1.1\r\nhost: server\r\nconnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        })
        .await;
        assert!(answer.ends_with("hello"), "{answer}");
    });
    run.expect_passed();
}
