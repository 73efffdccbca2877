//! The tables of WSO2 that are looked at, with the columns that matter.

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns that matter. Older and newer releases lack some of them.
    pub columns: &'static [&'static str],
    /// Those that hold credentials.
    pub secret: &'static [&'static str],
    /// What rows are looked up by.
    pub index: &'static [&'static str],
}

const fn table(
    name: &'static str,
    index: &'static [&'static str],
    columns: &'static [&'static str],
) -> Table {
    Table { name, columns, secret: &[], index }
}

/// The tables.
pub const TABLES: [Table; 25] = [
    Table {
        secret: &["UM_USER_PASSWORD"],
        ..table(
            "UM_USER",
            &["UM_USER_NAME"],
            &["UM_ID", "UM_USER_NAME", "UM_USER_PASSWORD", "UM_SALT_VALUE", "UM_TENANT_ID"],
        )
    },
    table("UM_ROLE", &["UM_ID"], &["UM_ID", "UM_ROLE_NAME", "UM_TENANT_ID"]),
    table("UM_USER_ROLE", &["UM_USER_ID"], &["UM_ROLE_ID", "UM_USER_ID", "UM_TENANT_ID"]),
    table("UM_HYBRID_ROLE", &["UM_ID"], &["UM_ID", "UM_ROLE_NAME", "UM_TENANT_ID"]),
    table(
        "UM_HYBRID_USER_ROLE",
        &["UM_USER_NAME"],
        &["UM_USER_NAME", "UM_ROLE_ID", "UM_TENANT_ID", "UM_DOMAIN_ID"],
    ),
    table("UM_DOMAIN", &["UM_DOMAIN_ID"], &["UM_DOMAIN_ID", "UM_DOMAIN_NAME", "UM_TENANT_ID"]),
    table(
        "UM_USER_ATTRIBUTE",
        &["UM_USER_ID"],
        &["UM_ATTR_NAME", "UM_ATTR_VALUE", "UM_USER_ID", "UM_TENANT_ID"],
    ),
    table("IDN_IDENTITY_USER_DATA", &["USER_NAME"], &["TENANT_ID", "USER_NAME", "DATA_KEY", "DATA_VALUE"]),
    Table {
        secret: &["CONSUMER_SECRET"],
        ..table(
            "IDN_OAUTH_CONSUMER_APPS",
            &["CONSUMER_KEY"],
            &[
                "ID",
                "CONSUMER_KEY",
                "CONSUMER_SECRET",
                "USERNAME",
                "TENANT_ID",
                "USER_DOMAIN",
                "APP_NAME",
                "CALLBACK_URL",
                "GRANT_TYPES",
                "APP_STATE",
                "USER_ACCESS_TOKEN_EXPIRE_TIME",
                "APP_ACCESS_TOKEN_EXPIRE_TIME",
                "REFRESH_TOKEN_EXPIRE_TIME",
            ],
        )
    },
    table(
        "IDN_OIDC_PROPERTY",
        &["CONSUMER_KEY"],
        &["TENANT_ID", "CONSUMER_KEY", "PROPERTY_KEY", "PROPERTY_VALUE"],
    ),
    table("AM_SUBSCRIBER", &["SUBSCRIBER_ID"], &["SUBSCRIBER_ID", "USER_ID", "TENANT_ID"]),
    table(
        "AM_APPLICATION",
        &["APPLICATION_ID"],
        &[
            "APPLICATION_ID",
            "NAME",
            "SUBSCRIBER_ID",
            "APPLICATION_TIER",
            "DESCRIPTION",
            "APPLICATION_STATUS",
            "CREATED_TIME",
            "UUID",
            "TOKEN_TYPE",
        ],
    ),
    table(
        "AM_APPLICATION_ATTRIBUTES",
        &["APPLICATION_ID"],
        &["APPLICATION_ID", "NAME", "APP_ATTRIBUTE", "VALUE"],
    ),
    table("AM_APPLICATION_GROUP_MAPPING", &["APPLICATION_ID"], &["APPLICATION_ID", "GROUP_ID"]),
    table(
        "AM_APPLICATION_KEY_MAPPING",
        &["CONSUMER_KEY"],
        &["APPLICATION_ID", "CONSUMER_KEY", "KEY_TYPE", "STATE", "CREATE_MODE"],
    ),
    table(
        "AM_API",
        &["API_ID"],
        &[
            "API_ID",
            "API_UUID",
            "API_PROVIDER",
            "API_NAME",
            "API_VERSION",
            "CONTEXT",
            "CONTEXT_TEMPLATE",
            "API_TIER",
            "STATUS",
            "CREATED_TIME",
        ],
    ),
    table(
        "AM_API_URL_MAPPING",
        &["API_ID"],
        &[
            "URL_MAPPING_ID",
            "API_ID",
            "HTTP_METHOD",
            "AUTH_SCHEME",
            "URL_PATTERN",
            "THROTTLING_TIER",
            "REVISION_UUID",
        ],
    ),
    table("AM_API_RESOURCE_SCOPE_MAPPING", &["URL_MAPPING_ID"], &["SCOPE_NAME", "URL_MAPPING_ID"]),
    table("SCOPE", &["NAME"], &["SOURCE", "SCOPE_ID", "NAME", "TENANT_ID"]),
    table("SCOPE_BINDING", &["SCOPE_ID"], &["SOURCE", "SCOPE_ID", "SCOPE_BINDING"]),
    table(
        "AM_SUBSCRIPTION",
        &["APPLICATION_ID"],
        &["TIER_ID", "API_ID", "APPLICATION_ID", "SUB_STATUS", "CREATED_TIME", "UUID"],
    ),
    table(
        "POLICY",
        &["NAME"],
        &[
            "LEVEL",
            "NAME",
            "TENANT_ID",
            "QUOTA_TYPE",
            "QUOTA",
            "UNIT_TIME",
            "TIME_UNIT",
            "RATE_LIMIT_COUNT",
            "RATE_LIMIT_TIME_UNIT",
            "STOP_ON_QUOTA_REACH",
        ],
    ),
    Table {
        secret: &["ACCESS_TOKEN", "REFRESH_TOKEN"],
        ..table(
            "IDN_OAUTH2_ACCESS_TOKEN",
            &[],
            &[
                "TOKEN_ID",
                "ACCESS_TOKEN",
                "REFRESH_TOKEN",
                "CONSUMER_KEY_ID",
                "AUTHZ_USER",
                "USER_DOMAIN",
                "TENANT_ID",
                "USER_TYPE",
                "TIME_CREATED",
                "REFRESH_TOKEN_TIME_CREATED",
                "VALIDITY_PERIOD",
                "REFRESH_TOKEN_VALIDITY_PERIOD",
                "TOKEN_STATE",
                "ACCESS_TOKEN_HASH",
                "REFRESH_TOKEN_HASH",
                "TOKEN_BINDING_REF",
            ],
        )
    },
    table("IDN_OAUTH2_ACCESS_TOKEN_SCOPE", &["TOKEN_ID"], &["TOKEN_ID", "TOKEN_SCOPE"]),
    table(
        "IDN_OAUTH2_TOKEN_BINDING",
        &["TOKEN_ID"],
        &["TOKEN_ID", "TOKEN_BINDING_TYPE", "TOKEN_BINDING_VALUE"],
    ),
];

/// A table that is one with others of its shape here; the first column, which no dump has, tells the rows apart.
#[derive(Debug, Clone, Copy)]
pub struct Alias {
    /// The name in the dump.
    pub name: &'static str,
    /// The table that it is part of.
    pub table: &'static str,
    /// What stands in the first column of its rows.
    pub mark: &'static str,
    /// What the names of its columns begin with, which does not count.
    pub prefix: &'static str,
}

const fn policy(name: &'static str, level: &'static str, prefix: &'static str) -> Alias {
    Alias { name, table: "POLICY", mark: level, prefix }
}

/// The other names.
pub const ALIASES: [Alias; 7] = [
    policy("AM_POLICY_SUBSCRIPTION", "subscription", ""),
    policy("AM_POLICY_APPLICATION", "application", ""),
    policy("AM_API_THROTTLE_POLICY", "resource", "DEFAULT_"),
    Alias { name: "AM_SCOPE", table: "SCOPE", mark: "AM", prefix: "" },
    Alias { name: "IDN_OAUTH2_SCOPE", table: "SCOPE", mark: "IDN", prefix: "" },
    Alias { name: "AM_SCOPE_BINDING", table: "SCOPE_BINDING", mark: "AM", prefix: "" },
    Alias { name: "IDN_OAUTH2_SCOPE_BINDING", table: "SCOPE_BINDING", mark: "IDN", prefix: "" },
];

/// The number of the table that a dump calls by this name, and what its name adds. Letter case does not count.
pub fn find(name: &str) -> Option<(usize, Option<Alias>)> {
    let alias = ALIASES.iter().find(|alias| alias.name.eq_ignore_ascii_case(name)).copied();
    let name = alias.map_or(name, |alias| alias.table);
    let is_own = alias.is_some()
        || !["POLICY", "SCOPE", "SCOPE_BINDING"].contains(&name.to_ascii_uppercase().as_str());
    let found = TABLES.iter().position(|table| table.name.eq_ignore_ascii_case(name) && is_own)?;
    Some((found, alias))
}

/// The number of a column of a table.
pub fn column(table: usize, name: &str, alias: Option<Alias>) -> Option<usize> {
    let position =
        |name: &str| TABLES[table].columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    let prefix = alias.map_or("", |alias| alias.prefix);
    let bare = name.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix));
    position(bare.map_or(name, |_| &name[prefix.len()..]))
}
