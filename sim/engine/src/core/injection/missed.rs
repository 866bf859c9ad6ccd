//! Faults that were not injected, and why.

use std::collections::BTreeSet;

use retake_traces::fault::{Effect, Fault, Link, Moment, Target};
use retake_traces::label;
use retake_traces::one_of;

use crate::core::Core;
use crate::identity::LabelId;
use crate::inject::{PendingFault, Requests};

impl Core {
    /// Faults that were not injected, each with the reason.
    pub(crate) fn not_injected(&self) -> impl Iterator<Item = (&Fault, String)> {
        let pending = self.faults.pending.iter().enumerate();
        let pending = pending.filter(|(_, it)| !it.is_over && !it.fault.heals());
        pending.map(|(place, pending)| (&pending.fault, self.why_not(place, pending)))
    }

    fn why_not(&self, place: usize, pending: &PendingFault) -> String {
        match pending.moment {
            Moment::Place => self.why_no_place(&pending.effect),
            Moment::Request => self.why_no_request(&pending.effect),
            Moment::Packet => self.why_no_packet(&pending.effect),
            Moment::Run | Moment::Task | Moment::Await | Moment::Callback(_) | Moment::Start => {
                self.why_no_task(place, pending)
            }
        }
    }

    fn why_no_task(&self, place: usize, pending: &PendingFault) -> String {
        let target = &pending.fault.target;
        if let Target::Named(_) | Target::All(_) = target
            && !self.labels.all().any(|it| self.has_started(it, target))
        {
            let names = self.labels.all().map(|label| self.labels.base_text(label));
            return format!("the run has no task of this name{}", suggest(target, names));
        }
        let why = match pending.moment {
            _ if self.faults.uncloned.contains(&place) => {
                "the messages of this actor cannot be cloned: derive `Clone` for their type"
            }
            Moment::Callback(_) | Moment::Start => "no such callback ran from then on",
            Moment::Await => "it awaited nothing from then on",
            _ if *target == Target::Supervised => {
                "no supervised actor ran whose supervisor survives it"
            }
            _ if pending.fault.action.ends_an_actor() => "no such actor was alive then",
            _ => "no such task was alive then",
        };
        why.to_owned()
    }

    /// Whether this label of the latest incarnation, or an earlier one, is meant.
    fn has_started(&self, latest: LabelId, target: &Target) -> bool {
        let base = self.labels.base_text(latest);
        match target {
            Target::Named(name) => {
                let (name_of_number, number) = label::parts(name);
                base == name || (base == name_of_number && number <= latest.parts().1)
            }
            Target::All(prefix) => base.starts_with(&**prefix),
            Target::Run | Target::Next | Target::Child | Target::Supervised => true,
        }
    }

    fn why_no_place(&self, effect: &Effect) -> String {
        let reached = &self.faults.places;
        match effect {
            Effect::Misbehave { place } if !reached.contains(&**place) => {
                let names = one_of(place, reached.iter().copied());
                format!("no marked place of this name was reached{names}")
            }
            _ => "that place was not reached from then on".to_owned(),
        }
    }

    fn why_no_request(&self, effect: &Effect) -> String {
        let faults = &self.faults;
        let (name, asked, what): (_, BTreeSet<&str>, _) = match effect {
            Effect::BreakDisk { disk, .. } => {
                let names = faults.operations.values().flat_map(Requests::names);
                (disk, names.collect(), "disk")
            }
            Effect::BreakService { service, .. } => {
                (service, faults.requests.names().collect(), "service")
            }
            _ => return "no such request was made from then on".to_owned(),
        };
        match name {
            _ if asked.is_empty() => format!("no {what} was asked"),
            Some(name) if !asked.contains(&**name) => {
                let names = one_of(name, asked.iter().copied());
                format!("no {what} of this name was asked{names}")
            }
            _ => "it affected no request from then on".to_owned(),
        }
    }

    fn why_no_packet(&self, effect: &Effect) -> String {
        let Some(network) = &self.faults.network else {
            return "the run has no network".to_owned();
        };
        let Effect::ChangePackets { link, change, .. } = effect else {
            return "no such packet was sent from then on".to_owned();
        };
        let hosts = || network.hosts.iter().map(String::as_str);
        let mut named = link.iter().flat_map(Link::hosts);
        if let Some(unknown) = named.find(|name| !hosts().any(|host| host == *name)) {
            let names = one_of(unknown, hosts());
            return format!("the network has no host `{unknown}`{names}");
        }
        if change.loses() && !network.resends {
            return "the network sends nothing again: plan the fault before it is started, or \
                    start it with `Network::resends`"
                .to_owned();
        }
        "it affected no packet from then on".to_owned()
    }
}

/// What a target may have meant.
fn suggest<'a>(target: &Target, names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.collect();
    match target {
        Target::Named(name) => one_of(label::parts(name).0, names.into_iter()),
        Target::All(prefix) => one_of(prefix, names.into_iter()),
        _ => String::new(),
    }
}
