//! Dumps of a small WSO2: `apim_db` as `mysqldump` writes it, `shared_db` as `pg_dump` does.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Alive, known by its text.
pub(crate) const LIVE: &str = "ed074839-7efc-3c07-a5a0-a06382eba5ac";
pub(crate) const LIVE_REFRESH: &str = "0e8fd0d5-3bb2-3cb5-9c5a-5b9a5e9d3a51";
/// Alive, known by its digest.
pub(crate) const HASHED: &str = "7a0d6b4e-11c2-3f5e-8e0b-0c4d1a2b3c4d";
pub(crate) const HASHED_REFRESH: &str = "1b9d6bcd-bbfd-3b2d-9b5d-ab8dfbbd4bed";
/// The application's own.
pub(crate) const CLIENT_TOKEN: &str = "9b1deb4d-3b7d-3bad-9bdd-2b0d7b3dcb6d";
/// The id of a signed token, and the refresh token beside it.
pub(crate) const JTI: &str = "110ec58a-a0f2-4ac4-8393-c866d813b8d1";
pub(crate) const JWT_REFRESH: &str = "2c5ea4c0-4067-31e9-8bad-9b1deb4d3b7d";
/// Over, one way or another.
pub(crate) const EXPIRED: &str = "3f333df6-90a4-3fda-8dd3-9485d27cee36";
pub(crate) const REVOKED: &str = "4c9e6679-7425-30de-944b-e07fc1f90ae7";
pub(crate) const LDAP: &str = "6ecd8c99-4036-303d-bf84-cf8400f67836";
/// Every consumer secret.
pub(crate) const SECRET: &str = "AB9yIFuB2yPqWxyUaYH9TMYTmJga";
/// Bob's password.
pub(crate) const PASSWORD: &str = "down the rabbit hole";

const SALT: &str = "cbyE1tOHAQBy0rC0SDhB6w==";
/// A hundred years in milliseconds, so that no clock makes a token of 2026 old.
const CENTURY: &str = "3155760000000";

fn hashed(text: &str) -> String {
    let hex = digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!(r#"{{\"hash\":\"{hex}\",\"algorithm\":\"SHA-256\"}}"#)
}

/// A token by its row.
struct Token {
    number: u32,
    values: [String; 2],
    client: u32,
    user: (&'static str, &'static str, &'static str),
    life: &'static str,
    state: &'static str,
}

impl Token {
    fn row(&self, texts: [&str; 2]) -> String {
        let Self { number, values: [access, refresh], client, user: (name, domain, kind), life, state } =
            self;
        let [access_hash, refresh_hash] = texts.map(hashed);
        format!(
            "('t{number}','{access}','{refresh}',{client},'{name}',-1234,'{domain}','{kind}','password',\
             '2026-01-01 00:00:0{number}','2026-01-01 00:00:0{number}',{life},{life},'x','{state}','NONE','{name}',\
             '{access_hash}','{refresh_hash}',-1,'NONE')"
        )
    }
}

fn tokens() -> String {
    const BOB: (&str, &str, &str) = ("bob", "PRIMARY", "APPLICATION_USER");
    let plain = |number, client, user, texts: [&'static str; 2], life, state| {
        let values = texts.map(str::to_owned);
        Token { number, values, client, user, life, state }.row(texts)
    };
    let unknown = "00000000-0000-3000-8000-000000000000";
    let own = ("bob", "PRIMARY", "APPLICATION");
    let ldap = ("LDAP/alice", "LDAP", "APPLICATION_USER");
    let hashed_row = Token {
        number: 2,
        values: [hashed(HASHED), hashed(HASHED_REFRESH)],
        client: 11,
        user: BOB,
        life: CENTURY,
        state: "ACTIVE",
    };
    [
        plain(1, 11, BOB, [LIVE, LIVE_REFRESH], CENTURY, "ACTIVE"),
        hashed_row.row([HASHED, HASHED_REFRESH]),
        plain(3, 11, own, [CLIENT_TOKEN, unknown], CENTURY, "ACTIVE"),
        plain(4, 13, BOB, [JTI, JWT_REFRESH], CENTURY, "ACTIVE"),
        plain(5, 11, BOB, [EXPIRED, "5f333df6-90a4-3fda-8dd3-9485d27cee36"], "1000", "ACTIVE"),
        plain(6, 11, BOB, [REVOKED, "5c9e6679-7425-30de-944b-e07fc1f90ae7"], CENTURY, "REVOKED"),
        plain(7, 11, ldap, [LDAP, "7ecd8c99-4036-303d-bf84-cf8400f67836"], CENTURY, "ACTIVE"),
    ]
    .join(",")
}

/// Applications, APIs and tokens.
pub(crate) fn apim() -> String {
    let client = |id: u32, key: &str, secret: &str, name: &str| {
        format!(
            "({id},'{key}','{secret}','bob',-1234,'PRIMARY','{name}','OAuth-2.0','https://shop.example/callback',\
             'password refresh_token client_credentials authorization_code','ACTIVE',3155760000,3155760000,3155760000,3600)"
        )
    };
    let clients = [
        client(11, "shop-production-key", SECRET, "bob_Shop_PRODUCTION"),
        client(12, "shop-sandbox-key", &hashed(SECRET), "bob_Shop_SANDBOX"),
        client(13, "signed-key", SECRET, "bob_Signed_PRODUCTION"),
        client(14, "portal-key", SECRET, "apim_publisher"),
    ]
    .join(",");
    format!(
        "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
CREATE TABLE `AM_API` (
  `API_ID` int NOT NULL AUTO_INCREMENT, `API_UUID` varchar(256), `API_PROVIDER` varchar(255), `API_NAME` varchar(255),
  `API_VERSION` varchar(30), `CONTEXT` varchar(256), `CONTEXT_TEMPLATE` varchar(256), `API_TIER` varchar(256),
  `STATUS` varchar(30), `CREATED_TIME` timestamp NULL, PRIMARY KEY (`API_ID`), UNIQUE KEY `x` (`API_NAME`)
) ENGINE=InnoDB;
INSERT INTO `AM_API` VALUES
(1,'0a7cb6a4-1111-4f4d-9a33-2b2d6b8f0a01','admin','Echo','1.0.0','/echo/1.0.0','/echo/{{version}}',NULL,'PUBLISHED','2026-01-01 00:00:00'),
(2,'0a7cb6a4-2222-4f4d-9a33-2b2d6b8f0a02','admin','Orders','2','/orders/2','/orders/{{version}}',NULL,'DEPRECATED','2026-01-01 00:00:00');
CREATE TABLE `AM_API_URL_MAPPING` (`URL_MAPPING_ID` int, `API_ID` int, `HTTP_METHOD` varchar(20), `AUTH_SCHEME` varchar(50),
  `URL_PATTERN` varchar(512), `THROTTLING_TIER` varchar(512), `MEDIATION_SCRIPT` blob, `REVISION_UUID` varchar(255));
INSERT INTO `AM_API_URL_MAPPING` VALUES (1,2,'GET','Any','/orders/{{id}}','Unlimited',_binary 'x',NULL),
(2,2,'GET','Any','/old','Unlimited',NULL,'7f1c');
CREATE TABLE `AM_SUBSCRIBER` (`SUBSCRIBER_ID` int, `USER_ID` varchar(255), `TENANT_ID` int);
INSERT INTO `AM_SUBSCRIBER` VALUES (5,'bob',-1234);
CREATE TABLE `AM_APPLICATION` (`APPLICATION_ID` int, `NAME` varchar(100), `SUBSCRIBER_ID` int, `APPLICATION_TIER` varchar(50),
  `CALLBACK_URL` varchar(512), `DESCRIPTION` varchar(512), `APPLICATION_STATUS` varchar(50), `CREATED_TIME` timestamp NULL,
  `UUID` varchar(256), `TOKEN_TYPE` varchar(10));
INSERT INTO `AM_APPLICATION` VALUES
(7,'Shop',5,'Own',NULL,'Bob\\'s shop','APPROVED','2026-01-01 00:00:00','0a7cb6a4-3333-4f4d-9a33-2b2d6b8f0a03','OAUTH'),
(8,'Signed',5,'Unlimited',NULL,NULL,'APPROVED','2026-01-01 00:00:00','0a7cb6a4-4444-4f4d-9a33-2b2d6b8f0a04','JWT');
CREATE TABLE `AM_APPLICATION_KEY_MAPPING` (`UUID` varchar(50), `APPLICATION_ID` int, `CONSUMER_KEY` varchar(512),
  `KEY_TYPE` varchar(512), `STATE` varchar(30), `CREATE_MODE` varchar(30), `KEY_MANAGER` varchar(50));
INSERT INTO `AM_APPLICATION_KEY_MAPPING` VALUES ('a',7,'shop-production-key','PRODUCTION','COMPLETED','CREATED','r'),
('b',7,'shop-sandbox-key','SANDBOX','COMPLETED','CREATED','r'),('c',8,'signed-key','PRODUCTION','COMPLETED','CREATED','r');
CREATE TABLE `AM_SUBSCRIPTION` (`SUBSCRIPTION_ID` int, `TIER_ID` varchar(50), `API_ID` int, `APPLICATION_ID` int,
  `SUB_STATUS` varchar(50), `CREATED_TIME` timestamp NULL, `UUID` varchar(256));
INSERT INTO `AM_SUBSCRIPTION` VALUES (1,'Unlimited',1,7,'UNBLOCKED','2026-01-01 00:00:00','0a7cb6a4-5555-4f4d-9a33-2b2d6b8f0a05'),
(2,'Unlimited',2,7,'UNBLOCKED','2026-01-01 00:00:00','0a7cb6a4-6666-4f4d-9a33-2b2d6b8f0a06');
CREATE TABLE `AM_POLICY_APPLICATION` (`POLICY_ID` int, `NAME` varchar(255), `TENANT_ID` int, `QUOTA_TYPE` varchar(50),
  `QUOTA` int, `UNIT_TIME` int, `TIME_UNIT` varchar(50));
INSERT INTO `AM_POLICY_APPLICATION` VALUES (1,'Unlimited',-1234,'requestCount',2147483647,1,'min'),
(2,'Own',-1234,'requestCount',6000,1,'min'),(3,'Wide',-1234,'bandwidthVolume',6000,1,'min');
CREATE TABLE `IDN_OAUTH_CONSUMER_APPS` (`ID` int, `CONSUMER_KEY` varchar(255), `CONSUMER_SECRET` varchar(2048),
  `USERNAME` varchar(255), `TENANT_ID` int, `USER_DOMAIN` varchar(50), `APP_NAME` varchar(255), `OAUTH_VERSION` varchar(128),
  `CALLBACK_URL` varchar(2048), `GRANT_TYPES` varchar(1024), `APP_STATE` varchar(25), `USER_ACCESS_TOKEN_EXPIRE_TIME` bigint,
  `APP_ACCESS_TOKEN_EXPIRE_TIME` bigint, `REFRESH_TOKEN_EXPIRE_TIME` bigint, `ID_TOKEN_EXPIRE_TIME` bigint);
INSERT INTO `IDN_OAUTH_CONSUMER_APPS` VALUES {clients};
CREATE TABLE `IDN_OAUTH2_ACCESS_TOKEN` (`TOKEN_ID` varchar(255), `ACCESS_TOKEN` varchar(2048), `REFRESH_TOKEN` varchar(2048),
  `CONSUMER_KEY_ID` int, `AUTHZ_USER` varchar(100), `TENANT_ID` int, `USER_DOMAIN` varchar(50), `USER_TYPE` varchar(25),
  `GRANT_TYPE` varchar(50), `TIME_CREATED` timestamp NULL, `REFRESH_TOKEN_TIME_CREATED` timestamp NULL,
  `VALIDITY_PERIOD` bigint, `REFRESH_TOKEN_VALIDITY_PERIOD` bigint, `TOKEN_SCOPE_HASH` varchar(32), `TOKEN_STATE` varchar(25),
  `TOKEN_STATE_ID` varchar(128), `SUBJECT_IDENTIFIER` varchar(255), `ACCESS_TOKEN_HASH` varchar(512),
  `REFRESH_TOKEN_HASH` varchar(512), `IDP_ID` int, `TOKEN_BINDING_REF` varchar(32),
  PRIMARY KEY (`TOKEN_ID`), CONSTRAINT `CON_APP_KEY` UNIQUE (`CONSUMER_KEY_ID`));
INSERT INTO `IDN_OAUTH2_ACCESS_TOKEN` VALUES {tokens};
CREATE TABLE `IDN_OAUTH2_ACCESS_TOKEN_SCOPE` (`TOKEN_ID` varchar(255), `TOKEN_SCOPE` varchar(100), `TENANT_ID` int);
INSERT INTO `IDN_OAUTH2_ACCESS_TOKEN_SCOPE` VALUES ('t1','device_ipad',-1234),('t1','echo.read',-1234),
('t2','device_iphone',-1234),('t3','default',-1234),('t4','device_tv',-1234),('t5','default',-1234);
",
        tokens = tokens(),
    )
}

/// Users and roles.
pub(crate) fn shared() -> String {
    let hash = STANDARD.encode(digest(&SHA256, format!("{PASSWORD}{SALT}").as_bytes()));
    format!(
        "--\n-- PostgreSQL database dump\n--\n\n\
         CREATE TABLE public.um_user (um_id integer NOT NULL, um_user_name character varying(255));\n\n\
         COPY public.um_user (um_id, um_user_id, um_user_name, um_user_password, um_salt_value, um_tenant_id) FROM stdin;\n\
         1\tu1\talice\t{hash}\t{SALT}\t-1234\n\
         2\tu2\tbob\t{hash}\t{SALT}\t-1234\n\
         3\tu3\tal\t\\N\t\\N\t-1234\n\
         \\.\n\n\
         COPY public.um_role (um_id, um_role_name, um_tenant_id) FROM stdin;\n\
         4\treader\t-1234\n\
         \\.\n\n\
         COPY public.um_user_role (um_id, um_role_id, um_user_id, um_tenant_id) FROM stdin;\n\
         1\t4\t2\t-1234\n\
         \\.\n\n\
         COPY public.um_hybrid_role (um_id, um_role_name, um_tenant_id) FROM stdin;\n\
         1\teveryone\t-1234\n\
         2\tsubscriber\t-1234\n\
         \\.\n\n\
         COPY public.um_hybrid_user_role (um_id, um_user_name, um_role_id, um_tenant_id, um_domain_id) FROM stdin;\n\
         1\tbob\t2\t-1234\t1\n\
         \\.\n\n\
         COPY public.um_domain (um_domain_id, um_domain_name, um_tenant_id) FROM stdin;\n\
         1\tPRIMARY\t-1234\n\
         \\.\n"
    )
}
