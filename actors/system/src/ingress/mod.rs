//! The HTTP API, with receipts for what is taken and for what is refused.
//!
//! | request | answers |
//! |---|---|
//! | `GET /health` | 200 when the governance and ledger supervisors answer, else 503 |
//! | `POST /pubsub` | a signal in a Pub/Sub envelope: 200 with its receipt; 400; 403 when the tenant is not entitled |
//! | `POST /marketplace` | an action, or a change of an entitlement, signed: 200 with its receipt; 400; 401; 403; 409 when the entitlement does not allow the change |
//! | `GET /metrics` | figures in the Prometheus text format |
//!
//! `/pubsub` and `/metrics` take anybody's requests, unless [`IngressConfig::push_token`] and
//! [`IngressConfig::metrics_token`] say who may: then those without
//! `Authorization: Bearer TOKEN` get 401.
//!
//! Everywhere: 413 for a body above the limit, 408 for one that comes too slowly,
//! 429 for a tenant with too many requests at once, 503 when too many are there
//! altogether (`overloaded`) or too much of their bodies (`large_bodies`), when the work
//! takes too long or when a part does not answer. A second Pub/Sub message of a tenant
//! with one id gives the first one's receipt and changes nothing, also when the first was
//! refused; one whose tenant cannot be read is known by its id alone. A flood of refusals
//! shares receipts, see [`LedgerRef::refuse`](crate::LedgerRef::refuse).
//!
//! A signature is the HMAC-SHA-256, in hexadecimal digits, over the body without its
//! `signature`, see [`Order::signed_text`]. A signed order counts once: the same one again
//! gives the first one's receipt. One that was never seen has to be young
//! ([`IngressConfig::order_age_max`], else 403 `untimely_order`) and has to name the tenant's
//! entitlement (else 403 `other_entitlement`); a change has to be younger than the last one
//! (else 409 `out_of_order`), so one that was kept back cannot undo a later one.
//!
//! 200 is sent once the receipt is as durable as the ledger's mode says. A request
//! whose client has waited [`IngressConfig::request_timeout`] is not started any more.
//!
//! The server reads time and spawns tasks through the facade only, and takes any
//! listener, so it runs in a simulation on simulated sockets.
//!
//! ```
//! use retake_system::ingress::{Ingress, IngressConfig};
//! use retake_system::{System, SystemConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::start(SystemConfig::default()).await?;
//! let ingress = Ingress::new(&system, IngressConfig::default());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let stop = async { retake::sleep(std::time::Duration::from_millis(10)).await };
//! let served = ingress.serve(listener, stop).await;
//! assert_eq!(served.connections, 0);
//! system.stop().await;
//! # Ok(())
//! # }
//! ```

mod config;
mod envelope;
mod front;
mod http;
mod limits;
mod metrics;
mod order;
mod orders;
mod request;
mod response;
mod secret;
mod server;
mod signals;
mod timed;

pub use config::IngressConfig;
pub use envelope::{Envelope, EnvelopeError, check_name};
pub use front::Ingress;
pub use order::{Order, OrderError, OrderKind};
pub use secret::{Secret, Token, WeakKey, check_key};
pub use server::ServeReport;
