//! Which API and which resource a call is for.
//!
//! [`Routes`] is built once for a state of the catalogue and never changes; a gateway swaps it for the next
//! one. Finding a route allocates nothing: one hash look-up for each number of segments that a context may
//! have, then a walk down the API's templates.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use http::header::AUTHORIZATION;
use http::{HeaderName, Method};
use latchkey_catalog::api::{
    API_KEY_HEADER, Api, ApiDefinition, ApiState, BadApi, Resource, Scheme, VersionRole,
};
use latchkey_catalog::deny::Denied;
use latchkey_catalog::tier::{Tier, seeded};
use latchkey_catalog::upstream::UpstreamUrl;

use crate::path::Target;
use crate::throttle::TierTable;
use templates::Templates;

mod templates;

/// All routes of a gateway.
#[derive(Debug, Default)]
pub struct Routes {
    /// The APIs by context and version, `/echo/1.0.0`, and the default versions by context alone, `/echo`.
    apis: HashMap<Box<str>, Arc<RoutedApi>, RandomState>,
    /// The most slashes that a key of `apis` has.
    depth: usize,
    tiers: TierTable,
    denied: Denied,
}

/// An API with its resources laid out for matching.
#[derive(Debug)]
pub struct RoutedApi {
    api: Api,
    path: Box<str>,
    templates: Templates,
    methods: Vec<Method>,
    credentials: Credentials,
}

/// Which headers carry credentials to an API.
#[derive(Debug)]
struct Credentials {
    token_header: HeaderName,
    takes_tokens: bool,
    /// None where the API takes no API keys.
    key_header: Option<HeaderName>,
}

/// An API that has no route, and why; the others have theirs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the API {path} has no route: {problem}")]
pub struct Unrouted {
    /// Context and version.
    pub path: String,
    /// What is wrong.
    pub problem: RouteProblem,
}

/// Why an API has no route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteProblem {
    /// It does not hold what an API must.
    #[error(transparent)]
    Bad(#[from] BadApi),
    /// Another API has the same context and version, or a default version's context.
    #[error("{0} has that path already; give one of the two another context or version")]
    Taken(String),
}

/// Which listener a call came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Where a call goes.
#[derive(Debug, Clone, Copy)]
pub struct Route<'routes, 'target> {
    /// The API.
    pub api: &'routes Arc<RoutedApi>,
    /// The resource's place in [`RoutedApi::resources`], for who keeps the API beyond the snapshot.
    pub resource: usize,
    /// What follows context and version: the path under the upstream's address. Empty, or with a slash at
    /// its beginning.
    pub rest: &'target str,
}

/// Why a call has no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// No API of that context and version is to be called by this listener.
    UnknownApi,
    /// The API has no resource of that path.
    UnknownResource,
    /// The API has resources of that path, for these methods.
    MethodNotAllowed(Vec<Method>),
    /// The API's provider blocked it for a while.
    ApiBlocked,
}

impl Routes {
    /// Lays out all `apis` that have a route. One that cannot have it is reported and left out; where two
    /// want the same path, the first one keeps it, and named versions go before default versions. The tiers
    /// are those of a new installation until [`Self::with_tiers`] gives others.
    pub fn build(apis: impl IntoIterator<Item = Api>) -> (Self, Vec<Unrouted>) {
        let mut routes = Self { tiers: seeded().into_iter().collect(), ..Self::default() };
        let mut unrouted = Vec::new();
        let mut defaults = Vec::new();
        for api in apis.into_iter().filter(|api| api.definition.is_routed()) {
            let path = api.path();
            let added = RoutedApi::new(api).and_then(|api| routes.add(&path, &Arc::new(api)));
            match added {
                Ok(api) if api.api.definition.versions == VersionRole::Default => defaults.push(api),
                Ok(_) => {}
                Err(problem) => unrouted.push(Unrouted { path, problem }),
            }
        }
        for api in defaults {
            if let Err(problem) = routes.add(&api.api.context, &api) {
                unrouted.push(Unrouted { path: api.api.context.clone(), problem });
            }
        }
        (routes, unrouted)
    }

    /// The same routes with these tiers and no others.
    #[must_use]
    pub fn with_tiers(self, tiers: impl IntoIterator<Item = Tier>) -> Self {
        Self { tiers: tiers.into_iter().collect(), ..self }
    }

    /// The tiers, of the same state of the catalogue as the routes.
    pub const fn tiers(&self) -> &TierTable {
        &self.tiers
    }

    /// The same routes, with these deny policies and no others.
    #[must_use]
    pub fn with_denied(self, denied: Denied) -> Self {
        Self { denied, ..self }
    }

    /// What deny policies keep from calling, of the same state of the catalogue as the routes.
    pub const fn denied(&self) -> &Denied {
        &self.denied
    }

    fn add(&mut self, path: &str, api: &Arc<RoutedApi>) -> Result<Arc<RoutedApi>, RouteProblem> {
        if let Some(holder) = self.apis.get(path) {
            return Err(RouteProblem::Taken(holder.api.path()));
        }
        self.depth = self.depth.max(path.matches('/').count());
        self.apis.insert(path.into(), Arc::clone(api));
        Ok(Arc::clone(api))
    }

    /// The API that a path is for, with what follows its context and version. The longest context wins.
    ///
    /// A preflight needs the API alone, before any resource.
    pub fn api<'target>(&self, target: &'target Target<'_>) -> Option<(&Arc<RoutedApi>, &'target str)> {
        let path = target.path();
        let slashes = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(place, _)| place);
        let ends = slashes.skip(1).chain([path.len()]).take(self.depth);
        // Going up from the shortest costs no more than going down, and needs no list of the places.
        let found = ends.filter_map(|end| Some((self.apis.get(&path[..end])?, &path[end..])));
        found.last()
    }

    /// Where a call goes. Of the resources that have the method, the most specific template wins: fixed text
    /// before a name in braces, segment by segment from the left, and both before `*`. HEAD goes where GET
    /// does, unless the API has a resource for it.
    pub fn find<'routes, 'target>(
        &'routes self,
        method: &Method,
        target: &'target Target<'_>,
        transport: Transport,
    ) -> Result<Route<'routes, 'target>, Denial> {
        let (api, rest) = self.api(target).ok_or(Denial::UnknownApi)?;
        if !api.listens_to(transport) {
            return Err(Denial::UnknownApi);
        }
        if api.api.definition.state == ApiState::Blocked {
            return Err(Denial::ApiBlocked);
        }
        let mut resource = api.templates.find(method, rest);
        if resource.is_none() && *method == Method::HEAD {
            resource = api.templates.find(&Method::GET, rest);
        }
        match resource {
            Some(resource) => Ok(Route { api, resource, rest }),
            None => Err(api.denial(rest)),
        }
    }

    /// The addresses of all upstreams; one may come more than once.
    pub fn upstreams(&self) -> impl Iterator<Item = &UpstreamUrl> {
        let definitions = self.apis.values().map(|api| &api.api.definition);
        let upstreams = definitions.flat_map(|definition| [&definition.production, &definition.sandbox]);
        upstreams.flatten().flat_map(|upstream| &upstream.urls)
    }

    /// How many paths lead to an API.
    pub fn len(&self) -> usize {
        self.apis.len()
    }

    /// Whether no API has a route.
    pub fn is_empty(&self) -> bool {
        self.apis.is_empty()
    }
}

impl RoutedApi {
    fn new(api: Api) -> Result<Self, RouteProblem> {
        api.check()?;
        let templates = Templates::of(&api.definition.resources);
        let mut methods: Vec<Method> = Vec::new();
        for resource in &api.definition.resources {
            match Method::from_bytes(resource.method.as_bytes()) {
                Ok(method) if !methods.contains(&method) => methods.push(method),
                // What is no method was refused by the check.
                Ok(_) | Err(_) => {}
            }
        }
        let credentials = Credentials::of(&api.definition);
        Ok(Self { path: api.path().into(), api, templates, methods, credentials })
    }

    /// The API as the catalogue knows it.
    pub const fn api(&self) -> &Api {
        &self.api
    }

    /// Its context and version, `/echo/1.0.0`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its resources.
    pub fn resources(&self) -> &[Resource] {
        &self.api.definition.resources
    }

    /// All methods of its resources, which a preflight is told.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The header that carries a token, and ends at the gateway; whether the API takes tokens or not.
    pub const fn token_header(&self) -> &HeaderName {
        &self.credentials.token_header
    }

    /// Whether it takes tokens.
    pub const fn takes_tokens(&self) -> bool {
        self.credentials.takes_tokens
    }

    /// The header that carries an API key; none where it takes none.
    pub const fn key_header(&self) -> Option<&HeaderName> {
        self.credentials.key_header.as_ref()
    }

    const fn listens_to(&self, transport: Transport) -> bool {
        match transport {
            Transport::Http => self.api.definition.transports.http,
            Transport::Https => self.api.definition.transports.https,
        }
    }

    fn denial(&self, rest: &str) -> Denial {
        let has = |method: &Method| self.templates.find(method, rest).is_some();
        let mut allowed: Vec<Method> = self.methods.iter().filter(|method| has(method)).cloned().collect();
        if allowed.contains(&Method::GET) && !allowed.contains(&Method::HEAD) {
            allowed.push(Method::HEAD);
        }
        if allowed.is_empty() { Denial::UnknownResource } else { Denial::MethodNotAllowed(allowed) }
    }
}

impl Credentials {
    fn of(definition: &ApiDefinition) -> Self {
        // What is no header name was refused by the check.
        let named = |header: &str| HeaderName::from_bytes(header.as_bytes()).ok();
        let key_header = definition.api_key_header.as_deref().unwrap_or(API_KEY_HEADER);
        Self {
            token_header: definition.authorization_header.as_deref().and_then(named).unwrap_or(AUTHORIZATION),
            takes_tokens: definition.schemes.takes(Scheme::OAuth2),
            key_header: named(key_header).filter(|_| definition.schemes.takes(Scheme::ApiKey)),
        }
    }
}

impl<'routes> Route<'routes, '_> {
    /// The resource.
    pub fn resource(&self) -> &'routes Resource {
        &self.api.api.definition.resources[self.resource]
    }
}

#[cfg(test)]
mod tests;
