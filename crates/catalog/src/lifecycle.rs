//! Which tokens end with what happens to a user or an application (WSO2's table, with its gaps closed).

use latchkey_oauth::event::EventKind;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::revocation::{Reason, Selector};

use crate::user::{Bar, User, UserChange, UserState};

/// Something that happened to a user or a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// The user was deleted.
    UserDeleted,
    /// The user was locked.
    UserLocked,
    /// The user was unlocked.
    UserUnlocked,
    /// The account was disabled.
    UserDisabled,
    /// The account was enabled.
    UserEnabled,
    /// Something of the user changed by which nothing is decided.
    UserChanged,
    /// The user's password changed.
    PasswordChanged,
    /// The user lost a role.
    RoleRemoved,
    /// The user got a role.
    RoleAdded,
    /// The application, and so its client, was deleted.
    ApplicationDeleted,
    /// The client's keys were removed from their application.
    KeysRemoved,
    /// The client's secret was regenerated.
    SecretRegenerated,
    /// The client got a secret beside those it has, or one that replaces another after a while.
    SecretAdded,
    /// An administrator ended everything of the user.
    UserRevoked,
    /// An administrator ended everything of the client.
    ClientRevoked,
}

impl LifecycleEvent {
    /// What ends where this happens to `principal`, and why; `None`: nothing does.
    pub const fn ends(self, principal: PrincipalId) -> Option<(Selector, Reason)> {
        Some(match self {
            Self::UserDeleted => (Selector::User(principal), Reason::UserDeleted),
            Self::UserLocked => (Selector::User(principal), Reason::UserLocked),
            Self::UserDisabled => (Selector::User(principal), Reason::UserDisabled),
            Self::PasswordChanged => (Selector::User(principal), Reason::PasswordChanged),
            Self::RoleRemoved => (Selector::User(principal), Reason::RoleRemoved),
            Self::UserRevoked => (Selector::User(principal), Reason::Administrator),
            Self::ApplicationDeleted | Self::KeysRemoved => {
                (Selector::Client(principal), Reason::ApplicationDeleted)
            }
            Self::SecretRegenerated => (Selector::Client(principal), Reason::SecretRegenerated),
            Self::ClientRevoked => (Selector::Client(principal), Reason::Administrator),
            Self::UserUnlocked
            | Self::UserEnabled
            | Self::UserChanged
            | Self::RoleAdded
            | Self::SecretAdded => return None,
        })
    }

    /// Its kind in the event log.
    pub const fn kind(self) -> EventKind {
        match self {
            Self::UserDeleted => EventKind::UserDelete,
            Self::UserLocked => EventKind::UserLock,
            Self::UserUnlocked => EventKind::UserUnlock,
            Self::UserDisabled => EventKind::UserDisable,
            Self::UserEnabled => EventKind::UserEnable,
            Self::UserChanged => EventKind::UserChange,
            Self::PasswordChanged => EventKind::PasswordChange,
            Self::RoleRemoved | Self::RoleAdded => EventKind::RoleChange,
            Self::ApplicationDeleted => EventKind::ApplicationDelete,
            Self::KeysRemoved => EventKind::ApplicationChange,
            Self::SecretRegenerated | Self::SecretAdded => EventKind::SecretRegenerate,
            Self::UserRevoked | Self::ClientRevoked => EventKind::RevokeAll,
        }
    }
}

/// What happens to a user by `changes`, which made `after` of `before`: in the order in which it is noted, and
/// never nothing. A bar that is there already ends tokens once more, whatever slipped by it.
pub fn events_of(before: &User, after: &User, changes: &[UserChange]) -> Vec<LifecycleEvent> {
    let mut events = events_of_bars(before.state, after.state, |bar| changes.contains(&UserChange::Bar(bar)));
    if changes.iter().any(|change| matches!(change, UserChange::Password(_))) {
        events.push(LifecycleEvent::PasswordChanged);
    }
    if before.roles.difference(&after.roles).next().is_some() {
        events.push(LifecycleEvent::RoleRemoved);
    } else if before.roles != after.roles {
        events.push(LifecycleEvent::RoleAdded);
    }
    if before.profile != after.profile || events.is_empty() {
        events.push(LifecycleEvent::UserChanged);
    }
    events
}

fn events_of_bars(before: UserState, after: UserState, is_set: impl Fn(Bar) -> bool) -> Vec<LifecycleEvent> {
    let bars = [
        (Bar::Disabled, LifecycleEvent::UserDisabled, LifecycleEvent::UserEnabled),
        (Bar::Locked, LifecycleEvent::UserLocked, LifecycleEvent::UserUnlocked),
    ];
    let event = |(bar, comes, goes)| match (before.has(bar), after.has(bar)) {
        (false, true) => Some(comes),
        (true, true) if is_set(bar) => Some(comes),
        (true, false) => Some(goes),
        (true, true) | (false, false) => None,
    };
    bars.into_iter().filter_map(event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::Profile;
    use latchkey_oauth::clock::Timestamp;

    /// Which changes end every token of a user, and how each is noted.
    #[test]
    fn what_ends_with_a_change_of_a_user() {
        let user = |state| User {
            id: PrincipalId::from_bytes([1; 16]),
            name: "alice".to_owned(),
            password: "p".to_owned(),
            roles: ["reader".to_owned()].into(),
            state,
            profile: Profile::default(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        };
        let (open, shut) = (UserState::Active, UserState::DisabledAndLocked);
        let role = |name: &str| name.to_owned();
        let table: [(UserState, UserChange, EventKind, bool); 10] = [
            (open, UserChange::Bar(Bar::Locked), EventKind::UserLock, true),
            (open, UserChange::Bar(Bar::Disabled), EventKind::UserDisable, true),
            (shut, UserChange::Bar(Bar::Locked), EventKind::UserLock, true),
            (shut, UserChange::Unbar(Bar::Locked), EventKind::UserUnlock, false),
            (shut, UserChange::Unbar(Bar::Disabled), EventKind::UserEnable, false),
            (open, UserChange::Password("p".to_owned()), EventKind::PasswordChange, true),
            (open, UserChange::TakeRole(role("reader")), EventKind::RoleChange, true),
            (open, UserChange::Roles([role("writer")].into()), EventKind::RoleChange, true),
            (open, UserChange::GiveRole(role("writer")), EventKind::RoleChange, false),
            (open, UserChange::GivenName(Some("Alice".to_owned())), EventKind::UserChange, false),
        ];
        for (state, change, kind, ends) in table {
            let before = user(state);
            let changes = [change];
            let after = before.changed(&changes).unwrap();
            let events = events_of(&before, &after, &changes);
            let told: Vec<_> =
                events.iter().map(|event| (event.kind(), event.ends(before.id).is_some())).collect();
            assert_eq!(told, [(kind, ends)], "{changes:?}");
        }
        let before = user(open);
        assert_eq!(
            events_of(&before, &before, &[UserChange::Unbar(Bar::Locked)]),
            [LifecycleEvent::UserChanged]
        );
    }
}
