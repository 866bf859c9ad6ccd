//! What a client asks, and what it gets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use retake_system::ingress::{Envelope, Order, Secret};
use retake_system::{ServiceTime, Signal};

use super::Stay;
use crate::answers::Gist;
use crate::bench::client::HttpClient;
use crate::bench::wire::{secret, tenant};

/// What one request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::bench) enum Kind {
    Health,
    Pubsub,
    Marketplace,
    /// A push with a megabyte of data.
    Large,
    /// A body that is refused.
    Malformed,
    /// A push that came before: nothing changes.
    Redelivered,
}

impl Kind {
    pub(in crate::bench) fn word(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Pubsub => "pubsub",
            Self::Marketplace => "marketplace",
            Self::Large => "large",
            Self::Malformed => "malformed",
            Self::Redelivered => "redelivered",
        }
    }

    /// Whether an answer is what the client wants.
    fn is_good(self, answer: Gist) -> bool {
        match self {
            Self::Malformed => (400..500).contains(&answer.status) && answer.receipt.is_some(),
            Self::Health => answer.status == 200,
            _ => answer.status == 200 && answer.receipt.is_some(),
        }
    }
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Sample {
    /// When it began, since the start of the load.
    pub(in crate::bench) at: Duration,
    pub(in crate::bench) latency: Duration,
    pub(in crate::bench) kind: Kind,
    /// None when there was no answer.
    pub(in crate::bench) answer: Option<Gist>,
}

impl Sample {
    pub(in crate::bench) fn is_good(&self) -> bool {
        self.answer.is_some_and(|answer| self.kind.is_good(answer))
    }
}

/// One client of a closed loop.
pub(super) struct Client {
    pub(super) http: HttpClient,
    pub(super) rng: ChaCha8Rng,
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) asked: u64,
    pub(super) mix: Arc<Vec<(Kind, u32)>>,
    pub(super) think: Duration,
    /// By how much its pauses are late.
    pub(super) lateness: ServiceTime,
    /// Data of large pushes, made when the first is sent.
    pub(super) large: Option<String>,
}

/// The requests of a client, and how often which went without an answer.
pub(super) type ClientLog = (Vec<Sample>, BTreeMap<String, u64>);

impl Client {
    pub(super) async fn run(mut self, stay: Stay, start: retake::Instant) -> ClientLog {
        // Taken at once, so that the measuring does not grow with the load.
        let expected = (stay.to - stay.from).as_secs_f64() / self.think.as_secs_f64().max(1e-4);
        let mut samples = Vec::with_capacity((1.1 * expected) as usize);
        let mut errors: BTreeMap<String, u64> = BTreeMap::new();
        retake::sleep_until(start + stay.from).await;
        loop {
            // Thinking first spreads the clients out.
            let pause = crate::load::exponential(self.think, &mut self.rng);
            // Real timers are coarse: none at all is less than one that is due at once.
            if !pause.is_zero() {
                retake::sleep(pause + self.lateness.draw()).await;
            }
            let begun = retake::now();
            let at = begun - start;
            if at >= stay.to {
                return (samples, errors);
            }
            let kind = self.draw_kind();
            let (method, path, body) = self.request(kind);
            self.asked += 1;
            let answer = self.http.request(method, path, &body).await;
            let latency = begun.elapsed();
            let answer = match answer {
                Ok(answer) => Some(answer.gist()),
                Err(error) => {
                    *errors.entry(error).or_default() += 1;
                    None
                }
            };
            samples.push(Sample {
                at,
                latency,
                kind,
                answer,
            });
        }
    }

    fn draw_kind(&mut self) -> Kind {
        let total: u32 = self.mix.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.rng.random_range(0..total.max(1));
        for (kind, weight) in self.mix.iter() {
            if drawn < *weight {
                return *kind;
            }
            drawn -= weight;
        }
        Kind::Health
    }

    fn request(&mut self, kind: Kind) -> (&'static str, &'static str, Vec<u8>) {
        let id = format!("{}-{}", self.name, self.asked);
        match kind {
            Kind::Health => ("GET", "/health", Vec::new()),
            Kind::Pubsub => ("POST", "/pubsub", self.push(&id).into_bytes()),
            Kind::Redelivered => {
                let id = self.name.clone();
                ("POST", "/pubsub", self.push(&id).into_bytes())
            }
            Kind::Large => {
                let data = self.large.get_or_insert_with(|| large_data(self.number));
                let body = format!(r#"{{"message":{{"messageId":"{id}","data":"{data}"}}}}"#);
                ("POST", "/pubsub", body.into_bytes())
            }
            Kind::Malformed => self.malformed(&id),
            Kind::Marketplace => {
                let body = serde_json::to_vec(&self.order(id).sign(&secret()));
                ("POST", "/marketplace", body.unwrap_or_default())
            }
        }
    }

    /// Bodies that are wrong in one way or another.
    fn malformed(&mut self, id: &str) -> (&'static str, &'static str, Vec<u8>) {
        let push = self.push(id);
        let with = |data: &str| format!(r#"{{"message":{{"messageId":"{id}","data":"{data}"}}}}"#);
        let body = match self.rng.random_range(0..6) {
            // Cut off.
            0 => push.as_bytes()[..self.rng.random_range(1..push.len())].to_vec(),
            // Invalid.
            1 => (0..100).map(|_| self.rng.random()).collect(),
            // Without data, with data that is no base64, and that is no signal.
            2 => format!(r#"{{"message":{{"messageId":"{id}"}}}}"#).into_bytes(),
            3 => with("?!").into_bytes(),
            4 => with("bm8gc2lnbmFs").into_bytes(),
            // Signed by somebody else.
            _ => {
                let order = self
                    .order(id.to_owned())
                    .sign(&Secret::new("somebody else"));
                let body = serde_json::to_vec(&order).unwrap_or_default();
                return ("POST", "/marketplace", body);
            }
        };
        ("POST", "/pubsub", body)
    }

    fn order(&mut self, entitlement_id: String) -> Order {
        let now_ms = u64::try_from(retake::unix_time().as_millis()).unwrap_or(u64::MAX);
        Order {
            entitlement_id,
            tenant_id: tenant(self.number),
            action: ["scale", "rollback", "throttle"][self.rng.random_range(0..3)].to_owned(),
            timestamp: now_ms,
            signature: String::new(),
        }
    }

    /// One in ten signals asks for an action.
    fn push(&mut self, id: &str) -> String {
        let signal = Signal {
            tenant: tenant(self.number),
            metric: ["cpu", "errors", "requests"][self.rng.random_range(0..3)].to_owned(),
            value: self.rng.random_range(0..89).into(),
            ..Signal::default()
        };
        Envelope::to_json(&signal, id, 1)
    }
}

/// A signal with an unneeded megabyte, in base64.
fn large_data(number: u32) -> String {
    let data = serde_json::json!({
        "tenant_id": tenant(number),
        "metric": "cpu",
        "value": 50.0,
        "timestamp_ms": 1,
        "details": "x".repeat(1_000_000),
    });
    STANDARD.encode(data.to_string())
}

#[cfg(test)]
mod tests {
    use retake_system::IngressConfig;

    use super::*;

    #[test]
    fn an_answer_is_good_if_it_is_what_was_asked_for() {
        let of = |status, receipt| Gist {
            status,
            receipt,
            is_shed: false,
        };
        let (taken, refused) = (of(200, Some(17)), of(400, Some(4)));
        assert!(Kind::Pubsub.is_good(taken) && !Kind::Malformed.is_good(taken));
        assert!(Kind::Malformed.is_good(refused) && !Kind::Pubsub.is_good(refused));
        assert!(!Kind::Pubsub.is_good(of(200, None)));
        assert!(!Kind::Malformed.is_good(of(400, None)));
    }

    #[test]
    fn a_large_push_is_a_signal_and_within_the_limit() {
        let data = large_data(3);
        let body = format!(r#"{{"message":{{"messageId":"m","data":"{data}"}}}}"#);
        assert!(body.len() > 1_000_000 && body.len() < IngressConfig::default().body_max);
        assert_eq!(
            Envelope::parse(body.as_bytes()).unwrap().signal.tenant,
            "tenant-3"
        );
    }
}
