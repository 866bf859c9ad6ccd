//! Hash chains.

use super::*;

/// One receipt of each kind, with those of another tenant in between.
fn one_of_each_kind() -> Vec<Receipt> {
    let text = |text: &str| text.to_owned();
    let kinds = [
        ReceiptKind::Entitlement {
            from: text("pending_review"),
            to: text("entitled"),
            entitlement_id: Some(text("e-1")),
            ordered_ms: 7,
        },
        ReceiptKind::Transition {
            from: text("boot"),
            to: text("stable"),
        },
        ReceiptKind::Signal {
            verdict: text("warning"),
        },
        ReceiptKind::Attempt {
            action: text("scale"),
        },
        ReceiptKind::Result {
            attempt: 4,
            outcome: text("success"),
            duration_ns: 20_000_000,
        },
        ReceiptKind::Refusal {
            reason: text("not entitled"),
        },
        ReceiptKind::Refusals {
            reason: text("not entitled"),
            count: 3,
        },
    ];
    let store = Store::new();
    for (number, kind) in kinds.into_iter().enumerate() {
        store.append(draft("other", 0));
        store.append(Draft {
            kind,
            signal: (number % 2 == 0).then(|| format!("signal-{number}")),
            key: (number % 3 == 0).then(|| format!("key-{number}")),
            ..draft("acme", number as u64)
        });
    }
    store.all()
}

/// Every way to change one thing in a receipt's content, with a name for each.
fn changed(receipt: &Receipt) -> Vec<(String, Receipt)> {
    fn visit(
        path: &str,
        whole: &serde_json::Value,
        pointer: &str,
        changes: &mut Vec<(String, serde_json::Value)>,
    ) {
        use serde_json::Value;
        let mut replace = |value: Value| {
            let mut other = whole.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            changes.push((path.to_owned(), other));
        };
        match whole.pointer(pointer).unwrap().clone() {
            Value::Null => replace("".into()),
            Value::String(text) => {
                replace(format!("{text}x").into());
                replace(format!("X{}", &text[1..]).into());
                if ["/signal", "/key", "/kind/entitlement/entitlement_id"].contains(&pointer) {
                    replace(Value::Null);
                }
            }
            Value::Number(number) => {
                let number = number.as_u64().unwrap();
                replace((number ^ 1).into());
            }
            Value::Array(items) => {
                for place in 0..items.len() {
                    visit(path, whole, &format!("{pointer}/{place}"), changes);
                }
            }
            Value::Object(fields) => {
                for field in fields.keys() {
                    visit(field, whole, &format!("{pointer}/{field}"), changes);
                }
            }
            Value::Bool(_) => panic!("a receipt has none"),
        }
    }
    let whole = serde_json::to_value(receipt).unwrap();
    let mut changes = Vec::new();
    visit("", &whole, "", &mut changes);
    // Another type with the same content.
    let kind = match receipt.kind.clone() {
        ReceiptKind::Transition { from, to } => Some(ReceiptKind::Entitlement {
            from,
            to,
            entitlement_id: None,
            ordered_ms: 0,
        }),
        ReceiptKind::Entitlement { from, to, .. } => Some(ReceiptKind::Transition { from, to }),
        ReceiptKind::Refusals { reason, .. } => Some(ReceiptKind::Refusal { reason }),
        ReceiptKind::Refusal { reason } => Some(ReceiptKind::Signal { verdict: reason }),
        ReceiptKind::Signal { verdict } => Some(ReceiptKind::Attempt { action: verdict }),
        ReceiptKind::Attempt { action } => Some(ReceiptKind::Refusal { reason: action }),
        ReceiptKind::Result { .. } => None,
    };
    let other_kind = kind.map(|kind| {
        let kind = serde_json::to_value(kind).unwrap();
        let mut other = whole.clone();
        other["kind"] = kind;
        ("type".to_owned(), other)
    });
    changes.extend(other_kind);
    // The same bytes, divided otherwise.
    if let ReceiptKind::Transition { from, to } = &receipt.kind {
        let mut other = whole.clone();
        other["kind"]["transition"] = serde_json::json!({
            "from": format!("{from}{}", &to[..1]),
            "to": &to[1..],
        });
        changes.push(("borders".to_owned(), other));
    }
    let parsed = changes
        .into_iter()
        .map(|(field, value)| (field, serde_json::from_value(value).unwrap()));
    parsed.collect()
}

#[test]
fn a_change_of_any_field_of_any_kind_of_receipt_is_reported_at_its_position() {
    let good = one_of_each_kind();
    verify(&good).unwrap();
    let mut fields = BTreeSet::new();
    for (place, receipt) in good.iter().enumerate() {
        // Its place in its own tenant's chain.
        let position = place / 2;
        for (field, other) in changed(receipt) {
            assert_ne!(other, *receipt, "{field}");
            let mut receipts = good.clone();
            receipts[place] = other.clone();
            let broken = verify(&receipts).expect_err(&field);
            let found = (broken.tenant, broken.position, broken.id);
            // Of another tenant it is in another chain, which begins with it.
            let position = if field == "tenant" { 0 } else { position };
            assert_eq!(found, (other.tenant, position, other.id), "{field}");
            fields.insert(field);
        }
    }
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    insta::assert_snapshot!(fields.join(" "), @"action attempt borders count duration_ns entitlement_id from hash id key ordered_ms outcome payload previous reason signal tenant time_ns to type verdict");
}

#[test]
fn a_receipt_that_is_missing_or_moved_is_reported_where_the_chain_breaks() {
    let good = one_of_each_kind();
    for place in 0..good.len() - 2 {
        let mut receipts = good.clone();
        receipts.remove(place);
        assert_eq!(verify(&receipts).unwrap_err().position, place / 2);
        let mut receipts = good.clone();
        receipts.swap(place, place + 2);
        assert_eq!(verify(&receipts).unwrap_err().position, place / 2);
    }
}

/// Computed by another program: the numbers as 8 bytes, little end first, and the texts with
/// their lengths before them.
#[test]
fn a_hash_is_the_sha_256_of_the_content_and_a_chain_begins_with_zeros() {
    let run = Sim::new().run(|| async {
        let store = Store::new();
        store.append(draft("acme", 7));
        store.append(Draft {
            kind: ReceiptKind::Result {
                attempt: 1,
                outcome: "partial".to_owned(),
                duration_ns: 5,
            },
            signal: Some("s".to_owned()),
            key: Some("k".to_owned()),
            ..draft("acme", 8)
        });
        store.all()
    });
    let receipts = run.expect_passed();
    assert_eq!(receipts[0].previous.to_string(), "0".repeat(64));
    assert_eq!(receipts[1].previous, receipts[0].hash);
    let hashes: Vec<_> = receipts.iter().map(|it| it.hash.to_string()).collect();
    assert_eq!(
        hashes,
        [
            "bea92765675c38c939bf32891a8f1eb2d154ad19a50d466b2913560217626db2",
            "6bda548e0e0e4d65c49e1ed8f4becb10c6067ca0e35c35f21627cb5e9c59dad0"
        ]
    );
}
