//! What signed orders are answered with.

use axum::http::StatusCode;
use axum::response::Response;

use super::front::FrontState;
use super::limits::Admission;
use super::order::{Order, OrderError, OrderKind, shorten};
use super::response::{accepted, too_many, unavailable};
use crate::entitlements::{ChangeError, ChangeOrder};
use crate::ledger::{NO_TENANT, Receipt, ReceiptKind};
use crate::signal::Signal;
use crate::system::EntitleError;

impl FrontState {
    pub(super) async fn take_order(
        &self,
        body: &[u8],
        mut admitted: Admission,
    ) -> Result<Response, Response> {
        let (order, order_kind) = match Order::parse(body, self.config.secret.as_ref()) {
            Ok(parsed) => parsed,
            Err(error) => {
                let status = match error {
                    OrderError::Signature => StatusCode::UNAUTHORIZED,
                    OrderError::Malformed(_) | OrderError::Unknown(_) => StatusCode::BAD_REQUEST,
                };
                let what = error.to_string();
                return Err(self.refused(NO_TENANT, status, error.word(), &what).await);
            }
        };
        let tenant = &order.tenant_id;
        let is_known = self.system.store().of_key(&order.key(order_kind)).is_some();
        if !is_known {
            self.check_order(&order).await?;
        }
        match order_kind {
            OrderKind::Action(kind) => {
                let signal = Signal {
                    id: Some(order.id()),
                    tenant: tenant.clone(),
                    metric: "order".to_owned(),
                    timestamp_ms: order.timestamp,
                    action: Some(kind),
                    ..Signal::default()
                };
                self.signal(signal, &mut admitted).await
            }
            OrderKind::Change(change) => {
                if !admitted.of_tenant(tenant) {
                    return Err(too_many("too many requests of this tenant at once"));
                }
                let change = ChangeOrder {
                    change,
                    entitlement_id: order.entitlement_id.clone(),
                    ordered_ms: order.timestamp,
                    key: order.key(order_kind),
                };
                self.change(tenant, change).await
            }
        }
    }

    /// Whether an order that comes for the first time may be taken. A known one is a
    /// duplicate, however old it is by now.
    async fn check_order(&self, order: &Order) -> Result<(), Response> {
        let (tenant, entitlement) = (&order.tenant_id, &order.entitlement_id);
        let (word, what) = if !order.is_timely(&self.config) {
            let (age, ahead) = (self.config.order_age_max, self.config.order_ahead_max);
            let what = format!(
                "`timestamp` is {} ms of Unix time: it may be {age:?} old and {ahead:?} ahead",
                order.timestamp
            );
            ("untimely_order", what)
        } else if !self.system.entitlements().may_be(tenant, entitlement) {
            let other = ChangeError::OtherEntitlement(shorten(entitlement));
            ("other_entitlement", other.to_string())
        } else {
            return Ok(());
        };
        Err(self
            .refused(tenant, StatusCode::FORBIDDEN, word, &what)
            .await)
    }

    async fn change(&self, tenant: &str, order: ChangeOrder) -> Result<Response, Response> {
        let store = self.system.store();
        let duplicate = |receipt: &Receipt| {
            let verdict = match &receipt.kind {
                ReceiptKind::Entitlement { to, .. } => to,
                _ => "changed",
            };
            accepted("duplicate", verdict, Some(receipt))
        };
        if let Some(earlier) = store.of_key(&order.key) {
            return Ok(duplicate(&earlier));
        }
        let key = order.key.clone();
        let changed = self.system.order_change(tenant, order).await;
        let receipt = store.of_key(&key);
        let error = match changed {
            Ok(state) => return Ok(accepted("accepted", &state.to_string(), receipt.as_ref())),
            Err(EntitleError::Call(error)) => {
                return Err(unavailable("unavailable", &error.to_string()));
            }
            Err(EntitleError::Change(error)) => error,
        };
        // The two came at the same time.
        if let Some(earlier) = receipt {
            return Ok(duplicate(&earlier));
        }
        let (status, word) = match error {
            ChangeError::NotAllowed { .. } => (StatusCode::CONFLICT, "not_allowed"),
            ChangeError::OutOfOrder { .. } => (StatusCode::CONFLICT, "out_of_order"),
            ChangeError::OtherEntitlement(_) => (StatusCode::FORBIDDEN, "other_entitlement"),
        };
        Err(self.refused(tenant, status, word, &error.to_string()).await)
    }
}
