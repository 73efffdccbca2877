//! Users.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use latchkey_catalog::name::{check_role_name, check_user_name};
use latchkey_catalog::user::{Bar, Profile, User, UserChange, UserState};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::secret::Secret;
use latchkey_store::facts::UserFacts;
use latchkey_store::unit::{CatalogueChange, ChangeRefused, PublisherChange};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::text::{SecretText, moment};
use super::{AdminError, PAGE, Page, Reply, Result, change};
use crate::app::App;
use crate::network::Network;
use crate::passwords::{MAX_BYTES, Refusal, Source};

/// What to do to users.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Add one.
    Add {
        /// The name.
        name: String,
        /// The password.
        password: SecretText,
        /// The roles.
        roles: BTreeSet<String>,
    },
    /// List those whose names follow.
    List {
        /// The last name of the page before; empty at the beginning.
        after: String,
    },
    /// Show one.
    Show {
        /// The name.
        name: String,
    },
    /// Keep one from signing in.
    Bar {
        /// The name.
        name: String,
        /// By what.
        bar: Bar,
    },
    /// Take away what keeps one from signing in; the other bar stays.
    Unbar {
        /// The name.
        name: String,
        /// What goes.
        bar: Bar,
    },
    /// Give one another password.
    SetPassword {
        /// The name.
        name: String,
        /// The password.
        password: SecretText,
    },
    /// Give one other roles.
    SetRoles {
        /// The name.
        name: String,
        /// All roles from now on.
        roles: BTreeSet<String>,
    },
    /// Delete one.
    Delete {
        /// The name.
        name: String,
    },
}

/// A user, without the password.
#[derive(Debug, Serialize, Deserialize)]
pub struct UserView {
    /// The immutable id.
    pub id: PrincipalId,
    /// The name.
    pub name: String,
    /// The roles.
    pub roles: BTreeSet<String>,
    /// Whether the user may sign in.
    pub state: UserState,
    /// When the user was made.
    pub created_at: String,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            name: user.name.clone(),
            roles: user.roles.clone(),
            state: user.state,
            created_at: moment(user.created_at),
        }
    }
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::Add { name, password, roles } => {
            add(app, NewUser { name, password: password.0, roles, changes: Vec::new() }, actor).await
        }
        Command::List { after } => list(app, &after).await,
        Command::Show { name } => Ok(Reply::User((&find(app, &name).await?.user).into())),
        Command::Bar { name, bar } => set_bar(app, &name, UserChange::Bar(bar), actor).await,
        Command::Unbar { name, bar } => set_bar(app, &name, UserChange::Unbar(bar), actor).await,
        Command::SetPassword { name, password } => {
            set_password(app, &name, password.0, actor).await?;
            Ok(Reply::Done(format!("The password of {name} is changed; every token of {name} has ended.")))
        }
        Command::SetRoles { name, roles } => set_roles(app, &name, roles, actor).await,
        Command::Delete { name } => delete(app, &name, actor).await,
    }
}

/// A user to be added.
#[derive(Debug)]
pub struct NewUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// The roles.
    pub roles: BTreeSet<String>,
    /// What else there is to say of the user.
    pub changes: Vec<UserChange>,
}

/// Adds a user.
pub async fn add(app: &App, new: NewUser, actor: &str) -> Result<Reply> {
    let user = create(app, new, actor).await?;
    Ok(Reply::Done(format!("User {} is added.", user.name)))
}

/// Makes a user, and says who it is.
pub async fn create(app: &App, new: NewUser, actor: &str) -> Result<User> {
    let NewUser { name, password, roles, changes } = new;
    check_user_name(&name)?;
    roles.iter().try_for_each(|role| check_role_name(role))?;
    check_password(app, &password)?;
    let mut user = User {
        id: PrincipalId::draw(&*app.entropy),
        name,
        password: String::new(),
        roles,
        state: UserState::Active,
        profile: Profile::default(),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
    .changed(&changes)?;
    // Hashing costs something, so what cannot be is refused before it.
    user.password = hash(app, password).await?;
    user.created_at = app.now();
    user.updated_at = user.created_at;
    match change(app, CatalogueChange::AddUser(user.clone()), actor).await? {
        Ok(()) => Ok(user),
        Err(ChangeRefused::NameTaken) => Err(AdminError::refused(format!(
            "there is a user {0:?} already; choose another name, or use `latchkey user password {0}`",
            user.name
        ))
        .about(Problem::UserExists)),
        Err(refused) => Err(AdminError::refused(refused.to_string())),
    }
}

/// Changes users, all of them or none. A password comes as text, and is hashed here.
pub async fn update(
    app: &App,
    mut updates: Vec<(PrincipalId, Vec<UserChange>)>,
    password: Option<(PrincipalId, Secret)>,
    actor: &str,
) -> Result<()> {
    for (_, changes) in &updates {
        for change in changes {
            if let UserChange::GiveRole(role) = change {
                check_role_name(role)?;
            }
        }
    }
    if let Some((user, password)) = password {
        check_password(app, &password)?;
        updates.push((user, vec![UserChange::Password(hash(app, password).await?)]));
    }
    match change(app, CatalogueChange::UpdateUsers(updates), actor).await? {
        Ok(()) => Ok(()),
        Err(ChangeRefused::BadProfile(bad)) => Err(bad.into()),
        Err(_) => Err(unknown("of that id")),
    }
}

/// Makes a role, and gives it to `members`: both or neither.
pub async fn declare_role(app: &App, name: &str, members: Vec<PrincipalId>, actor: &str) -> Result<()> {
    check_role_name(name)?;
    let taken = || {
        let taken = format!("there is a role {name:?} already");
        AdminError::refused(taken).about(Problem::RoleExists)
    };
    if app.store.is_role(name).await? {
        return Err(taken());
    }
    if !members.is_empty() {
        let give = |user| (user, vec![UserChange::GiveRole(name.to_owned())]);
        return update(app, members.into_iter().map(give).collect(), None, actor).await;
    }
    let declare = CatalogueChange::Publisher(Box::new(PublisherChange::DeclareRole(name.to_owned())));
    change(app, declare, actor).await?.map_err(|_| taken())
}

/// Takes a role from `holders`, who are all that have it, and forgets it. Whoever gets it meanwhile keeps it, and it stays.
pub async fn delete_role(app: &App, name: &str, holders: Vec<PrincipalId>, actor: &str) -> Result<()> {
    if !holders.is_empty() {
        let take = |user| (user, vec![UserChange::TakeRole(name.to_owned())]);
        update(app, holders.into_iter().map(take).collect(), None, actor).await?;
    }
    let forget = CatalogueChange::Publisher(Box::new(PublisherChange::DeleteRole(name.to_owned())));
    change(app, forget, actor).await?.map_err(|refusal| {
        let error =
            AdminError::refused(format!("the role {name:?} was given or deleted meanwhile; try again"));
        if refusal == ChangeRefused::InUse { error.about(Problem::InUse) } else { error }
    })
}

/// Deletes the user of this id; every token of the user ends.
pub async fn remove(app: &App, user: PrincipalId, actor: &str) -> Result<()> {
    apply(app, CatalogueChange::DeleteUser(user), "of that id", actor).await
}

async fn list(app: &App, after: &str) -> Result<Reply> {
    let users = app.store.users(after, PAGE).await?;
    let next = users.last().filter(|_| users.len() == PAGE as usize).map(|user| user.name.clone());
    Ok(Reply::Users(Page { items: users.iter().map(UserView::from).collect(), next }))
}

/// The bar in `change` comes or goes.
async fn set_bar(app: &App, name: &str, change: UserChange, actor: &str) -> Result<Reply> {
    let user = find(app, name).await?;
    let state = user.user.changed(std::slice::from_ref(&change))?.state;
    if state == user.user.state {
        return Ok(Reply::Done(format!("User {name} is {} already.", state.as_str())));
    }
    let comes = matches!(change, UserChange::Bar(_));
    update(app, vec![(user.user.id, vec![change])], None, actor).await?;
    Ok(Reply::Done(match state {
        UserState::Active => format!("User {name} may sign in again."),
        UserState::Locked | UserState::Disabled | UserState::DisabledAndLocked if comes => {
            format!("User {name} is {}; every token of {name} has ended.", state.as_str())
        }
        UserState::Locked | UserState::Disabled | UserState::DisabledAndLocked => {
            format!("User {name} is still {}, and may not sign in.", state.as_str())
        }
    }))
}

async fn set_roles(app: &App, name: &str, roles: BTreeSet<String>, actor: &str) -> Result<Reply> {
    roles.iter().try_for_each(|role| check_role_name(role))?;
    let user = find(app, name).await?;
    let lost = user.user.roles.difference(&roles).next().is_some();
    let now = if roles.is_empty() {
        "no role".to_owned()
    } else {
        roles.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    if user.user.roles == roles {
        return Ok(Reply::Done(format!("User {name} has {now} already.")));
    }
    apply(app, CatalogueChange::SetRoles(user.user.id, roles), name, actor).await?;
    let ended = if lost { "; a role was lost, so every token of the user has ended" } else { "" };
    Ok(Reply::Done(format!("User {name} now has {now}{ended}.")))
}

/// Gives a user another password; every token of the user ends.
pub async fn set_password(app: &App, name: &str, password: Secret, actor: &str) -> Result<()> {
    check_password(app, &password)?;
    let user = find(app, name).await?.user.id;
    let hash = hash(app, password).await?;
    apply(app, CatalogueChange::SetPassword(user, hash), name, actor).await
}

/// Says which applications of the user remain: they are other people's tools by then, so they are not
/// deleted along.
async fn delete(app: &App, name: &str, actor: &str) -> Result<Reply> {
    let user = find(app, name).await?.user.id;
    let owned = app.store.applications(Some(user), None, PAGE).await?;
    apply(app, CatalogueChange::DeleteUser(user), name, actor).await?;
    let names: Vec<_> = owned.iter().map(|one| format!("{} ({})", one.name, one.id)).collect();
    let remain = match names.len() {
        0 => String::new(),
        1 => format!(" The user's application remains: {}.", names[0]),
        _ => format!(" The user's applications remain: {}.", names.join(", ")),
    };
    Ok(Reply::Done(format!("User {name} is deleted; every token of {name} has ended.{remain}")))
}

/// The user of that name, or a refusal that says so.
pub(super) async fn find(app: &App, name: &str) -> Result<Arc<UserFacts>> {
    app.store.user(name).await?.ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> AdminError {
    AdminError::refused(format!("there is no user {name:?}; `latchkey user list` shows them"))
        .about(Problem::NoSuchUser)
}

async fn apply(app: &App, what: CatalogueChange, name: &str, actor: &str) -> Result<()> {
    change(app, what, actor).await?.map_err(|_| unknown(name))
}

/// Refuses a password that is too short or too long, or that no line can hold.
fn check_password(app: &App, password: &Secret) -> Result<()> {
    let least = app.config.passwords.min_length;
    let text = password.expose();
    if text.chars().count() < least {
        return Err(AdminError::wrong_use(format!(
            "the password is too short: it must have {least} characters or more (passwords.min_length)"
        )));
    }
    if text.len() > MAX_BYTES {
        return Err(AdminError::wrong_use(format!(
            "the password has {} bytes; {MAX_BYTES} is the most",
            text.len()
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(AdminError::wrong_use(
            "the password holds a control character; give it as one line of plain text",
        ));
    }
    Ok(())
}

async fn hash(app: &App, password: Secret) -> Result<String> {
    let network = Network::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let source = Source { network, client: Arc::from("administration") };
    app.sign_in.pool.hash(source, password, &*app.entropy).await.map_err(|refusal| match refusal {
        Refusal::TooLong => AdminError::wrong_use(refusal.to_string()),
        Refusal::Busy { .. } => AdminError::failed(refusal.to_string()),
    })
}
