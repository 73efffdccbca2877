//! The rows, joined as far as one verdict needs.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Row as Found;

use super::{Result, Staging, StagingError, json, text};
use crate::entry::Origin;
use crate::plan::{self, Planned};
use crate::rows::{
    ApiRow, ApplicationRow, ClientRow, PolicyRow, ResourceRow, SubscriptionRow, TokenRow, UserRow,
};

const USERS: &str = "
    SELECT u.*,
        (SELECT json_group_array(DISTINCT r.UM_ROLE_NAME) FROM UM_USER_ROLE ur
            JOIN UM_ROLE r ON r.UM_ID = ur.UM_ROLE_ID AND r.UM_TENANT_ID IS ur.UM_TENANT_ID
            WHERE ur.UM_USER_ID = u.UM_ID AND ur.UM_TENANT_ID IS u.UM_TENANT_ID) AS roles,
        (SELECT json_group_array(DISTINCT h.UM_ROLE_NAME) FROM UM_HYBRID_USER_ROLE hu
            JOIN UM_HYBRID_ROLE h ON h.UM_ID = hu.UM_ROLE_ID AND h.UM_TENANT_ID IS hu.UM_TENANT_ID
            LEFT JOIN UM_DOMAIN d ON d.UM_DOMAIN_ID = hu.UM_DOMAIN_ID AND d.UM_TENANT_ID IS hu.UM_TENANT_ID
            WHERE hu.UM_USER_NAME = u.UM_USER_NAME AND hu.UM_TENANT_ID IS u.UM_TENANT_ID
                AND upper(coalesce(d.UM_DOMAIN_NAME, 'PRIMARY')) = 'PRIMARY') AS hybrid_roles,
        (SELECT json_group_object(a.UM_ATTR_NAME, a.UM_ATTR_VALUE) FROM UM_USER_ATTRIBUTE a
            WHERE a.UM_USER_ID = u.UM_ID AND a.UM_TENANT_ID IS u.UM_TENANT_ID
                AND a.UM_ATTR_NAME IS NOT NULL AND a.UM_ATTR_VALUE IS NOT NULL) AS attributes,
        (SELECT json_group_object(i.DATA_KEY, i.DATA_VALUE) FROM IDN_IDENTITY_USER_DATA i
            WHERE i.USER_NAME = u.UM_USER_NAME AND i.TENANT_ID IS u.UM_TENANT_ID
                AND i.DATA_KEY IS NOT NULL AND i.DATA_VALUE IS NOT NULL) AS identity
    FROM UM_USER u";

const APIS: &str = "
    SELECT a.*,
        (SELECT json_group_array(json_object('id', m.URL_MAPPING_ID, 'method', m.HTTP_METHOD, 'pattern', m.URL_PATTERN,
                'authentication', m.AUTH_SCHEME, 'tier', m.THROTTLING_TIER, 'scopes',
                (SELECT json_group_array(s.SCOPE_NAME) FROM AM_API_RESOURCE_SCOPE_MAPPING s
                    WHERE s.URL_MAPPING_ID = m.URL_MAPPING_ID)))
            FROM AM_API_URL_MAPPING m
            WHERE m.API_ID = a.API_ID AND coalesce(m.REVISION_UUID, '') IN ('', 'Current API')) AS resources
    FROM AM_API a";

const APPLICATIONS: &str = "
    SELECT a.*, s.USER_ID AS owner, s.TENANT_ID AS tenant,
        (SELECT json_group_object(t.NAME, coalesce(t.APP_ATTRIBUTE, t.VALUE, '')) FROM AM_APPLICATION_ATTRIBUTES t
            WHERE t.APPLICATION_ID = a.APPLICATION_ID AND t.NAME IS NOT NULL) AS attributes,
        (SELECT json_group_array(g.GROUP_ID) FROM AM_APPLICATION_GROUP_MAPPING g
            WHERE g.APPLICATION_ID = a.APPLICATION_ID AND g.GROUP_ID IS NOT NULL) AS groups
    FROM AM_APPLICATION a LEFT JOIN AM_SUBSCRIBER s ON s.SUBSCRIBER_ID = a.SUBSCRIBER_ID";

const KEYS: &str = "
    SELECT c.*, k.KEY_TYPE, k.CREATE_MODE FROM AM_APPLICATION_KEY_MAPPING k
        JOIN IDN_OAUTH_CONSUMER_APPS c ON c.CONSUMER_KEY = k.CONSUMER_KEY
    WHERE k.APPLICATION_ID = ?1 ORDER BY k.KEY_TYPE";

const UNMAPPED: &str = "
    SELECT c.*, NULL AS KEY_TYPE, NULL AS CREATE_MODE,
        (SELECT p.PROPERTY_VALUE FROM IDN_OIDC_PROPERTY p
            WHERE p.CONSUMER_KEY = c.CONSUMER_KEY AND p.PROPERTY_KEY = 'tokenType') AS token_type
    FROM IDN_OAUTH_CONSUMER_APPS c
    WHERE NOT EXISTS (SELECT 1 FROM AM_APPLICATION_KEY_MAPPING k WHERE k.CONSUMER_KEY = c.CONSUMER_KEY)";

const SUBSCRIPTIONS: &str = "
    SELECT s.*, a.NAME AS application, o.USER_ID AS owner, p.CONTEXT AS context, p.API_VERSION AS version
    FROM AM_SUBSCRIPTION s
        LEFT JOIN AM_APPLICATION a ON a.APPLICATION_ID = s.APPLICATION_ID
        LEFT JOIN AM_SUBSCRIBER o ON o.SUBSCRIBER_ID = a.SUBSCRIBER_ID
        LEFT JOIN AM_API p ON p.API_ID = s.API_ID";

const TOKENS: &str = "
    SELECT t.*, c.CONSUMER_KEY AS client,
        coalesce((SELECT p.PROPERTY_VALUE FROM IDN_OIDC_PROPERTY p
                WHERE p.CONSUMER_KEY = c.CONSUMER_KEY AND p.PROPERTY_KEY = 'tokenType'),
            (SELECT a.TOKEN_TYPE FROM AM_APPLICATION_KEY_MAPPING k
                JOIN AM_APPLICATION a ON a.APPLICATION_ID = k.APPLICATION_ID
                WHERE k.CONSUMER_KEY = c.CONSUMER_KEY)) AS token_type,
        (SELECT json_group_array(s.TOKEN_SCOPE) FROM IDN_OAUTH2_ACCESS_TOKEN_SCOPE s
            WHERE s.TOKEN_ID = t.TOKEN_ID AND s.TOKEN_SCOPE IS NOT NULL) AS scopes,
        (SELECT json_array(b.TOKEN_BINDING_TYPE, b.TOKEN_BINDING_VALUE) FROM IDN_OAUTH2_TOKEN_BINDING b
            WHERE b.TOKEN_ID = t.TOKEN_ID AND b.TOKEN_BINDING_TYPE IS NOT NULL
                AND b.TOKEN_BINDING_VALUE IS NOT NULL) AS binding
    FROM TOKEN_ORDER o CROSS JOIN IDN_OAUTH2_ACCESS_TOKEN t ON t.rowid = o.TOKEN
        LEFT JOIN IDN_OAUTH_CONSUMER_APPS c ON c.ID = t.CONSUMER_KEY_ID
    ORDER BY o.BUCKET, o.TIME DESC";

/// What is done with each verdict.
type Sink<'a> = &'a mut dyn FnMut(Planned) -> Result<()>;

impl Staging {
    /// Each user.
    pub fn users(&self, sink: Sink<'_>) -> Result<()> {
        self.each(
            USERS,
            |row| {
                let mut attributes: BTreeMap<String, String> = json(row, "attributes")?;
                let identity: BTreeMap<String, String> = json(row, "identity")?;
                for (name, value) in identity {
                    let short = name.rsplit('/').next().unwrap_or_default().to_owned();
                    attributes.insert(short, value);
                }
                let user = UserRow {
                    name: text(row, "UM_USER_NAME")?,
                    password: self.opened(row, "UM_USER_PASSWORD")?,
                    salt: text(row, "UM_SALT_VALUE")?,
                    tenant: text(row, "UM_TENANT_ID")?,
                    roles: json(row, "roles")?,
                    hybrid_roles: json(row, "hybrid_roles")?,
                    attributes,
                };
                Ok(plan::user(&user))
            },
            sink,
        )
    }

    /// Each throttling policy.
    pub fn policies(&self, sink: Sink<'_>) -> Result<()> {
        self.each(
            "SELECT * FROM POLICY",
            |row| {
                let policy = PolicyRow {
                    level: text(row, "LEVEL")?,
                    name: text(row, "NAME")?,
                    tenant: text(row, "TENANT_ID")?,
                    quota_type: text(row, "QUOTA_TYPE")?,
                    quota: text(row, "QUOTA")?,
                    unit_time: text(row, "UNIT_TIME")?,
                    time_unit: text(row, "TIME_UNIT")?,
                    burst: text(row, "RATE_LIMIT_COUNT")?,
                    burst_unit: text(row, "RATE_LIMIT_TIME_UNIT")?,
                    stops: text(row, "STOP_ON_QUOTA_REACH")?,
                };
                Ok(plan::policy(&policy))
            },
            sink,
        )
    }

    /// Each API.
    pub fn apis(&self, sink: Sink<'_>) -> Result<()> {
        let scopes = self.scope_roles()?;
        self.each(
            APIS,
            |row| {
                let found: Vec<BTreeMap<String, serde_json::Value>> = json(row, "resources")?;
                let api = ApiRow {
                    uuid: text(row, "API_UUID")?,
                    provider: text(row, "API_PROVIDER")?,
                    name: text(row, "API_NAME")?,
                    version: text(row, "API_VERSION")?,
                    context: text(row, "CONTEXT")?,
                    tier: text(row, "API_TIER")?,
                    status: text(row, "STATUS")?,
                    created: text(row, "CREATED_TIME")?,
                    resources: found.iter().map(resource).collect::<BTreeSet<_>>().into_iter().collect(),
                    scopes: scopes.clone(),
                };
                Ok(plan::api(&api))
            },
            sink,
        )
    }

    /// The roles of each scope.
    fn scope_roles(&self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let mut statement = self.connection.prepare(
            "SELECT s.NAME, b.SCOPE_BINDING FROM SCOPE s
             LEFT JOIN SCOPE_BINDING b ON b.SCOPE_ID = s.SCOPE_ID AND b.SOURCE = s.SOURCE
             WHERE s.NAME IS NOT NULL AND coalesce(s.TENANT_ID, '-1234') IN ('-1234', '0')",
        )?;
        let mut scopes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let roles: Option<String> = row.get(1)?;
            let roles = roles.iter().flat_map(|roles| roles.split(',')).map(|role| role.trim().to_owned());
            scopes.entry(row.get(0)?).or_default().extend(roles.filter(|role| !role.is_empty()));
        }
        Ok(scopes)
    }

    /// Each application, then each client that no application has.
    pub fn applications(&self, sink: Sink<'_>) -> Result<()> {
        let mut keys = self.connection.prepare(KEYS)?;
        let mut keys_of = |id: &str| -> rusqlite::Result<Vec<ClientRow>> {
            keys.query_map([id], |row| self.client(row))?.collect()
        };
        self.each(
            APPLICATIONS,
            |row| {
                let application = ApplicationRow {
                    uuid: text(row, "UUID")?,
                    name: text(row, "NAME")?,
                    owner: text(row, "owner")?,
                    tenant: text(row, "tenant")?,
                    tier: text(row, "APPLICATION_TIER")?,
                    description: text(row, "DESCRIPTION")?,
                    status: text(row, "APPLICATION_STATUS")?,
                    token_type: text(row, "TOKEN_TYPE")?,
                    created: text(row, "CREATED_TIME")?,
                    attributes: json(row, "attributes")?,
                    groups: json(row, "groups")?,
                    keys: keys_of(&text(row, "APPLICATION_ID")?)?,
                };
                Ok(plan::application(&application, Origin::Portal))
            },
            sink,
        )?;
        self.each(
            UNMAPPED,
            |row| {
                let application = ApplicationRow {
                    name: text(row, "APP_NAME")?,
                    owner: text(row, "USERNAME")?,
                    tenant: text(row, "TENANT_ID")?,
                    token_type: text(row, "token_type")?,
                    keys: vec![self.client(row)?],
                    ..ApplicationRow::default()
                };
                Ok(plan::application(&application, Origin::Registration))
            },
            sink,
        )
    }

    fn client(&self, row: &Found<'_>) -> rusqlite::Result<ClientRow> {
        Ok(ClientRow {
            client_id: text(row, "CONSUMER_KEY")?,
            secret: self.opened(row, "CONSUMER_SECRET")?,
            grants: text(row, "GRANT_TYPES")?,
            callback: text(row, "CALLBACK_URL")?,
            state: text(row, "APP_STATE")?,
            key_type: text(row, "KEY_TYPE")?,
            mode: text(row, "CREATE_MODE")?,
            application_validity: text(row, "APP_ACCESS_TOKEN_EXPIRE_TIME")?,
            user_validity: text(row, "USER_ACCESS_TOKEN_EXPIRE_TIME")?,
            refresh_validity: text(row, "REFRESH_TOKEN_EXPIRE_TIME")?,
        })
    }

    /// Each subscription.
    pub fn subscriptions(&self, sink: Sink<'_>) -> Result<()> {
        self.each(
            SUBSCRIPTIONS,
            |row| {
                let pair = |one: &str, other: &str| -> rusqlite::Result<Option<(String, String)>> {
                    let (one, other): (Option<String>, Option<String>) = (row.get(one)?, row.get(other)?);
                    Ok(one.zip(other))
                };
                let subscription = SubscriptionRow {
                    uuid: text(row, "UUID")?,
                    application: pair("owner", "application")?,
                    api: pair("context", "version")?,
                    tier: text(row, "TIER_ID")?,
                    status: text(row, "SUB_STATUS")?,
                    created: text(row, "CREATED_TIME")?,
                };
                Ok(plan::subscription(&subscription))
            },
            sink,
        )
    }

    /// Each token at `now`, in milliseconds, once [`Self::order_tokens`] has put them in order.
    pub fn tokens(&self, now: i64, sink: Sink<'_>) -> Result<()> {
        self.each(
            TOKENS,
            |row| {
                let state = text(row, "TOKEN_STATE")?;
                if !plan::is_active(&state) {
                    return Ok(plan::token(&TokenRow { state, ..TokenRow::default() }, now));
                }
                let token = TokenRow {
                    client_id: row.get("client")?,
                    token_type: text(row, "token_type")?,
                    access: self.opened(row, "ACCESS_TOKEN")?,
                    refresh: self.opened(row, "REFRESH_TOKEN")?,
                    access_hash: text(row, "ACCESS_TOKEN_HASH")?,
                    refresh_hash: text(row, "REFRESH_TOKEN_HASH")?,
                    user: text(row, "AUTHZ_USER")?,
                    domain: text(row, "USER_DOMAIN")?,
                    tenant: text(row, "TENANT_ID")?,
                    user_type: text(row, "USER_TYPE")?,
                    created: text(row, "TIME_CREATED")?,
                    refresh_created: text(row, "REFRESH_TOKEN_TIME_CREATED")?,
                    validity: text(row, "VALIDITY_PERIOD")?,
                    refresh_validity: text(row, "REFRESH_TOKEN_VALIDITY_PERIOD")?,
                    state,
                    scopes: json(row, "scopes")?,
                    binding_ref: text(row, "TOKEN_BINDING_REF")?,
                    binding: json(row, "binding")?,
                };
                Ok(plan::token(&token, now))
            },
            sink,
        )
    }

    fn each(
        &self,
        query: &str,
        mut verdict: impl FnMut(&Found<'_>) -> rusqlite::Result<Planned>,
        sink: Sink<'_>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next().map_err(StagingError::Database)? {
            sink(verdict(row)?)?;
        }
        Ok(())
    }
}

fn resource(found: &BTreeMap<String, serde_json::Value>) -> ResourceRow {
    let text =
        |name: &str| found.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let scopes = found.get("scopes").and_then(serde_json::Value::as_array).into_iter().flatten();
    ResourceRow {
        method: text("method"),
        pattern: text("pattern"),
        authentication: text("authentication"),
        tier: text("tier"),
        scopes: scopes.filter_map(|scope| scope.as_str().map(str::to_owned)).collect(),
    }
}
