//! A bounded queue in which sources take turns.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Items by source, first in first out within each; the sources are served round robin. When it is full,
/// a source that holds more than its share gives way to one that holds less, so that a flood from one
/// source cannot keep others out.
#[derive(Debug)]
pub struct FairQueue<S, T> {
    capacity: usize,
    length: usize,
    items: HashMap<S, VecDeque<T>>,
    /// The sources that have items, the next one to be served first.
    turns: VecDeque<S>,
}

impl<S: Clone + Eq + Hash, T> FairQueue<S, T> {
    /// A queue for at most `capacity` items.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, length: 0, items: HashMap::new(), turns: VecDeque::new() }
    }

    /// How many items wait.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Queues `item` and returns what there is no place for: nothing, the item itself, or the newest item
    /// of the source that has most.
    pub fn push(&mut self, source: S, item: T) -> Option<T> {
        let mut displaced = None;
        if self.length == self.capacity {
            let own = self.items.get(&source).map_or(0, VecDeque::len);
            let most = self.items.values_mut().max_by_key(|items| items.len());
            let Some(most) = most.filter(|items| items.len() > own + 1) else { return Some(item) };
            displaced = most.pop_back();
            self.length -= 1;
        }
        let items = self.items.entry(source.clone()).or_default();
        if items.is_empty() {
            self.turns.push_back(source);
        }
        items.push_back(item);
        self.length += 1;
        displaced
    }

    /// The next item: the oldest of the source whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let source = self.turns.pop_front()?;
        let items = self.items.get_mut(&source)?;
        let item = items.pop_front();
        if items.is_empty() {
            self.items.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        self.length -= 1;
        item
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        self.items.clear();
        self.turns.clear();
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(queue: &mut FairQueue<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn sources_take_turns_and_keep_their_order() {
        let mut queue = FairQueue::new(10);
        for (source, item) in [('a', 1), ('a', 2), ('a', 3), ('b', 10), ('c', 20), ('b', 11)] {
            assert_eq!(queue.push(source, item), None);
        }
        assert_eq!(drain(&mut queue), [1, 10, 20, 2, 11, 3]);
    }

    #[test]
    fn a_full_queue_refuses_the_greedy_and_makes_room_for_the_modest() {
        let mut queue = FairQueue::new(3);
        for item in 1..=3 {
            assert_eq!(queue.push('a', item), None);
        }
        assert_eq!(queue.push('a', 4), Some(4), "its own flood");
        assert_eq!(queue.push('b', 10), Some(3), "the newest of the flood gives way");
        assert_eq!(queue.push('b', 11), Some(11), "now both have their share");
        assert_eq!(drain(&mut queue), [1, 10, 2]);
        assert!(queue.is_empty() && queue.items.is_empty());
    }

    proptest! {
        /// Whatever is done: the length is right and bounded, nothing is lost or doubled, and each source
        /// gets its items in order.
        #[test]
        fn nothing_is_lost(capacity in 1_usize..6, steps in prop::collection::vec(prop::option::of(0_u8..4), 0..60)) {
            let mut queue = FairQueue::new(capacity);
            let (mut pushed, mut gone) = (0_u32, Vec::new());
            for step in steps {
                match step {
                    Some(source) => {
                        gone.extend(queue.push(source, (source, pushed)).map(|item| (item, false)));
                        pushed += 1;
                    }
                    None => gone.extend(queue.pop().map(|item| (item, true))),
                }
                prop_assert!(queue.len() <= capacity);
            }
            gone.extend(std::iter::from_fn(|| queue.pop()).map(|item| (item, true)));
            let mut numbers: Vec<_> = gone.iter().map(|((_, number), _)| *number).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..pushed).collect::<Vec<_>>());
            for source in 0..4 {
                let served: Vec<_> = gone.iter().filter(|((of, _), served)| *of == source && *served).collect();
                prop_assert!(served.is_sorted());
            }
        }
    }
}
