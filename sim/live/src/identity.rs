//! Stable names: labels of tasks, kinds of steps, and texts cleaned of what differs
//! between processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use retake::engine::{StepKind, Ticket};
use retake_traces::Label;

/// What the step is that a gate waits for.
#[must_use]
pub fn kind_of(ticket: &Ticket) -> StepKind {
    match ticket.resumed {
        true => StepKind::Resume,
        false => ticket.part,
    }
}

/// Separates a name from the run that it is scoped to in ractor's registry.
const SCOPE: &str = "@run-";

/// `name` made unique to run number `run` of this process.
pub fn scope(name: &str, run: u64) -> String {
    format!("{name}{SCOPE}{run}")
}

fn unscope(name: &str) -> &str {
    name.split_once(SCOPE).map_or(name, |(name, _)| name)
}

/// A label by number: of the base, and of the incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelId {
    base: u32,
    number: u32,
}

impl LabelId {
    /// The number of the base, and of the incarnation, from 1.
    #[must_use]
    pub fn parts(self) -> (u32, u32) {
        (self.base, self.number)
    }
}

/// Gives labels: the name, or the parent's label and the type, with the number
/// of the incarnation from the second on (`ledger`, `ledger#2`).
///
/// The number of the parent's incarnation is left out and long paths are cut at
/// the front, so that actors which start their own successors do not give ever
/// longer and ever new labels. Bases are kept once: systems start many actors of
/// one kind.
#[derive(Debug, Default)]
pub struct Labels {
    bases: Vec<Base>,
    base_of_text: BTreeMap<Arc<str>, u32>,
    /// By the parent's base and the actor's type.
    base_of_unnamed: BTreeMap<(Option<u32>, &'static str), u32>,
}

#[derive(Debug)]
struct Base {
    text: Arc<str>,
    incarnations: u32,
}

impl Labels {
    /// Of an actor with this name, or else of this type below this parent.
    pub fn of_actor(
        &mut self,
        name: Option<&str>,
        type_name: &'static str,
        parent: Option<LabelId>,
    ) -> LabelId {
        let base = match name {
            Some(name) => self.base(unscope(name)),
            None => self.base_of_unnamed(parent.map(|parent| parent.base), type_name),
        };
        self.next(base)
    }

    /// Of a task with this name.
    pub fn of_task(&mut self, name: &str) -> LabelId {
        let base = self.base(name);
        self.next(base)
    }

    /// The latest label of each base.
    pub fn all(&self) -> impl Iterator<Item = LabelId> {
        let bases = self.bases.iter().enumerate();
        bases
            .filter(|(_, base)| base.incarnations > 0)
            .map(|(place, base)| LabelId {
                base: place as u32,
                number: base.incarnations,
            })
    }

    /// The label itself.
    pub fn label(&self, label: LabelId) -> Label {
        Label {
            name: Arc::clone(&self.bases[label.base as usize].text),
            incarnation: label.number,
        }
    }

    /// As text, with the number of the incarnation from the second on.
    pub fn text(&self, label: LabelId) -> String {
        self.label(label).to_string()
    }

    /// The text without the number.
    pub fn base_text(&self, label: LabelId) -> &str {
        &self.bases[label.base as usize].text
    }

    fn next(&mut self, base: u32) -> LabelId {
        let incarnations = &mut self.bases[base as usize].incarnations;
        *incarnations += 1;
        LabelId {
            base,
            number: *incarnations,
        }
    }

    fn base_of_unnamed(&mut self, parent: Option<u32>, type_name: &'static str) -> u32 {
        if let Some(base) = self.base_of_unnamed.get(&(parent, type_name)) {
            return *base;
        }
        let head = type_name.split('<').next().unwrap_or(type_name);
        let short = head.rsplit("::").next().unwrap_or(head);
        let base = match parent {
            Some(parent) => self.base(&path(&self.bases[parent as usize].text, short)),
            None => self.base(short),
        };
        self.base_of_unnamed.insert((parent, type_name), base);
        base
    }

    fn base(&mut self, text: &str) -> u32 {
        if let Some(base) = self.base_of_text.get(text) {
            return *base;
        }
        let text: Arc<str> = text.into();
        let base = self.bases.len() as u32;
        self.bases.push(Base {
            text: Arc::clone(&text),
            incarnations: 0,
        });
        self.base_of_text.insert(text, base);
        base
    }
}

/// Longest path of a label, in parts.
const PATH_MAX: usize = 4;

fn path(parent: &str, name: &str) -> String {
    let parts: Vec<&str> = parent.split('/').chain([name]).collect();
    match parts.len().checked_sub(PATH_MAX) {
        None | Some(0) => parts.join("/"),
        Some(_) => format!("…/{}", parts[parts.len() - PATH_MAX + 1..].join("/")),
    }
}

/// How ractor shows the place for a reply: the channel's inner state, of no use to a reader.
const REPLY_PORT: &str = "RpcReplyPort {";

/// How tokio shows a task's handle: by a number that is unique to the process.
const HANDLES: [&str; 2] = ["JoinHandle {", "AbortHandle {"];

/// Remove from a text what differs between runs of one seed: ractor's actor ids
/// (given as labels where `label_of` knows them), addresses, scopes of names.
/// The insides of reply ports go as well.
pub fn clean(text: String, label_of: impl Fn(u64) -> Option<String>) -> String {
    if !(["Local(", "0x", SCOPE, REPLY_PORT].iter())
        .chain(&HANDLES)
        .any(|sign| text.contains(sign))
    {
        return text;
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("Local(") {
            // Over three lines with a comma, in the pretty form.
            let (digits, tail) = split_digits(after.trim_start(), |c| c.is_ascii_digit());
            let tail = tail.strip_prefix(',').unwrap_or(tail).trim_start();
            if let (Ok(id), Some(tail)) = (digits.parse(), tail.strip_prefix(')')) {
                cleaned.push_str(&label_of(id).unwrap_or_else(|| "_".to_owned()));
                rest = tail;
                continue;
            }
        } else if let Some(after) = rest.strip_prefix(REPLY_PORT) {
            cleaned.push_str("reply");
            rest = after_brace(after);
            continue;
        } else if let Some((name, after)) = HANDLES
            .iter()
            .find_map(|handle| Some((handle, rest.strip_prefix(handle)?)))
        {
            cleaned.push_str(name.trim_end_matches([' ', '{']));
            rest = after_brace(after);
            continue;
        } else if let Some(after) = rest.strip_prefix(SCOPE) {
            rest = split_digits(after, |c| c.is_ascii_digit()).1;
            continue;
        } else if let Some(after) = rest.strip_prefix("0x") {
            let (digits, tail) = split_digits(after, |c| c.is_ascii_hexdigit());
            // Short ones are numbers that a person wrote.
            if digits.len() >= 8 {
                cleaned.push_str("0x_");
                rest = tail;
                continue;
            }
        }
        let next = rest.chars().next().map_or(rest.len(), char::len_utf8);
        cleaned.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    cleaned
}

/// What comes after the brace that closes the one before `text`.
fn after_brace(text: &str) -> &str {
    let mut depth = 1;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[place + 1..];
        }
    }
    ""
}

fn split_digits(text: &str, is_digit: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !is_digit(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_incarnation_is_numbered() {
        let mut labels = Labels::default();
        let mut label = |name: Option<&str>, type_name, parent| {
            let label = labels.of_actor(name, type_name, parent);
            (label, labels.text(label))
        };
        assert_eq!(label(Some("ledger@run-7"), "x::Ledger", None).1, "ledger");
        assert_eq!(label(Some("ledger@run-7"), "x::Ledger", None).1, "ledger#2");
        let pool = label(Some("pool"), "x::Pool", None).0;
        let worker = "x::Worker<a::B>";
        assert_eq!(label(None, worker, Some(pool)).1, "pool/Worker");
        assert_eq!(label(None, worker, Some(pool)).1, "pool/Worker#2");
        let pool = label(Some("pool"), "x::Pool", None).0;
        assert_eq!(label(None, worker, Some(pool)).1, "pool/Worker#3");
        assert_eq!(label(None, worker, None).1, "Worker");
    }

    #[test]
    fn labels_of_actors_that_start_their_successors_stay_short() {
        let mut labels = Labels::default();
        let mut label = labels.of_task("first");
        for _ in 0..1000 {
            label = labels.of_actor(None, "Relay", Some(label));
        }
        assert_eq!(labels.text(label), "…/Relay/Relay/Relay#997");
        assert!(labels.bases.len() <= 5, "{labels:?}");
    }

    #[test]
    fn ids_addresses_and_scopes_are_cleaned() {
        let label = |id| (id == 5).then(|| "ledger".to_owned());
        let clean = |text: &str| clean(text.to_owned(), label);
        assert_eq!(
            clean(r#"Actor { name: Some("a@run-12"), id: Local(5) }"#),
            r#"Actor { name: Some("a"), id: ledger }"#
        );
        assert_eq!(
            clean("Local(77) at 0x7f3a00112233 mask 0xff"),
            "_ at 0x_ mask 0xff"
        );
        assert_eq!(
            clean("Get(7, RpcReplyPort { port: Sender { a: {} }, timeout: None })"),
            "Get(7, reply)"
        );
        assert_eq!(
            clean("id: Local(\n        5,\n    ),\n    at: Local(\n x)"),
            "id: ledger,\n    at: Local(\n x)"
        );
        assert_eq!(
            clean("timer: Some(JoinHandle { id: Id(17) }), 2"),
            "timer: Some(JoinHandle), 2"
        );
        assert_eq!(
            clean("Local(x) ünïcode 0x7f3a00112233"),
            "Local(x) ünïcode 0x_"
        );
    }
}
