//! Gateway nodes: gateways that run beside no server and ask this one for their facts.

use latchkey_catalog::name::check_node_name;
use latchkey_catalog::node::Node;
use latchkey_store::unit::{CatalogueChange, ChangeRefused};
use serde::{Deserialize, Serialize};

use super::text::{SecretText, moment};
use super::{AdminError, Reply, Result, change};
use crate::app::App;

/// What to do to gateway nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Add one.
    Create {
        /// Its name.
        name: String,
    },
    /// List them.
    List,
    /// Remove one: from its next question on it is told nothing.
    Delete {
        /// Its name.
        name: String,
    },
}

/// A new gateway node.
#[derive(Debug, Serialize, Deserialize)]
pub struct Created {
    /// Its name.
    pub name: String,
    /// The secret that it asks with, shown this once.
    pub secret: SecretText,
}

/// A gateway node.
#[derive(Debug, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: String,
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::Create { name } => {
            check_node_name(&name)?;
            let (node, secret) = Node::draw(&name, app.now(), &*app.entropy);
            match change(app, CatalogueChange::AddNode(node), actor).await? {
                Ok(()) => Ok(Reply::NodeCreated(Created { name, secret: SecretText(secret) })),
                Err(_) => Err(AdminError::refused(format!(
                    "there is a gateway node {name:?} already; choose another name, or delete it first"
                ))),
            }
        }
        Command::List => {
            let view = |node: Node| NodeView { name: node.name, created_at: moment(node.created_at) };
            Ok(Reply::Nodes(app.store.nodes().await?.into_iter().map(view).collect()))
        }
        Command::Delete { name } => {
            match change(app, CatalogueChange::DeleteNode(name.clone()), actor).await? {
                Ok(()) => Ok(Reply::Done(format!(
                    "The gateway node {name} is removed; within revocation.bound it lets no call pass any more."
                ))),
                Err(ChangeRefused::NotFound) => Err(AdminError::refused(format!(
                    "there is no gateway node {name:?}; `latchkey node list` names them"
                ))),
                Err(refused) => Err(AdminError::refused(refused.to_string())),
            }
        }
    }
}
