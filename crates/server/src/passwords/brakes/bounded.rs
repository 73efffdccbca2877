//! A map that forgets what has faded, and never outgrows its bound.

use std::collections::HashMap;
use std::hash::Hash;

use latchkey_oauth::clock::Timestamp;

/// A value that means nothing any more from some moment on.
pub(super) trait Fades: Default {
    /// That moment.
    fn gone_at(&self) -> Timestamp;
}

impl Fades for Timestamp {
    fn gone_at(&self) -> Timestamp {
        *self
    }
}

#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    capacity: usize,
    values: HashMap<K, V>,
}

impl<K: Copy + Eq + Hash, V: Fades> Bounded<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(8), values: HashMap::new() }
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.values.get_mut(key)
    }

    /// The value of `key`, a new one where there is none. Makes room first where there is none either.
    pub(super) fn entry(&mut self, key: K, now: Timestamp) -> &mut V {
        if self.values.len() >= self.capacity && !self.values.contains_key(&key) {
            self.make_room(now);
        }
        self.values.entry(key).or_default()
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.values.remove(key);
    }

    /// Drops what has faded. Where that is less than an eighth of all, what fades next goes too, up to an
    /// eighth: so a full map is gone through once in that many entries, not for each.
    fn make_room(&mut self, now: Timestamp) {
        self.values.retain(|_, value| value.gone_at() > now);
        let target = self.capacity - self.capacity / 8;
        if self.values.len() <= target {
            return;
        }
        let mut order: Vec<_> = self.values.iter().map(|(key, value)| (value.gone_at(), *key)).collect();
        let surplus = order.len() - target;
        order.select_nth_unstable_by_key(surplus - 1, |(gone_at, _)| *gone_at);
        for (_, key) in &order[..surplus] {
            self.values.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_faded_go_first_then_what_fades_next() {
        let mut map: Bounded<i64, Timestamp> = Bounded::new(16);
        for key in 0..16 {
            *map.entry(key, at(0)) = at(100 + key);
        }
        *map.entry(5, at(0)) = at(500);
        assert_eq!(map.values.len(), 16, "an entry that is there needs no room");
        *map.entry(16, at(104)) = at(1000);
        assert!((0..=4).all(|key| map.get_mut(&key).is_none()), "faded");
        assert_eq!(map.values.len(), 12);
        for key in 17..22 {
            *map.entry(key, at(104)) = at(2000);
        }
        let kept: Vec<_> = (0..22).filter(|key| map.values.contains_key(key)).collect();
        assert_eq!(kept, [5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]);
    }

    #[test]
    fn it_never_outgrows_its_bound() {
        let mut map: Bounded<i64, Timestamp> = Bounded::new(1000);
        for key in 0..100_000 {
            *map.entry(key, at(0)) = at(i64::MAX - key);
            assert!(map.values.len() <= 1000);
        }
    }
}
