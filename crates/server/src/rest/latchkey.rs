//! Latchkey's own interface: what WSO2 has nothing like.

use http::Method;

use super::call::Call;
use super::caller::Caller;
use super::error::{Fault, RestError};
use super::operation::{Answer, Operation};
use super::surface::Surface;
use crate::admin::explanation::ExplanationView;
use crate::admin::{AdminError, ErrorKind, explanation};
use crate::http::answer::json;

pub(super) fn operations() -> Vec<Operation> {
    let own = Surface::Latchkey;
    vec![
        own.scoped(Method::GET, "/explanations/{explanationId}", &["apim:admin"], explain)
            .answers::<ExplanationView>(),
    ]
}

/// Why the gateway refused a call, as `token explain` tells it: the id is that of the header `Latchkey-Explain`.
async fn explain(call: Call, _: Caller) -> Answer {
    let id = call.path.get("explanationId").map_or("", String::as_str);
    let told = explanation::find(&call.app, id).await.map_err(|error| match error {
        AdminError { kind: ErrorKind::Refused, message, .. } => RestError::told(Fault::NotFound, message),
        error => error.into(),
    })?;
    Ok(json(&told))
}
