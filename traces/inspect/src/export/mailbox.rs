//! How many messages wait for an actor, computed from when each was sent and handled.

use std::collections::VecDeque;

/// The depth of one mailbox over time.
///
/// That a message was sent is known when it is handled. A mailbox is first in, first
/// out, so whatever was sent before it has been handled by then: the depth is known,
/// in arrears.
#[derive(Clone, Debug, Default)]
pub(super) struct Mailbox {
    /// When messages were handled that may still count for the depth at a sending.
    handled: VecDeque<u64>,
    sent_last: u64,
    depth: u64,
    /// The last depth that was written.
    told: u64,
}

impl Mailbox {
    /// A message was sent and handled at these times, or never handled; tells the depths that
    /// are known now.
    ///
    /// A mailbox that never holds more than one message has none to tell.
    pub(super) fn message(
        &mut self,
        sent: u64,
        handled: Option<u64>,
        tell: &mut dyn FnMut(u64, u64),
    ) {
        // A timer's message is sent when it is armed, as far as is known.
        let sent = sent.max(self.sent_last);
        self.sent_last = sent;
        self.take_out_until(sent, tell);
        self.depth += 1;
        self.tell(sent, tell);
        // Behind one that stays, all stay.
        self.handled.extend(handled);
    }

    /// No more messages come.
    pub(super) fn finish(&mut self, tell: &mut dyn FnMut(u64, u64)) {
        self.take_out_until(u64::MAX, tell);
    }

    fn take_out_until(&mut self, time: u64, tell: &mut dyn FnMut(u64, u64)) {
        while let Some(handled) = self.handled.front().copied().filter(|it| *it <= time) {
            self.handled.pop_front();
            self.depth = self.depth.saturating_sub(1);
            self.tell(handled, tell);
        }
    }

    fn tell(&mut self, time: u64, tell: &mut dyn FnMut(u64, u64)) {
        if self.depth >= 2 || self.told > 0 {
            self.told = self.depth;
            tell(time, self.depth);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depths(messages: &[(u64, impl Into<Option<u64>> + Copy)]) -> Vec<(u64, u64)> {
        let mut told = Vec::new();
        let mut mailbox = Mailbox::default();
        let mut tell = |time, depth| told.push((time, depth));
        for (sent, handled) in messages {
            mailbox.message(*sent, (*handled).into(), &mut tell);
        }
        mailbox.finish(&mut tell);
        told
    }

    #[test]
    fn the_depth_rises_with_each_message_sent_and_falls_with_each_handled() {
        assert_eq!(
            depths(&[(1, 10), (2, 11), (3, 12), (20, 21)]),
            [(2, 2), (3, 3), (10, 2), (11, 1), (12, 0)]
        );
    }

    #[test]
    fn one_message_at_a_time_is_not_worth_a_track() {
        assert_eq!(depths(&[(1, 2), (2, 3), (5, 9)]), []);
    }

    #[test]
    fn what_is_never_handled_stays() {
        let messages = [(1, Some(10)), (2, None), (3, None)];
        assert_eq!(depths(&messages), [(2, 2), (3, 3), (10, 2)]);
    }

    #[test]
    fn a_message_that_overtook_others_does_not_turn_time_back() {
        let told = depths(&[(5, 10), (1, 11), (6, 12)]);
        assert!(told.is_sorted_by_key(|(time, _)| *time), "{told:?}");
        assert_eq!(told.last(), Some(&(12, 0)));
    }
}
