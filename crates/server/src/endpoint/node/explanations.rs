//! Explanations that nodes tell when they are asked.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::Request;
use latchkey_gateway::node::explanations::Explained;
use latchkey_gateway::node::wire::Taken;

use super::{NodeDesk, Unanswered, question, told};
use crate::gateway::inquiries::Told;
use crate::http::answer::Whole;

/// Passes on why a node refused a call, to whom asked.
pub async fn explanation(State(desk): State<Arc<NodeDesk>>, request: Request<Body>) -> Whole {
    told(desk.explanation(request).await)
}

impl NodeDesk {
    async fn explanation(&self, request: Request<Body>) -> Result<Taken, Unanswered> {
        let (node, _seat) = self.admit(request.headers()).await?;
        let explained: Explained = question(request).await?;
        let id = explained.check().ok_or(Unanswered::Malformed)?;
        self.app.inquiries.answer(id, &Told { node: node.name, explained });
        Ok(Taken {})
    }
}
