//! What publishers change.

use latchkey_catalog::api::{Api, ApiDefinition};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::{Deployment, Listing, SharedScope};

use super::CatalogueChange;

/// An API as a publisher makes it: it is nowhere deployed.
#[derive(Debug, Clone)]
pub struct NewApi {
    /// The API.
    pub api: Api,
    /// What portals show of it.
    pub listing: Listing,
    /// The `OpenAPI` document as it was given.
    pub document: Option<String>,
}

/// What a publisher says of an API from now on. What is deployed stays so.
#[derive(Debug, Clone)]
pub struct ApiEdit {
    /// The API.
    pub id: EntryId,
    /// What portals show of it; when it was made does not count.
    pub listing: Listing,
    /// The definition that the next revision is of.
    pub draft: ApiDefinition,
    /// The `OpenAPI` document as it was given; none: as it is.
    pub document: Option<String>,
}

/// A revision to be made of an API's draft, or, where there is none, of its definition in force.
#[derive(Debug, Clone)]
pub struct NewRevision {
    /// Its id.
    pub id: EntryId,
    /// The API.
    pub api: EntryId,
    /// Free text.
    pub description: String,
}

/// What a publisher changes.
#[derive(Debug, Clone)]
pub enum PublisherChange {
    /// An API more, which is not deployed.
    AddApi(NewApi),
    /// Another draft and listing of an API.
    EditApi(ApiEdit),
    /// A revision more, of which there are at most [`latchkey_catalog::listing::MAX_REVISIONS`].
    AddRevision(NewRevision),
    /// A revision less, if it is nowhere deployed.
    RemoveRevision {
        /// The API.
        api: EntryId,
        /// The revision.
        revision: EntryId,
    },
    /// A revision comes to environments, in place of those that are there: its definition is in force.
    DeployRevision {
        /// The API.
        api: EntryId,
        /// The revision.
        revision: EntryId,
        /// Where.
        deployments: Vec<Deployment>,
    },
    /// A revision leaves environments.
    UndeployRevision {
        /// The API.
        api: EntryId,
        /// The revision.
        revision: EntryId,
        /// Their names.
        environments: Vec<String>,
    },
    /// A shared scope more.
    AddSharedScope(SharedScope),
    /// Other roles and texts of a shared scope, wherever it is used; its name stays.
    UpdateSharedScope(SharedScope),
    /// A shared scope less, if no API uses it.
    DeleteSharedScope(EntryId),
    /// A role that nobody has yet.
    DeclareRole(String),
    /// A role less, if nobody has it.
    DeleteRole(String),
}

impl From<PublisherChange> for CatalogueChange {
    fn from(change: PublisherChange) -> Self {
        Self::Publisher(Box::new(change))
    }
}
