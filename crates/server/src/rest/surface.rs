//! Where each REST interface lies: WSO2's base paths and versions.

/// A REST interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Surface {
    /// WSO2's developer portal, version 3.
    Devportal,
    /// WSO2's publisher, version 4.
    Publisher,
    /// WSO2's administration, version 4.
    Admin,
    /// WSO2's dynamic client registration.
    Registration,
    /// Identity Server's dynamic client registration.
    Clients,
    /// WSO2's API of a gateway.
    Gateway,
    /// SCIM 2, as Identity Server has it.
    Scim,
    /// Identity Server's interface of login sessions, and of the applications of a user in its older form.
    UsersV1,
    /// Identity Server's interface of the applications of a user.
    UsersV2,
    /// Identity Server's interface of its own settings.
    Server,
    /// Identity Server's interface of scopes.
    Scopes,
    /// Identity Server's interface by which users are signed up.
    SignUp,
    /// Latchkey's own interface.
    Latchkey,
}

impl Surface {
    /// Its name among the others.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Devportal => "devportal",
            Self::Publisher => "publisher",
            Self::Admin => "admin",
            Self::Registration => "registration",
            Self::Clients => "clients",
            Self::Gateway => "gateway",
            Self::Scim => "scim",
            Self::UsersV1 => "users v1",
            Self::UsersV2 => "users v2",
            Self::Server => "server",
            Self::Scopes => "scopes",
            Self::SignUp => "sign-up",
            Self::Latchkey => "latchkey",
        }
    }

    /// The base paths, the canonical one first. A version is its major or a minor of it, `vLATEST`, or none.
    pub(crate) const fn bases(self) -> &'static [&'static str] {
        match self {
            Self::Devportal => DEVPORTAL,
            Self::Publisher => PUBLISHER,
            Self::Admin => ADMIN,
            Self::Registration => &[
                "/client-registration/v0.17",
                "/client-registration/v0.11",
                "/client-registration/v0.12",
                "/client-registration/v0.13",
                "/client-registration/v0.14",
                "/client-registration/v0.15",
                "/client-registration/v0.16",
                "/client-registration/vLATEST",
                "/client-registration",
            ],
            Self::Clients => &[
                "/api/identity/oauth2/dcr/v1.1",
                "/api/identity/oauth2/dcr/v1.0",
                "/t/carbon.super/api/identity/oauth2/dcr/v1.1",
                "/t/carbon.super/api/identity/oauth2/dcr/v1.0",
            ],
            Self::Gateway => &["/api/am/gateway/v2", "/api/am/gateway/v1", "/api/am/gateway"],
            Self::Scim => &["/scim2", "/t/carbon.super/scim2"],
            Self::UsersV1 => &["/api/users/v1", "/t/carbon.super/api/users/v1"],
            Self::UsersV2 => &["/api/users/v2", "/t/carbon.super/api/users/v2"],
            Self::Server => &["/api/server/v1", "/t/carbon.super/api/server/v1"],
            Self::Scopes => &["/api/identity/oauth2/v1.0", "/t/carbon.super/api/identity/oauth2/v1.0"],
            Self::SignUp => &["/api/identity/user/v1.0", "/t/carbon.super/api/identity/user/v1.0"],
            Self::Latchkey => &["/api/latchkey/v1"],
        }
    }
}

/// Where WSO2's developer portal lies.
const DEVPORTAL: &[&str] = &[
    "/api/am/devportal/v3",
    "/api/am/devportal/v3.0",
    "/api/am/devportal/v3.1",
    "/api/am/devportal/v3.2",
    "/api/am/devportal/v3.3",
    "/api/am/devportal/v3.4",
    "/api/am/devportal/v3.5",
    "/api/am/devportal/v2",
    "/api/am/devportal/v2.0",
    "/api/am/devportal/v2.1",
    "/api/am/devportal/vLATEST",
    "/api/am/devportal",
    "/api/am/store/v1",
];

/// Where WSO2's publisher lies.
const PUBLISHER: &[&str] = &[
    "/api/am/publisher/v4",
    "/api/am/publisher/v4.0",
    "/api/am/publisher/v4.1",
    "/api/am/publisher/v4.2",
    "/api/am/publisher/v4.3",
    "/api/am/publisher/v4.4",
    "/api/am/publisher/v4.5",
    "/api/am/publisher/v3",
    "/api/am/publisher/v3.0",
    "/api/am/publisher/v3.1",
    "/api/am/publisher/v3.2",
    "/api/am/publisher/v2",
    "/api/am/publisher/v2.0",
    "/api/am/publisher/v2.1",
    "/api/am/publisher/v1",
    "/api/am/publisher/vLATEST",
    "/api/am/publisher",
];

/// Where WSO2's administration lies.
const ADMIN: &[&str] = &[
    "/api/am/admin/v4",
    "/api/am/admin/v4.0",
    "/api/am/admin/v4.1",
    "/api/am/admin/v4.2",
    "/api/am/admin/v4.3",
    "/api/am/admin/v4.4",
    "/api/am/admin/v4.5",
    "/api/am/admin/v3",
    "/api/am/admin/v2",
    "/api/am/admin/v1",
    "/api/am/admin/vLATEST",
    "/api/am/admin",
];
