use std::fmt::Write;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::samples::NOW;

fn device(name: &str) -> Device {
    Device((!name.is_empty()).then(|| Arc::from(name)))
}

/// Residents from words such as `phone@3` (issued in second 3), `@2` (no device) and `ipad@1!` (dead); the
/// position in the text is the id.
fn residents(text: &str) -> Vec<Resident> {
    let resident = |(place, word): (usize, &str)| {
        let (name, issued) = word.split_once('@').unwrap();
        Resident {
            id: FamilyId::from_bytes([u8::try_from(place).unwrap(); 16]),
            device: device(name),
            issued_at: NOW.plus_seconds(issued.trim_end_matches('!').parse().unwrap()),
            alive: !issued.ends_with('!'),
        }
    };
    text.split_whitespace().enumerate().map(resident).collect()
}

/// The words of those of `holder` who leave for a family on the device `new`.
fn leaving(holder: &str, new: &str, limits: HolderLimits) -> String {
    let Ok(ends) = admit(&residents(holder), &device(new), limits) else {
        return "rejected".to_owned();
    };
    let words: Vec<&str> = holder.split_whitespace().collect();
    let left: Vec<&str> = ends.iter().map(|id| words[usize::from(id.as_bytes()[0])]).collect();
    if left.is_empty() { "-".to_owned() } else { left.join(" ") }
}

#[test]
fn every_kind_of_holder() {
    let holders = [
        "",
        "phone@1",
        "phone@1 phone@4 ipad@2 tv@3",
        "phone@1 phone@4 ipad@2 @3 @5",
        "phone@1! ipad@2! tv@3",
        "tv@1 phone@2! phone@3 ipad@1",
        "@1 @2 @3 @4 @5",
    ];
    let bounds = [(9, 9), (2, 9), (9, 3), (2, 2), (1, 1), (0, 9), (9, 0)];
    let mut table = String::from("holder, device | (devices, families) || evict oldest | reject\n");
    for holder in holders {
        for new in ["phone", "watch", ""] {
            writeln!(table, "\n[{holder}] + {}", if new.is_empty() { "no device" } else { new }).unwrap();
            for (devices, families) in bounds {
                let [evicting, rejecting] = [OnLimit::EvictOldest, OnLimit::Reject]
                    .map(|on_limit| leaving(holder, new, HolderLimits { devices, families, on_limit }));
                writeln!(table, "  ({devices}, {families}) || {evicting} | {rejecting}").unwrap();
            }
        }
    }
    insta::assert_snapshot!(table);
}

/// The rule as one would tell it: while there is too much, whatever was issued longest ago goes, first
/// device by device, then family by family.
fn by_hand(residents: &[Resident], new: &Device, limits: HolderLimits) -> Option<Vec<FamilyId>> {
    let mut living: Vec<Resident> = residents.iter().filter(|resident| resident.alive).cloned().collect();
    let rejects = limits.on_limit == OnLimit::Reject;
    loop {
        let mut devices: Vec<&Device> = living.iter().map(|resident| &resident.device).chain([new]).collect();
        devices.retain(|device| device.0.is_some());
        devices.sort();
        devices.dedup();
        let is_new = new.0.is_some() && !living.iter().any(|resident| resident.device == *new);
        if !is_new || devices.len() <= limits.devices as usize {
            break;
        }
        let last = |device: &Device| {
            let of_device = living.iter().filter(|resident| resident.device == *device);
            of_device.map(|resident| (resident.issued_at, resident.id)).max()
        };
        let oldest = devices.into_iter().filter(|device| *device != new).min_by_key(|device| last(device));
        let oldest = oldest.filter(|_| !rejects)?.clone();
        living.retain(|resident| resident.device != oldest);
    }
    while living.len() + 1 > limits.families as usize {
        let oldest = living.iter().map(|resident| (resident.issued_at, resident.id)).min();
        let (_, oldest) = oldest.filter(|_| !rejects)?;
        living.retain(|resident| resident.id != oldest);
    }
    let stays: Vec<FamilyId> = living.iter().map(|resident| resident.id).collect();
    Some(residents.iter().map(|resident| resident.id).filter(|id| !stays.contains(id)).collect())
}

prop_compose! {
    fn holders()(
        drawn in prop::collection::vec((0..5_usize, 0..6_i64, prop::bool::weighted(0.8)), 0..12),
    ) -> Vec<Resident> {
        let resident = |(place, (name, second, alive)): (usize, (usize, i64, bool))| Resident {
            id: FamilyId::from_bytes([u8::try_from(place).unwrap(); 16]),
            device: device(["", "", "phone", "ipad", "tv"][name]),
            issued_at: NOW.plus_seconds(second),
            alive,
        };
        drawn.into_iter().enumerate().map(resident).collect()
    }
}

proptest! {
    #[test]
    fn the_limits_hold_and_the_oldest_leave(
        residents in holders(), new in prop::sample::select(vec!["", "phone", "watch"]),
        devices in 0..5_u32, families in 0..9_u32, evict in any::<bool>(),
    ) {
        let on_limit = if evict { OnLimit::EvictOldest } else { OnLimit::Reject };
        let limits = HolderLimits { devices, families, on_limit };
        let new = device(new);
        let admitted = admit(&residents, &new, limits).ok();
        let sorted = admitted.clone().map(|mut ends| {
            ends.sort();
            ends
        });
        prop_assert_eq!(&sorted, &by_hand(&residents, &new, limits));
        let Some(ends) = admitted else { return Ok(()) };

        let stays: Vec<&Resident> = residents.iter().filter(|resident| !ends.contains(&resident.id)).collect();
        prop_assert!(stays.iter().all(|resident| resident.alive), "the dead are reclaimed");
        prop_assert!(stays.len() < families as usize);
        let named: BTreeSet<&Device> =
            stays.iter().map(|resident| &resident.device).chain([&new]).filter(|device| device.0.is_some()).collect();
        let before: BTreeSet<&Device> =
            residents.iter().filter(|r| r.alive && r.device.0.is_some()).map(|r| &r.device).collect();
        prop_assert!(named.len() <= before.len().max(devices as usize));
    }

    #[test]
    fn a_holder_with_room_ends_nobody_alive(
        residents in holders(), new in prop::sample::select(vec!["", "phone", "watch"]),
        devices in 0..5_u32, families in 0..9_u32,
    ) {
        let limits = HolderLimits { devices, families, on_limit: OnLimit::Reject };
        let new = device(new);
        let living: Vec<&Resident> = residents.iter().filter(|resident| resident.alive).collect();
        let names: BTreeSet<&Device> =
            living.iter().map(|resident| &resident.device).filter(|device| device.0.is_some()).collect();
        let count = HolderCount {
            devices: u32::try_from(names.len()).unwrap(),
            families: u32::try_from(living.len()).unwrap(),
        };
        let known = if names.contains(&new) { DeviceKnown::Yes } else { DeviceKnown::No };
        prop_assert_eq!(count.has_room(&new, known, limits), admit(&residents, &new, limits).is_ok());
    }
}
