//! Pieces of an image that are wanted again: L1 and L2 tables, and decompressed clusters.
//!
//! It never holds more than its limit in bytes, whatever an image says. The images of one backing chain share one
//! cache, so a long chain costs no more memory than a single image.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// Whose piece it is: number of the image in its chain, file offset (or table entry), length in bytes.
pub(super) type Key = (u32, u64, usize);

#[derive(Debug)]
struct Slot {
    bytes: Arc<[u8]>,
    /// Asked for since the hand last passed (the clock, or second chance, rule).
    used: bool,
}

#[derive(Debug, Default)]
struct Slots {
    map: HashMap<Key, Slot>,
    clock: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Cache {
    slots: Mutex<Slots>,
    limit: usize,
}

impl Cache {
    pub(super) fn new(limit: usize) -> Self {
        Self { slots: Mutex::default(), limit }
    }

    pub(super) fn get(&self, key: Key) -> Option<Arc<[u8]>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.map.get_mut(&key)?;
        slot.used = true;
        Some(Arc::clone(&slot.bytes))
    }

    /// Keeps `bytes`, if they are not longer than the limit, and lets others go.
    pub(super) fn put(&self, key: Key, bytes: &Arc<[u8]>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = &mut *slots;
        if bytes.len() > self.limit || slots.map.contains_key(&key) {
            return;
        }
        while slots.bytes + bytes.len() > self.limit {
            let oldest = slots.clock.pop_front().expect("bytes are held, so a slot holds them");
            let slot = slots.map.get_mut(&oldest).expect("the clock holds the map's keys");
            if std::mem::take(&mut slot.used) {
                slots.clock.push_back(oldest);
            } else {
                slots.bytes -= slot.bytes.len();
                slots.map.remove(&oldest);
            }
        }
        slots.bytes += bytes.len();
        slots.clock.push_back(key);
        slots.map.insert(key, Slot { bytes: Arc::clone(bytes), used: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_its_limit_and_keeps_what_is_used() {
        let cache = Cache::new(100);
        let piece = Arc::from([1; 30]);
        cache.put((0, 0, 30), &piece);
        for n in 1..50 {
            assert!(cache.get((0, 0, 30)).is_some(), "before {n}");
            cache.put((0, n, 30), &piece);
            let slots = cache.slots.lock().unwrap();
            assert!(slots.bytes <= 100);
            assert_eq!(slots.bytes, slots.map.len() * 30);
            assert_eq!(slots.clock.len(), slots.map.len());
        }
        assert!(cache.get((0, 1, 30)).is_none());
        cache.put((1, 0, 101), &Arc::from([0; 101]));
        assert!(cache.get((1, 0, 101)).is_none());
    }
}
