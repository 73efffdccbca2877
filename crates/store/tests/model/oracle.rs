//! The sequential model: what the design says, in terms of tokens and who superseded whom. It knows no
//! generations, no rows of a database and no function of the token core.

use latchkey_oauth::holder::OnLimit;
use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Life, Repeat, SCOPES, Turning};

/// Milliseconds for which a lost response may be asked for again, and for which a used one may.
pub(crate) const RETRY_WINDOW: i64 = 30_000;
pub(crate) const OVERLAP: i64 = 5_000;

/// A key of the plan: client, user, scope set.
pub(crate) type Key = (usize, usize, usize);
/// The number of a token: none is given twice.
pub(crate) type Serial = u64;

/// What is asked of an issue.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) key: Key,
    /// What breaks a tie between two issues of the same moment: the id that a new family would get.
    pub(crate) id: [u8; 16],
    pub(crate) repeat: Repeat,
    pub(crate) access: Life,
    pub(crate) refresh: Option<Life>,
    pub(crate) seen: (u64, u64),
}

/// What is asked of a refresh.
#[derive(Debug, Clone)]
pub(crate) struct Presented {
    pub(crate) serial: Serial,
    /// None where the token was sent to a shard that never had it.
    pub(crate) client: Option<usize>,
    pub(crate) scope: Option<&'static str>,
    pub(crate) turning: Turning,
    pub(crate) lives: (Life, Life),
}

/// Tokens as they are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) access: Serial,
    pub(crate) access_ends: Life,
    pub(crate) scope: String,
    pub(crate) refresh: Option<(Serial, Life)>,
}

/// An answer to an issue or a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Tokens(Tokens),
    Stale,
    LimitReached,
    Unknown,
    Superseded,
    Replayed,
    Expired,
    Widened,
    /// A retry asked for other scopes than the refresh that it repeats.
    Changed,
}

#[derive(Debug, Clone)]
struct Access {
    serial: Serial,
    issued: i64,
    ends: Life,
    scope: String,
}

#[derive(Debug, Clone)]
struct Refresh {
    serial: Serial,
    issued: i64,
    ends: Life,
    used: bool,
    /// The tokens that refreshing has spent since the last sign-in, the oldest first.
    spent: Vec<Serial>,
}

#[derive(Debug, Clone)]
struct Sitting {
    id: [u8; 16],
    epochs: (u64, u64),
    access: Access,
    refresh: Option<Refresh>,
    /// Every refresh token that this family ever had.
    ever: BTreeSet<Serial>,
}

/// The world as the design has it.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) now: i64,
    limits: (u32, u32),
    on_limit: OnLimit,
    clients: [u64; 2],
    users: [u64; 2],
    sittings: BTreeMap<Key, Sitting>,
    serials: Serial,
}

fn device(scope: usize) -> Option<&'static str> {
    SCOPES[scope].split(' ').find(|word| word.starts_with("device_"))
}

impl Oracle {
    pub(crate) fn new(now: i64, limits: (u32, u32), on_limit: OnLimit) -> Self {
        let sittings = BTreeMap::new();
        Self { now, limits, on_limit, clients: [1; 2], users: [1; 2], sittings, serials: 0 }
    }

    pub(crate) fn epochs(&self, (client, user, _): Key) -> (u64, u64) {
        (self.clients[client], self.users[user])
    }

    /// The family id of a key's tokens, living or not yet reclaimed.
    pub(crate) fn id(&self, key: Key) -> Option<[u8; 16]> {
        self.sittings.get(&key).map(|sitting| sitting.id)
    }

    fn next(&mut self) -> Serial {
        self.serials += 1;
        self.serials
    }

    fn ends(&self, life: Life) -> Life {
        life.map(|millis| self.now + millis)
    }

    /// Milliseconds left; what never ends has more than anybody counts.
    fn left(&self, ends: Life) -> i64 {
        ends.map_or(i64::MAX, |end| end - self.now)
    }

    fn is_alive(&self, key: Key, sitting: &Sitting) -> bool {
        let refreshable = sitting.refresh.as_ref().is_some_and(|refresh| self.left(refresh.ends) > 0);
        sitting.epochs == self.epochs(key) && (refreshable || self.left(sitting.access.ends) > 0)
    }

    /// Whether this access token is accepted now.
    pub(crate) fn accepts(&self, serial: Serial) -> bool {
        self.sittings.iter().any(|(key, sitting)| {
            sitting.access.serial == serial
                && sitting.epochs == self.epochs(*key)
                && self.left(sitting.access.ends) > 0
        })
    }

    /// The keys that hold tokens, living or not yet reclaimed, of a client and a user.
    pub(crate) fn held_by(&self, (client, user): (usize, usize)) -> Vec<Key> {
        self.sittings.keys().filter(|key| (key.0, key.1) == (client, user)).copied().collect()
    }

    pub(crate) fn issue(&mut self, wish: &Wish) -> Answer {
        if wish.seen != self.epochs(wish.key) {
            return Answer::Stale;
        }
        match self.sittings.remove(&wish.key) {
            Some(held) if held.epochs == wish.seen => self.repeat(wish, held),
            Some(_) => self.sit_down(wish),
            None if self.make_room(wish.key) => self.sit_down(wish),
            None => Answer::LimitReached,
        }
    }

    fn sit_down(&mut self, wish: &Wish) -> Answer {
        let access = self.new_access(wish, SCOPES[wish.key.2]);
        let refresh = self.new_refresh(wish);
        let ever = refresh.iter().map(|refresh| refresh.serial).collect();
        self.place(wish.key, Sitting { id: wish.id, epochs: wish.seen, access, refresh, ever })
    }

    fn place(&mut self, key: Key, sitting: Sitting) -> Answer {
        let tokens = Tokens {
            access: sitting.access.serial,
            access_ends: sitting.access.ends,
            scope: sitting.access.scope.clone(),
            refresh: sitting.refresh.as_ref().map(|refresh| (refresh.serial, refresh.ends)),
        };
        self.sittings.insert(key, sitting);
        Answer::Tokens(tokens)
    }

    fn new_access(&mut self, wish: &Wish, scope: &str) -> Access {
        let (serial, issued, ends) = (self.next(), self.now, self.ends(wish.access));
        Access { serial, issued, ends, scope: scope.to_owned() }
    }

    fn new_refresh(&mut self, wish: &Wish) -> Option<Refresh> {
        let (life, serial) = (wish.refresh?, self.next());
        let (issued, ends) = (self.now, self.ends(life));
        Some(Refresh { serial, issued, ends, used: false, spent: Vec::new() })
    }

    /// A request for tokens that are held.
    fn repeat(&mut self, wish: &Wish, mut held: Sitting) -> Answer {
        let full = SCOPES[wish.key.2];
        let access_live = self.left(held.access.ends) > 1000;
        let refresh_live = held.refresh.as_ref().is_none_or(|refresh| self.left(refresh.ends) > 1000);
        let same_shape = held.refresh.is_some() == wish.refresh.is_some();
        let wanted = wish.access.unwrap_or(i64::MAX);
        let as_wished = held.access.scope == full && self.left(held.access.ends) <= wanted && same_shape;
        if wish.repeat == Repeat::SameTokens && access_live && refresh_live && as_wished {
            return self.place(wish.key, held);
        }
        let keeps = match wish.repeat {
            Repeat::SameTokens => !access_live,
            Repeat::NewAccess => true,
            Repeat::NewPair => false,
        };
        let outlives = held
            .refresh
            .as_ref()
            .is_none_or(|refresh| refresh.ends.is_none() || self.left(refresh.ends) > wanted);
        held.access = self.new_access(wish, full);
        if !(keeps && outlives && same_shape) {
            held.refresh = self.new_refresh(wish);
            held.ever.extend(held.refresh.iter().map(|refresh| refresh.serial));
        }
        self.place(wish.key, held)
    }

    /// Makes room for a family more; false where the request has to give way.
    fn make_room(&mut self, key: Key) -> bool {
        let who = (key.0, key.1);
        let devices = |keys: &[Key]| keys.iter().filter_map(|key| device(key.2)).collect::<BTreeSet<_>>();
        let limits = (self.limits.0 as usize, self.limits.1 as usize);
        let fits = |keys: &[Key]| {
            let held = devices(keys);
            let adds = device(key.2).is_some_and(|device| !held.contains(device));
            (keys.len() < limits.1, !adds || held.len() < limits.0)
        };
        if fits(&self.held_by(who)) == (true, true) {
            return true;
        }
        let (living, dead): (Vec<Key>, Vec<Key>) =
            self.held_by(who).into_iter().partition(|key| self.is_alive(*key, &self.sittings[key]));
        if self.on_limit == OnLimit::Reject && fits(&living) != (true, true) {
            return false;
        }
        self.sittings.retain(|key, _| !dead.contains(key));
        while !fits(&self.held_by(who)).1 {
            let oldest =
                devices(&self.held_by(who)).into_iter().min_by_key(|device| self.last_issue(who, device));
            let leaves = oldest.expect("there are devices");
            self.sittings.retain(|key, _| (key.0, key.1) != who || device(key.2) != Some(leaves));
        }
        while !fits(&self.held_by(who)).0 {
            let oldest = self.held_by(who).into_iter().min_by_key(|key| self.age(*key));
            self.sittings.remove(&oldest.expect("there are families"));
        }
        true
    }

    fn age(&self, key: Key) -> (i64, [u8; 16]) {
        (self.sittings[&key].access.issued, self.sittings[&key].id)
    }

    fn last_issue(&self, who: (usize, usize), name: &str) -> Option<(i64, [u8; 16])> {
        let of_it = self.held_by(who).into_iter().filter(|key| device(key.2) == Some(name));
        of_it.map(|key| self.age(key)).max()
    }

    pub(crate) fn refresh(&mut self, presented: &Presented) -> Answer {
        let owner = self.sittings.iter().find(|(_, sitting)| sitting.ever.contains(&presented.serial));
        let Some((&key, held)) = owner.filter(|(key, _)| presented.client == Some(key.0)) else {
            return Answer::Unknown;
        };
        let Some(current) = held.refresh.clone().filter(|_| held.epochs == self.epochs(key)) else {
            return Answer::Unknown;
        };
        let is_current = presented.serial == current.serial;
        if !is_current && !current.spent.contains(&presented.serial) {
            return Answer::Superseded;
        }
        let window = if current.used { OVERLAP } else { RETRY_WINDOW };
        let may_retry =
            current.spent.last() == Some(&presented.serial) && self.now - current.issued <= window;
        if !is_current && !may_retry {
            self.sittings.remove(&key);
            return Answer::Replayed;
        }
        if self.left(current.ends) <= 0 {
            return Answer::Expired;
        }
        if presented.scope.is_some_and(|scope| scope.split(' ').any(|word| !has(SCOPES[key.2], word))) {
            return Answer::Widened;
        }
        if !is_current && presented.scope.unwrap_or(SCOPES[key.2]) != held.access.scope {
            return Answer::Changed;
        }
        let sitting = self.sittings.remove(&key).expect("found above");
        let sitting = match (is_current, presented.turning) {
            (false, _) if self.left(sitting.access.ends) > 0 => sitting,
            (false, _) | (true, Turning::Keep) => self.turned(presented, key, sitting),
            (true, turning) => {
                let mut sitting = self.turned(presented, key, sitting);
                let ends =
                    if turning == Turning::Absolute { current.ends } else { self.ends(presented.lives.1) };
                let serial = self.next();
                let spent = [current.spent, vec![current.serial]].concat();
                sitting.refresh = Some(Refresh { serial, issued: self.now, ends, used: false, spent });
                sitting.ever.insert(serial);
                sitting
            }
        };
        self.place(key, sitting)
    }

    /// The family with a new access token.
    fn turned(&mut self, presented: &Presented, key: Key, sitting: Sitting) -> Sitting {
        let (serial, issued, ends) = (self.next(), self.now, self.ends(presented.lives.0));
        let scope = presented.scope.unwrap_or(SCOPES[key.2]).to_owned();
        Sitting { access: Access { serial, issued, ends, scope }, ..sitting }
    }

    pub(crate) fn mark_used(&mut self, serial: Serial) {
        let refreshes = self.sittings.values_mut().filter_map(|sitting| sitting.refresh.as_mut());
        for refresh in refreshes.filter(|refresh| refresh.serial == serial && !refresh.spent.is_empty()) {
            refresh.used = true;
        }
    }

    /// Ends the families of which `ends` says so; how many.
    pub(crate) fn end(&mut self, ends: impl Fn(Key, &[u8; 16]) -> bool) -> u64 {
        let before = self.sittings.len();
        self.sittings.retain(|key, sitting| !ends(*key, &sitting.id));
        (before - self.sittings.len()) as u64
    }

    pub(crate) fn end_device(&mut self, (client, user): (usize, usize), scope: usize) -> u64 {
        self.end(|key, _| (key.0, key.1) == (client, user) && device(key.2) == device(scope))
    }

    pub(crate) fn reset_user(&mut self, user: usize) {
        self.users[user] += 1;
    }

    pub(crate) fn reset_client(&mut self, client: usize) {
        self.clients[client] += 1;
    }

    /// Reclaims what is dead of a client and a user; how many.
    pub(crate) fn sweep(&mut self, who: (usize, usize)) -> u64 {
        let keys = self.held_by(who).into_iter().filter(|key| !self.is_alive(*key, &self.sittings[key]));
        let dead: Vec<Key> = keys.collect();
        self.sittings.retain(|key, _| !dead.contains(key));
        dead.len() as u64
    }

    /// The refresh tokens that a store must still recognise by their value: the current one and the one
    /// before it.
    pub(crate) fn recognises_refresh(&self, serial: Serial) -> bool {
        let refreshes = self.sittings.values().filter_map(|sitting| sitting.refresh.as_ref());
        refreshes.into_iter().any(|refresh| refresh.serial == serial || refresh.spent.last() == Some(&serial))
    }

    /// The access tokens that a store must still recognise by their value.
    pub(crate) fn recognises_access(&self, serial: Serial) -> bool {
        self.sittings.values().any(|sitting| sitting.access.serial == serial)
    }
}

fn has(scope: &str, word: &str) -> bool {
    scope.split(' ').any(|member| member == word)
}
