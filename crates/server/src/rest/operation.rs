//! The operations: each with its method, its path, who may use it, and what answers it.
//!
//! The router is made from these rows, so there is no route without one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::Method;

use super::call::Call;
use super::caller::Caller;
use super::contract::Contract;
use super::error::{Fault, RestError};
use super::surface::Surface;
use crate::http::answer::Whole;

/// What an operation comes to.
pub(crate) type Answer = Result<Whole, RestError>;

/// The largest body of an operation that says nothing else, in bytes.
const BODY: usize = 64 * 1024;

/// Who may use an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever asks; who shows credentials must show good ones.
    Anyone,
    /// Every user.
    SignedIn,
    /// Who has one of these scopes: a bearer whose token holds it, a user by the password whose roles give it.
    Scopes(&'static [&'static str]),
}

/// One operation.
#[derive(Clone)]
pub(crate) struct Operation {
    /// The interface.
    pub(crate) surface: Surface,
    /// The method; HEAD goes with GET.
    pub(crate) method: Method,
    /// The path below each base of the interface.
    pub(crate) path: &'static str,
    /// Who may use it.
    pub(crate) access: Access,
    /// The largest body, in bytes.
    pub(crate) body: usize,
    /// What it takes and answers.
    pub(crate) contract: Contract,
    handler: Handler,
}

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Open = Arc<dyn Fn(Call, Option<Caller>) -> Answering + Send + Sync>;
type Closed = Arc<dyn Fn(Call, Caller) -> Answering + Send + Sync>;

#[derive(Clone)]
enum Handler {
    Open(Open),
    Closed(Closed),
}

impl fmt::Debug for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {:?} {} for {:?}", self.method, self.surface, self.path, self.access)
    }
}

impl Surface {
    /// An operation for whoever asks.
    pub(crate) fn open<F, A>(self, method: Method, path: &'static str, handler: F) -> Operation
    where
        F: Fn(Call, Option<Caller>) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let handler: Open = Arc::new(move |call, caller| Box::pin(handler(call, caller)));
        let handler = Handler::Open(handler);
        let contract = Contract::default();
        Operation { surface: self, method, path, access: Access::Anyone, body: BODY, contract, handler }
    }

    /// An operation for every user.
    pub(crate) fn signed_in<F, A>(self, method: Method, path: &'static str, handler: F) -> Operation
    where
        F: Fn(Call, Caller) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        self.closed((method, path), Access::SignedIn, handler)
    }

    /// An operation for who has one of `scopes`.
    pub(crate) fn scoped<F, A>(
        self,
        method: Method,
        path: &'static str,
        scopes: &'static [&'static str],
        handler: F,
    ) -> Operation
    where
        F: Fn(Call, Caller) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        self.closed((method, path), Access::Scopes(scopes), handler)
    }

    fn closed<F, A>(self, (method, path): (Method, &'static str), access: Access, handler: F) -> Operation
    where
        F: Fn(Call, Caller) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let handler: Closed = Arc::new(move |call, caller| Box::pin(handler(call, caller)));
        let (contract, handler) = (Contract::default(), Handler::Closed(handler));
        Operation { surface: self, method, path, access, body: BODY, contract, handler }
    }
}

impl Operation {
    /// The same operation with another limit on its body.
    #[must_use]
    pub(crate) fn with_body(mut self, limit: usize) -> Self {
        self.body = limit;
        self
    }

    /// Refuses a caller who may not use it.
    pub(crate) fn admits(&self, caller: Option<&Caller>) -> Result<(), RestError> {
        match (self.access, caller) {
            (Access::Anyone, _) | (Access::SignedIn, Some(_)) => Ok(()),
            (Access::SignedIn | Access::Scopes(_), None) => Err(RestError::of(Fault::Unauthenticated)),
            (Access::Scopes(scopes), Some(caller)) if caller.may(scopes) => Ok(()),
            (Access::Scopes(_), Some(_)) => Err(RestError::of(Fault::Forbidden)),
        }
    }

    /// Answers a call that it [admits](Self::admits).
    pub(crate) async fn answer(&self, call: Call, caller: Option<Caller>) -> Answer {
        match (&self.handler, caller) {
            (Handler::Open(handler), caller) => handler(call, caller).await,
            (Handler::Closed(handler), Some(caller)) => handler(call, caller).await,
            (Handler::Closed(_), None) => Err(RestError::of(Fault::Unauthenticated)),
        }
    }
}
