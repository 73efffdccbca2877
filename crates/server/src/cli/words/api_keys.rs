//! The same for API keys.

use latchkey_oauth::client::KeyType;

use crate::admin::api_key::{Command, Named, NewApiKey, Wishes};
use crate::cli::arguments::{ApiKeyWords, CreateApiKey, WhichApiKey};

impl From<ApiKeyWords> for Command {
    fn from(words: ApiKeyWords) -> Self {
        match words {
            ApiKeyWords::Create(create) => Self::Create(Box::new((*create).into())),
            ApiKeyWords::List(app) => Self::List(app.into()),
            ApiKeyWords::Regenerate(which) => Self::Regenerate(which.into()),
            ApiKeyWords::Revoke(which) => Self::Revoke(which.into()),
        }
    }
}

impl From<CreateApiKey> for NewApiKey {
    fn from(CreateApiKey { which, validity, address, referer }: CreateApiKey) -> Self {
        let Named { application, keys, name } = which.into();
        let wishes = Wishes { name, keys, validity, addresses: address, referers: referer };
        Self { application, wishes }
    }
}

impl From<WhichApiKey> for Named {
    fn from(WhichApiKey { app, key, sandbox }: WhichApiKey) -> Self {
        let keys = if sandbox { KeyType::Sandbox } else { KeyType::Production };
        Self { application: app.into(), keys, name: key }
    }
}
