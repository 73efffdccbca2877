//! The naive side: all tokens ever given out, each with what became of it.

use std::collections::BTreeSet;

use latchkey_oauth::family::Validity;
use latchkey_oauth::issuance::{RefreshOnRenew, Renewal};
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::rotation::RefreshRenewal;

use super::{ASKED, Key, OVERLAP, RETRY_WINDOW, Refreshing, SCOPES, SignIn};

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is the newest of its key.
    Current,
    /// A refresh token that was used; this one took its place.
    Spent { successor: usize },
    /// A later sign-in took its place.
    Replaced,
    /// It was revoked, reset, or ended by a replay; or an access token has a newer one.
    Dead,
}

#[derive(Debug, Clone)]
struct Token {
    text: Option<String>,
    kind: ValueKind,
    key: Key,
    scope: &'static str,
    issued: i64,
    /// None: never.
    ends: Option<i64>,
    fate: Fate,
    /// Whether a use of it was seen, or of the access token beside it.
    used: bool,
}

/// What a request comes to: an access token and a refresh token, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Given((usize, Option<usize>)),
    Replayed,
    Refused,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    all: Vec<Token>,
    now: i64,
}

impl Token {
    fn left(&self, now: i64) -> i64 {
        self.ends.map_or(i64::MAX, |ends| ends - now)
    }

    fn is_valid(&self, now: i64) -> bool {
        self.left(now) > 0
    }
}

impl Model {
    pub(crate) fn tokens(&self) -> std::ops::Range<usize> {
        0..self.all.len()
    }

    pub(crate) fn text(&self, token: usize) -> &str {
        self.all[token].text.as_deref().unwrap()
    }

    pub(crate) fn key(&self, token: usize) -> Key {
        self.all[token].key
    }

    pub(crate) fn scope(&self, token: usize) -> &str {
        self.all[token].scope
    }

    pub(crate) fn kind(&self, token: usize) -> ValueKind {
        self.all[token].kind
    }

    fn nth(&self, number: usize, wanted: impl Fn(&Token) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = self.tokens().filter(|token| wanted(&self.all[*token])).collect();
        fitting.iter().rev().nth(number.checked_rem(fitting.len())?).copied()
    }

    pub(crate) fn nth_token(&self, number: usize) -> Option<usize> {
        self.nth(number, |_| true)
    }

    pub(crate) fn nth_access_token(&self, number: usize) -> Option<usize> {
        self.nth(number, |token| token.kind == ValueKind::Access)
    }

    pub(crate) fn nth_refresh_token(&self, number: usize) -> Option<usize> {
        self.nth(number, |token| token.kind == ValueKind::Refresh)
    }

    /// Whether `text` is the one of `token`; the first text that a token gets must be new.
    pub(crate) fn names(&mut self, token: usize, text: &str) -> bool {
        let is_new = self.all.iter().all(|token| token.text.as_deref() != Some(text));
        let was_known = self.all[token].text.is_some();
        let known = self.all[token].text.get_or_insert_with(|| text.to_owned());
        known == text && (is_new || was_known)
    }

    /// All tokens that are accepted now.
    pub(crate) fn accepted(&self) -> BTreeSet<usize> {
        let is_accepted = |token: &Token| token.fate == Fate::Current && token.is_valid(self.now);
        self.tokens().filter(|token| is_accepted(&self.all[*token])).collect()
    }

    pub(crate) fn pass(&mut self, millis: i64) {
        self.now += millis;
    }

    fn current(&self, key: Key, kind: ValueKind) -> Option<usize> {
        self.tokens().find(|token| {
            let token = &self.all[*token];
            token.key == key && token.kind == kind && token.fate == Fate::Current
        })
    }

    fn end_of(&self, life: Validity) -> Option<i64> {
        match life {
            Validity::Seconds(seconds) => Some(self.now + i64::from(seconds) * 1000),
            Validity::Forever => None,
        }
    }

    fn add(&mut self, key: Key, kind: ValueKind, scope: &'static str, ends: Option<i64>) -> usize {
        if kind == ValueKind::Access
            && let Some(previous) = self.current(key, ValueKind::Access)
        {
            self.all[previous].fate = Fate::Dead;
        }
        let (issued, fate) = (self.now, Fate::Current);
        self.all.push(Token { text: None, kind, key, scope, issued, ends, fate, used: false });
        self.all.len() - 1
    }

    pub(crate) fn sign_in(&mut self, asked: SignIn) -> (usize, Option<usize>) {
        let key = asked.key;
        let (access, refresh) = (self.current(key, ValueKind::Access), self.current(key, ValueKind::Refresh));
        let access_ends = self.end_of(asked.access);
        let same_kind = refresh.is_some() == asked.refresh.is_some();
        // A kept refresh token must outlive the new access token.
        let keepable = same_kind
            && refresh.is_none_or(|refresh| {
                let refresh_ends = self.all[refresh].ends;
                refresh_ends.is_none() || access_ends.is_some_and(|access| refresh_ends > Some(access))
            });
        let more_than_a_second = |token: usize| self.all[token].left(self.now) > 1000;
        let access_lives = access.is_some_and(more_than_a_second);
        let not_above_the_asked = |token: usize| match (self.all[token].ends, access_ends) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(held), Some(asked)) => held <= asked,
        };
        let (reuses, keeps) = match asked.renewal {
            Renewal::Reuse => {
                let unnarrowed = access.is_some_and(|token| self.all[token].scope == SCOPES[key.scope]);
                let reuses = access_lives
                    && same_kind
                    && refresh.is_none_or(more_than_a_second)
                    && unnarrowed
                    && access.is_some_and(not_above_the_asked);
                (reuses, !access_lives && keepable)
            }
            Renewal::RevokePrevious(RefreshOnRenew::Keep) => (false, keepable),
            Renewal::RevokePrevious(RefreshOnRenew::New) | Renewal::KeepPrevious => (false, false),
        };
        if let (true, Some(access)) = (reuses, access) {
            return (access, refresh);
        }
        let fresh = self.add(key, ValueKind::Access, SCOPES[key.scope], access_ends);
        if keeps {
            return (fresh, refresh);
        }
        for token in self.all.iter_mut().filter(|token| token.key == key && token.kind == ValueKind::Refresh)
        {
            if matches!(token.fate, Fate::Current | Fate::Spent { .. }) {
                token.fate = Fate::Replaced;
            }
        }
        let refresh = asked.refresh.map(|life| self.add(key, ValueKind::Refresh, "", self.end_of(life)));
        (fresh, refresh)
    }

    pub(crate) fn refresh(&mut self, asked: Refreshing) -> Outcome {
        let presented = &self.all[asked.token];
        let key = presented.key;
        if !asked.by_own {
            return Outcome::Refused;
        }
        let successor = match presented.fate {
            Fate::Dead | Fate::Replaced => return Outcome::Refused,
            Fate::Current => None,
            Fate::Spent { successor } => {
                let next = &self.all[successor];
                let window = if next.used { OVERLAP } else { RETRY_WINDOW };
                if next.fate != Fate::Current || self.now - next.issued > window {
                    self.end_all(|other| other == key);
                    return Outcome::Replayed;
                }
                Some(successor)
            }
        };
        let current = successor.unwrap_or(asked.token);
        let scope = ASKED[asked.asked];
        if !self.all[current].is_valid(self.now) || scope == Some("a c") {
            return Outcome::Refused;
        }
        let granted = scope.unwrap_or(SCOPES[key.scope]);
        let access = self.current(key, ValueKind::Access);
        if successor.is_some() && access.is_some_and(|access| self.all[access].scope != granted) {
            return Outcome::Refused;
        }
        let access = access.filter(|access| self.all[*access].is_valid(self.now));
        if let (Some(_), Some(access)) = (successor, access) {
            return Outcome::Given((access, successor));
        }
        let access = self.add(key, ValueKind::Access, granted, self.end_of(asked.access));
        if successor.is_some() || asked.renewal == RefreshRenewal::Keep {
            return Outcome::Given((access, Some(current)));
        }
        let ends = match asked.renewal {
            RefreshRenewal::Sliding => self.end_of(asked.refresh),
            RefreshRenewal::Absolute | RefreshRenewal::Keep => self.all[asked.token].ends,
        };
        let successor = self.add(key, ValueKind::Refresh, "", ends);
        self.all[asked.token].fate = Fate::Spent { successor };
        Outcome::Given((access, Some(successor)))
    }

    pub(crate) fn use_token(&mut self, token: usize) {
        if !self.accepted().contains(&token) {
            return;
        }
        if let Some(refresh) = self.current(self.all[token].key, ValueKind::Refresh) {
            self.all[refresh].used = true;
        }
    }

    /// A current access token, or any refresh token of the present sign-in, ends everything of its key.
    pub(crate) fn revoke(&mut self, token: usize) {
        if matches!(self.all[token].fate, Fate::Current | Fate::Spent { .. }) {
            let key = self.all[token].key;
            self.end_all(|other| other == key);
        }
    }

    pub(crate) fn end_all(&mut self, concerned: impl Fn(Key) -> bool) {
        for token in self.all.iter_mut().filter(|token| concerned(token.key)) {
            token.fate = Fate::Dead;
        }
    }
}
