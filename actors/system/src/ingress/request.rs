//! What a request asks for, in a form that can be recorded.

use std::time::Duration;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Health,
    Metrics,
    Pubsub,
    Marketplace,
}

impl Endpoint {
    const ALL: [Self; 4] = [Self::Health, Self::Metrics, Self::Pubsub, Self::Marketplace];

    /// In one word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::Pubsub => "pubsub",
            Self::Marketplace => "marketplace",
        }
    }
}

/// A request whose body has been read, or could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordedRequest {
    pub(super) endpoint: Endpoint,
    /// How long the body took to come.
    pub(super) waited: Duration,
    /// The body, or the status with which it was refused.
    pub(super) body: Result<Vec<u8>, u16>,
}

impl RecordedRequest {
    /// All but the endpoint, which is the name of the recorded input.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let waited_ns = u64::try_from(self.waited.as_nanos()).unwrap_or(u64::MAX);
        let mut bytes = waited_ns.to_le_bytes().to_vec();
        // No status is 0.
        let status = self.body.as_ref().err().copied().unwrap_or_default();
        bytes.extend(status.to_le_bytes());
        bytes.extend(self.body.as_deref().unwrap_or_default());
        bytes
    }

    pub(super) fn from_bytes(name: &str, bytes: &[u8]) -> Option<Self> {
        let mut endpoints = Endpoint::ALL.into_iter();
        let endpoint = endpoints.find(|endpoint| endpoint.word() == name)?;
        let (waited_ns, bytes) = bytes.split_first_chunk()?;
        let (status, body) = bytes.split_first_chunk()?;
        let body = match u16::from_le_bytes(*status) {
            0 => Ok(body.to_vec()),
            status => Err(status),
        };
        Some(Self {
            endpoint,
            waited: Duration::from_nanos(u64::from_le_bytes(*waited_ns)),
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_and_invalid_bytes_do_not() {
        for body in [Ok(b"{}".to_vec()), Ok(Vec::new()), Err(413)] {
            for endpoint in Endpoint::ALL {
                let request = RecordedRequest {
                    endpoint,
                    waited: Duration::from_micros(7),
                    body: body.clone(),
                };
                let bytes = request.to_bytes();
                assert_eq!(
                    RecordedRequest::from_bytes(endpoint.word(), &bytes),
                    Some(request)
                );
            }
        }
        assert_eq!(RecordedRequest::from_bytes("start", &[0; 10]), None);
        assert_eq!(RecordedRequest::from_bytes("health", &[0; 9]), None);
    }
}
