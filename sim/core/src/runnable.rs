//! The set of runnable tasks.
//!
//! What a scheduler sees of it is a function of the set alone, never of the
//! order in which tasks arrived: `ractor` keeps children in a randomly seeded
//! map, so arrival order differs between runs of one seed. First in, first out
//! is therefore by rounds: a round is what became runnable between two picks,
//! and within a round the lower slot goes first.

use std::collections::VecDeque;

/// Runnable tasks by slot, ordered both by slot and by round of arrival.
#[derive(Clone, Debug, Default)]
pub struct Runnable {
    slots: RankSet,
    /// Closed rounds, oldest first, with tasks that have left in between.
    rounds: VecDeque<Arrival>,
    /// The open round, in order of arrival.
    arriving: Vec<Arrival>,
    /// For each slot, the number of its latest arrival; tells a stale entry.
    arrival_of: Vec<u64>,
    arrivals: u64,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    slot: u32,
    number: u64,
}

impl Runnable {
    /// Number of runnable tasks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len as usize
    }

    /// True when no task is runnable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.len == 0
    }

    /// True if the task in this slot is runnable.
    #[must_use]
    pub fn contains(&self, slot: u32) -> bool {
        self.slots.contains(slot)
    }

    /// The runnable task with the `rank`-th lowest slot, `rank < len()`.
    #[must_use]
    pub fn nth(&self, rank: usize) -> u32 {
        debug_assert!(rank < self.len());
        self.slots.select(rank as u32)
    }

    /// The runnable tasks, the lowest slot first.
    pub fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.numbers()
    }

    /// The task that has been runnable for the most rounds; `None` if the set is empty.
    /// Closes the current round.
    #[inline]
    pub fn oldest(&mut self) -> Option<u32> {
        self.close_round();
        while let Some(front) = self.rounds.front() {
            if self.is_current(*front) {
                return Some(front.slot);
            }
            self.rounds.pop_front();
        }
        None
    }

    /// The runnable tasks, those that have been runnable for the most rounds first.
    /// Closes the current round.
    pub fn in_order(&mut self) -> impl Iterator<Item = u32> + '_ {
        self.close_round();
        let current = self
            .rounds
            .iter()
            .filter(|arrival| self.is_current(**arrival));
        current.map(|arrival| arrival.slot)
    }

    /// A task that is not in the set can run now.
    pub fn insert(&mut self, slot: u32) {
        debug_assert!(!self.contains(slot), "a task is runnable once");
        self.slots.insert(slot);
        self.arrivals += 1;
        let place = slot as usize;
        if place >= self.arrival_of.len() {
            self.arrival_of.resize(place + 1, 0);
        }
        self.arrival_of[place] = self.arrivals;
        self.arriving.push(Arrival {
            slot,
            number: self.arrivals,
        });
        // Who never asks for the order closes no round.
        if self.arriving.len() > 2 * self.len() + 64 {
            let arrival_of = &self.arrival_of;
            self.arriving
                .retain(|arrival| arrival_of[arrival.slot as usize] == arrival.number);
        }
    }

    /// A task of the set runs, or has ended.
    pub fn remove(&mut self, slot: u32) {
        debug_assert!(self.contains(slot), "only a runnable task leaves");
        self.slots.remove(slot);
        self.arrival_of[slot as usize] = 0;
        if self.is_empty() {
            self.rounds.clear();
            self.arriving.clear();
        }
    }

    fn is_current(&self, arrival: Arrival) -> bool {
        self.arrival_of[arrival.slot as usize] == arrival.number
    }

    /// End the current round: what becomes runnable from now on has been so for fewer rounds.
    #[inline]
    pub fn close_round(&mut self) {
        match self.arriving.len() {
            0 => return,
            1 => self.rounds.push_back(self.arriving[0]),
            _ => {
                self.arriving.sort_unstable_by_key(|arrival| arrival.slot);
                self.rounds.extend(&self.arriving);
            }
        }
        self.arriving.clear();
        // A starved front would let stale entries pile up behind it.
        if self.rounds.len() > 2 * self.len() + 64 {
            let arrival_of = &self.arrival_of;
            self.rounds
                .retain(|arrival| arrival_of[arrival.slot as usize] == arrival.number);
        }
    }
}

/// A set of small numbers with insert, remove and select-by-rank in O(log(n / 64)):
/// a bit set with a Fenwick tree over the population counts of its words.
#[derive(Clone, Debug, Default)]
struct RankSet {
    words: Vec<u64>,
    counts: Vec<u32>,
    len: u32,
}

impl RankSet {
    fn contains(&self, number: u32) -> bool {
        self.words
            .get(number as usize / 64)
            .is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let words = (0..).step_by(64).zip(&self.words);
        words.flat_map(|(start, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let lowest = (rest != 0).then(|| start + rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(lowest)
            })
        })
    }

    fn insert(&mut self, number: u32) {
        let word = number as usize / 64;
        if word >= self.words.len() {
            self.grow(word);
        }
        self.words[word] |= 1 << (number % 64);
        self.count(word, 1);
        self.len += 1;
    }

    fn remove(&mut self, number: u32) {
        let word = number as usize / 64;
        self.words[word] &= !(1 << (number % 64));
        self.count(word, u32::MAX);
        self.len -= 1;
    }

    fn grow(&mut self, word: usize) {
        let words = (word + 1).next_power_of_two();
        self.words.resize(words, 0);
        self.counts = vec![0; words + 1];
        for word in 0..words {
            let ones = self.words[word].count_ones();
            if ones > 0 {
                self.count(word, ones);
            }
        }
    }

    /// Add to the tree; subtraction is addition of the two's complement.
    fn count(&mut self, word: usize, difference: u32) {
        // One word needs no tree, and small systems live in one word.
        if self.words.len() == 1 {
            return;
        }
        let mut node = word + 1;
        while node < self.counts.len() {
            self.counts[node] = self.counts[node].wrapping_add(difference);
            node += node & node.wrapping_neg();
        }
    }

    fn select(&self, mut rank: u32) -> u32 {
        let mut word = 0;
        if self.words.len() > 1 {
            let mut stride = self.words.len();
            while stride > 0 {
                let next = word + stride;
                if next < self.counts.len() && self.counts[next] <= rank {
                    word = next;
                    rank -= self.counts[next];
                }
                stride /= 2;
            }
        }
        word as u32 * 64 + select_in_word(self.words[word], rank)
    }
}

/// The place of the bit that has `rank` set bits below it.
#[inline]
fn select_in_word(bits: u64, rank: u32) -> u32 {
    let (start, rank) = if rank < 6 {
        (0, rank)
    } else {
        skip_bytes(bits, rank)
    };
    let mut rest = bits >> start;
    for _ in 0..rank {
        rest &= rest - 1;
    }
    start + rest.trailing_zeros()
}

/// The start of the byte in which that bit lies, and its rank from there.
fn skip_bytes(bits: u64, rank: u32) -> (u32, u32) {
    // Byte i of the product is the number of set bits in bytes 0 to i.
    let pairs = bits - ((bits >> 1) & 0x5555_5555_5555_5555);
    let nibbles = (pairs & 0x3333_3333_3333_3333) + ((pairs >> 2) & 0x3333_3333_3333_3333);
    let bytes = (nibbles + (nibbles >> 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    let sums = bytes.wrapping_mul(0x0101_0101_0101_0101);
    // A byte's highest bit is set where its sum is at most the rank: the byte lies below the bit sought.
    let below = ((u64::from(rank) * 0x0101_0101_0101_0101) | 0x8080_8080_8080_8080) - sums;
    let passed = ((below & 0x8080_8080_8080_8080) >> 7).wrapping_mul(0x0101_0101_0101_0101) >> 56;
    let start = passed as u32 * 8;
    (start, rank - (((sums << 8) >> start) as u32 & 0xff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_agrees_with_a_sorted_list() {
        let mut set = RankSet::default();
        let mut list = Vec::new();
        let mut number = 7_u32;
        for _ in 0..400 {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let member = number >> 20;
            match list.binary_search(&member) {
                Ok(place) => {
                    list.remove(place);
                    set.remove(member);
                }
                Err(place) => {
                    list.insert(place, member);
                    set.insert(member);
                }
            }
            assert_eq!(set.len as usize, list.len());
            assert!(set.numbers().eq(list.iter().copied()));
            for (rank, member) in list.iter().enumerate() {
                assert_eq!(set.select(rank as u32), *member);
            }
        }
    }

    #[test]
    fn the_oldest_round_goes_first_and_the_lowest_slot_within_it() {
        let mut runnable = Runnable::default();
        for slot in [9, 4, 7] {
            runnable.insert(slot);
        }
        assert_eq!(runnable.oldest(), Some(4));
        runnable.insert(1);
        assert_eq!(runnable.oldest(), Some(4));
        for (left, next) in [(4, Some(7)), (7, Some(9)), (9, Some(1)), (1, None)] {
            runnable.remove(left);
            assert_eq!(runnable.oldest(), next);
        }
    }

    #[test]
    fn a_task_that_leaves_and_returns_goes_to_the_end() {
        let mut runnable = Runnable::default();
        runnable.insert(1);
        runnable.insert(2);
        assert_eq!(runnable.oldest(), Some(1));
        runnable.remove(1);
        runnable.insert(1);
        assert_eq!(runnable.oldest(), Some(2));
    }

    #[test]
    fn a_set_of_which_nobody_asks_the_order_does_not_grow() {
        let mut runnable = Runnable::default();
        runnable.insert(0);
        for _ in 0..10_000 {
            runnable.insert(1);
            runnable.remove(1);
        }
        assert!(runnable.arriving.len() < 100);
        assert_eq!(runnable.oldest(), Some(0));
    }

    #[test]
    fn a_starved_front_does_not_let_the_queue_grow() {
        let mut runnable = Runnable::default();
        runnable.insert(0);
        for _ in 0..10_000 {
            runnable.insert(1);
            assert_eq!(runnable.oldest(), Some(0));
            runnable.remove(1);
        }
        assert!(runnable.rounds.len() < 100);
    }
}
