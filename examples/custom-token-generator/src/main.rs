//! Latchkey with tokens that begin with `shop_at_` and `shop_rt_`.

use std::process::ExitCode;

use latchkey_oauth::base62;
use latchkey_oauth::entropy::{Entropy, random};
use latchkey_oauth::generator::{GeneratedValue, GenerationContext, GeneratorRenewal, TokenGenerator};
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::secret::Secret;
use latchkey_server::Program;

/// 256 random bits behind a prefix that says whose token it is, and of which kind.
#[derive(Debug)]
struct Shop;

impl TokenGenerator for Shop {
    fn name(&self) -> &'static str {
        "shop"
    }

    fn renewal(&self) -> GeneratorRenewal {
        GeneratorRenewal::Always
    }

    fn generate(&self, context: &GenerationContext<'_>, entropy: &dyn Entropy) -> GeneratedValue {
        let mut value = match context.kind {
            ValueKind::Access => "shop_at_".to_owned(),
            ValueKind::Refresh => "shop_rt_".to_owned(),
        };
        base62::encode_into(&random::<32>(entropy), &mut value);
        GeneratedValue::Value(Secret::new(value))
    }
}

fn main() -> ExitCode {
    Program::new().generator(Shop).run()
}
