//! What a batch changes of what is known of clients, API keys, users and the catalogue.

use std::collections::HashSet;

use latchkey_catalog::id::EntryId;
use latchkey_catalog::user::User;
use latchkey_oauth::id::PrincipalId;
use rusqlite::Connection;

use super::cache::Catalogue;
use super::{catalogue, governance, people};
use crate::Result;

/// The notes of one batch, each taken before the row is written.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// What it changes of the catalogue.
    pub(super) catalogue: Catalogue,
    /// Clients and API keys that are known by something else now.
    pub(super) clients: HashSet<PrincipalId>,
    /// Clients that the batch makes: nobody can know anything of them yet.
    pub(super) made: HashSet<PrincipalId>,
    /// Users who are known by something else than their roles now.
    pub(super) users: HashSet<PrincipalId>,
}

impl Noted {
    pub(super) fn catalogue(&mut self, catalogue: Catalogue) {
        self.catalogue = self.catalogue.max(catalogue);
    }

    /// The application of clients and API keys becomes another, or its subscriptions do.
    pub(super) fn application(&mut self, connection: &Connection, id: EntryId) -> Result<()> {
        self.clients.extend(catalogue::holders(connection, id)?);
        Ok(())
    }

    /// The name of an application or user may be another's then: deny policies go by such names.
    pub(super) fn name(&mut self, connection: &Connection) -> Result<()> {
        if governance::denies_names(connection)? {
            self.catalogue(Catalogue::Published);
        }
        Ok(())
    }

    pub(super) fn client(&mut self, connection: &Connection, id: PrincipalId) -> Result<()> {
        let is_new = catalogue::client(connection, id)?.is_none();
        let noted = if is_new { &mut self.made } else { &mut self.clients };
        noted.insert(id);
        Ok(())
    }

    pub(super) fn user(&mut self, connection: &Connection, user: &User) -> Result<()> {
        match people::user(connection, user.id)? {
            None => {}
            Some(before) if before.roles == user.roles => {
                self.users.insert(user.id);
            }
            Some(_) => self.catalogue(Catalogue::Roles),
        }
        self.name(connection)
    }
}
