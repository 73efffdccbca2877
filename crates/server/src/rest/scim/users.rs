//! `/Users` and `/Me`.

use http::header::LOCATION;
use http::{HeaderValue, Method, StatusCode};
use latchkey_catalog::user::search::UserSearch;
use latchkey_catalog::user::{User, UserChange};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::introspection::unqualified;
use serde_json::{Map, Value};

use super::fault::ScimType;
use super::patch::{Patch, UserPatch, check_name};
use super::person::{Person, shown};
use super::search::{self, SearchRequest};
use super::{Listed, PROJECTED, SURFACE, base, descends, filter, json, projected};
use crate::admin::problem::Problem;
use crate::admin::user::{self, NewUser};
use crate::app::{App, unavailable};
use crate::http::answer::{Whole, text};
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::error::{Fault, RestError};
use crate::rest::operation::{Answer, Operation};

/// Who may see a user.
const VIEW: &[&str] = &["internal_user_mgt_view", "internal_user_mgt_list"];
/// A user's place, put together so that it is not taken for somebody's home directory.
const ONE: &str = concat!("/Users", "/{id}");
const SEARCH: &str = concat!("/Users", "/.search");
const LOGIN: &[&str] = &["internal_login"];

pub(super) fn operations() -> Vec<Operation> {
    let (get, put, patch) = (Method::GET, Method::PUT, Method::PATCH);
    vec![
        SURFACE
            .scoped(get.clone(), "/Users", &["internal_user_mgt_list"], list)
            .asks(&Listed::ASKS)
            .asks(&PROJECTED)
            .answers::<Map<String, Value>>(),
        SURFACE
            .scoped(Method::POST, "/Users", &["internal_user_mgt_create"], create)
            .asks(&PROJECTED)
            .takes::<Person>()
            .creates::<Map<String, Value>>(),
        SURFACE
            .scoped(Method::POST, SEARCH, &["internal_user_mgt_list"], find_by_body)
            .takes::<SearchRequest>()
            .answers::<Map<String, Value>>(),
        SURFACE.scoped(get.clone(), ONE, VIEW, one).asks(&PROJECTED).answers::<Map<String, Value>>(),
        SURFACE
            .scoped(put, ONE, &["internal_user_mgt_update"], replace)
            .asks(&PROJECTED)
            .takes::<Person>()
            .answers::<Map<String, Value>>(),
        SURFACE
            .scoped(patch.clone(), ONE, &["internal_user_mgt_update"], change)
            .asks(&PROJECTED)
            .takes::<Patch>()
            .answers::<Map<String, Value>>(),
        SURFACE
            .scoped(Method::DELETE, ONE, &["internal_user_mgt_delete"], delete)
            .answers_only(StatusCode::NO_CONTENT),
        SURFACE.scoped(get, "/Me", LOGIN, me).asks(&PROJECTED).answers::<Map<String, Value>>(),
        SURFACE
            .scoped(patch, "/Me", LOGIN, change_me)
            .asks(&PROJECTED)
            .takes::<Patch>()
            .answers::<Map<String, Value>>(),
    ]
}

async fn list(call: Call, _: Caller) -> Answer {
    let search = call.parameter("filter").map_or_else(|| Ok(UserSearch::default()), filter::users)?;
    let listed = Listed::of(&call)?;
    let (mut offset, mut count) = (listed.offset() as u64, listed.count);
    let descends = descends(&call, "userName")?;
    if descends {
        let all = call.app.store.users_found(search.clone(), 0, 0).await.map_err(unavailable)?.total;
        (offset, count) = listed.backwards(all);
    }
    let found = call.app.store.users_found(search, offset, count).await;
    let mut found = found.map_err(unavailable)?;
    if descends {
        found.users.reverse();
    }
    let base = base(&call.app);
    let page = found.users.iter().map(|user| shown(user, &base)).collect();
    Ok(listed.answer(&call, page, found.total))
}

async fn find_by_body(call: Call, caller: Caller) -> Answer {
    list(search::asked(call)?, caller).await
}

async fn one(call: Call, _: Caller) -> Answer {
    let user = find(&call).await?;
    Ok(answer(&call, &user))
}

async fn me(call: Call, caller: Caller) -> Answer {
    Ok(answer(&call, &caller.user.user))
}

fn answer(call: &Call, user: &User) -> Whole {
    json(StatusCode::OK, &projected(call, shown(user, &base(&call.app))))
}

/// The user that the path names.
async fn find(call: &Call) -> Result<User, RestError> {
    let id = call.path.get("id").and_then(|id| PrincipalId::parse(id));
    by_id(&call.app, id.ok_or(Fault::Ruled(Problem::NoSuchUser)).map_err(RestError::of)?).await
}

async fn by_id(app: &App, id: PrincipalId) -> Result<User, RestError> {
    let found = app.store.user_by_id(id).await.map_err(unavailable)?;
    found.map(|facts| facts.user.clone()).ok_or_else(|| Problem::NoSuchUser.into())
}

/// Makes the user that `body` tells of.
pub(super) async fn make(app: &App, body: Value, actor: &str) -> Result<User, RestError> {
    let mut person = Person::read(body)?;
    let missing = |what| ScimType::InvalidValue.told(format!("A new user needs a {what}."));
    let name = person.user_name.take().ok_or_else(|| missing("userName"))?;
    let password = person.password.take().ok_or_else(|| missing("password"))?;
    let changes = person.changes();
    let roles = std::collections::BTreeSet::new();
    let new = NewUser { name: unqualified(&name).to_owned(), password: password.0, roles, changes };
    Ok(user::create(app, new, actor).await?)
}

async fn create(call: Call, caller: Caller) -> Answer {
    let user = make(&call.app, call.json()?, caller.name()).await?;
    let base = base(&call.app);
    let mut response = json(StatusCode::CREATED, &projected(&call, shown(&user, &base)));
    if let Ok(place) = HeaderValue::from_str(&format!("{base}/Users/{}", user.id)) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

async fn replace(call: Call, caller: Caller) -> Answer {
    let user = find(&call).await?;
    let mut person = Person::read(call.json()?)?;
    check_name(&person, &user)?;
    let password = person.password.take().map(|password| password.0);
    let done = UserPatch { changes: person.replacement(), password };
    update(&call, &user, done, &caller).await
}

async fn change(call: Call, caller: Caller) -> Answer {
    let user = find(&call).await?;
    let done = UserPatch::of(&user, call.json::<Patch>()?)?;
    update(&call, &user, done, &caller).await
}

/// What users may change of themselves: not whether they may sign in. A password is changed by who showed the
/// one before, so that a token that got into other hands does not become the account.
async fn change_me(call: Call, caller: Caller) -> Answer {
    let user = caller.user.user.clone();
    let done = UserPatch::of(&user, call.json::<Patch>()?)?;
    let of_the_account = |change: &UserChange| matches!(change, UserChange::Bar(_) | UserChange::Unbar(_));
    if done.changes.iter().any(of_the_account) {
        return Err(RestError::told(
            Fault::Forbidden,
            "The state of an account is an administrator's matter.",
        ));
    }
    if done.password.is_some() && !caller.showed_password() {
        let how = "A password is changed with the password before it: send that (HTTP Basic), or use change-password.";
        return Err(RestError::told(Fault::Forbidden, how));
    }
    update(&call, &user, done, &caller).await
}

/// Makes the changes and shows the user as it is then.
async fn update(call: &Call, user: &User, done: UserPatch, caller: &Caller) -> Answer {
    let password = done.password.map(|password| (user.id, password));
    let changes = if done.changes.is_empty() { Vec::new() } else { vec![(user.id, done.changes)] };
    if !changes.is_empty() || password.is_some() {
        user::update(&call.app, changes, password, caller.name()).await?;
    }
    let user = by_id(&call.app, user.id).await?;
    Ok(answer(call, &user))
}

async fn delete(call: Call, caller: Caller) -> Answer {
    let user = find(&call).await?;
    user::remove(&call.app, user.id, caller.name()).await?;
    Ok(text(StatusCode::NO_CONTENT, super::MEDIA_TYPE, ""))
}
