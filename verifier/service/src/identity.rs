//! Identities of CI providers: tokens that they sign for one run, held against issuer, audience and claims.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation, decode, decode_header};
use reach::{Reach, parse};
use reqwest::Url;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::warn;

use crate::config::ConfigError;
use crate::outgoing::client;
use crate::store::tokens::{Scope, Token};

/// How long keys are used before they are asked for again.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How soon they are asked for again where one is missing.
const SOON: Duration = Duration::from_secs(60);
/// How an address begins: what comes over an open line is nobody's key.
const ADDRESS: &str = "https://";
/// Bytes of a set of keys.
const KEYS: usize = 1 << 20;

/// Whom the service believes, and what they may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Whose jobs theirs are: `identity:NAME`.
    pub name: String,
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// The keys of the issuer, as a JSON Web Key Set: `https://...` or a file.
    pub keys: String,
    /// Claims that must have these values, `repository` for example.
    pub claims: BTreeMap<String, String>,
    /// `read`, `submit`, `admin`.
    pub scopes: Vec<String>,
}

/// Why a signed token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not signed by a key of its issuer, or in a way that is not accepted.
    Signature,
    /// No identity has its issuer.
    Issuer,
    /// It was made for somebody else.
    Audience,
    /// It is no longer valid, or not yet.
    Expired,
    /// A claim has another value.
    Claim,
}

/// The identities of the configuration, with the keys that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    all: Vec<Identity>,
    keys: Mutex<HashMap<String, (Instant, JwkSet)>>,
}

impl Identity {
    /// Refuses what could only fail later, or believes too much.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let is_known = |scope: &String| Scope::ALL.iter().any(|known| known.word() == scope);
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if self.name.is_empty() || !self.name.bytes().all(is_letter) {
            return Err(ConfigError::Value(
                "identities.name",
                "not of letters, digits and `-`",
            ));
        }
        if self.keys.contains("://") && self.address().is_none() {
            return Err(ConfigError::Value(
                "identities.keys",
                "not https:// or a file",
            ));
        }
        if self.claims.is_empty() {
            let expected =
                "empty: name at least the repository, or everybody at the issuer may come in";
            return Err(ConfigError::Value("identities.claims", expected));
        }
        if self.scopes.is_empty() || !self.scopes.iter().all(is_known) {
            return Err(ConfigError::Value(
                "identities.scopes",
                "not of `read`, `submit`, `admin`",
            ));
        }
        Ok(())
    }

    /// Where the keys are, if not in a file.
    fn address(&self) -> Option<Url> {
        let is_address = self.keys.starts_with(ADDRESS);
        is_address.then(|| parse(&self.keys).ok()).flatten()
    }

    fn has_claims(&self, claims: &Value) -> bool {
        self.claims
            .iter()
            .all(|(name, value)| claims.get(name).and_then(Value::as_str) == Some(value))
    }
}

impl Identities {
    pub(crate) fn new(all: Vec<Identity>) -> Self {
        // A second one in the same process is the same.
        let _set = PROVIDER.install_default();
        Self {
            all,
            keys: Mutex::default(),
        }
    }

    /// What the bearer of a signed token may do.
    pub(crate) async fn token(&self, presented: &str) -> Result<Token, Refused> {
        let header = decode_header(presented).map_err(|_| Refused::Signature)?;
        let kid = header.kid.ok_or(Refused::Signature)?;
        // What it says of itself, which is only believed once the signature is.
        let said = jsonwebtoken::dangerous::insecure_decode_claims::<Value>(presented);
        let said = said.map_err(|_| Refused::Signature)?;
        let issuer = said.get("iss").and_then(Value::as_str).unwrap_or_default();
        let mut refused = Refused::Issuer;
        for identity in self.all.iter().filter(|identity| identity.issuer == issuer) {
            let key = self.key(identity, &kid).await.ok_or(Refused::Signature)?;
            match claims(identity, presented, &key) {
                Ok(claims) if identity.has_claims(&claims) => {
                    return Ok(Token::of_identity(&identity.name, &identity.scopes));
                }
                Ok(_) => refused = Refused::Claim,
                Err(why) if refused == Refused::Issuer => refused = why,
                // Another identity of the issuer came closer.
                Err(_) => {}
            }
        }
        Err(refused)
    }

    /// The key of this name, from the cache or from its issuer.
    async fn key(&self, identity: &Identity, kid: &str) -> Option<DecodingKey> {
        let mut sets = self.keys.lock().await;
        let cached = sets.get(&identity.keys);
        let needed = cached.is_none_or(|(asked, set)| {
            let limit = if set.find(kid).is_some() { FRESH } else { SOON };
            asked.elapsed() >= limit
        });
        if needed {
            let set = keys(identity).await.unwrap_or_else(|error| {
                warn!(issuer = identity.issuer, error, "the keys cannot be had");
                // Those that were had; asked for again as soon as if one were missing.
                let before = sets.remove(&identity.keys).map(|(_, set)| set);
                before.unwrap_or(JwkSet { keys: Vec::new() })
            });
            sets.insert(identity.keys.clone(), (Instant::now(), set));
        }
        let (_, set) = sets.get(&identity.keys)?;
        DecodingKey::from_jwk(set.find(kid)?).ok()
    }
}

/// The claims of a token that this key signed for this audience, and that is valid now.
fn claims(identity: &Identity, presented: &str, key: &DecodingKey) -> Result<Value, Refused> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.algorithms = vec![match key.kind() {
        DecodingKeyKind::RsaModulusExponent { .. } => Algorithm::RS256,
        _ => Algorithm::ES256,
    }];
    validation.set_issuer(&[&identity.issuer]);
    validation.set_audience(&[&identity.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    let data = decode::<Value>(presented, key, &validation);
    let data = data.map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature | ErrorKind::ImmatureSignature => Refused::Expired,
        ErrorKind::InvalidAudience => Refused::Audience,
        ErrorKind::InvalidIssuer => Refused::Issuer,
        ErrorKind::MissingRequiredClaim(_) => Refused::Claim,
        _ => Refused::Signature,
    })?;
    Ok(data.claims)
}

/// The keys of an issuer.
async fn keys(identity: &Identity) -> Result<JwkSet, String> {
    let text = match identity.address() {
        Some(url) => {
            // Whoever wrote the configuration may ask what they like.
            let client = client(&url, Reach::Private)?;
            let answer = client
                .get(url)
                .send()
                .await
                .and_then(reqwest::Response::error_for_status);
            let mut answer = answer.map_err(|error| error.to_string())?;
            let mut text = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(|error| error.to_string())? {
                text.extend_from_slice(&piece);
                if text.len() > KEYS {
                    return Err(format!("more than {KEYS} bytes"));
                }
            }
            text
        }
        None => tokio::fs::read(Path::new(&identity.keys))
            .await
            .map_err(|error| error.to_string())?,
    };
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

/// What `ring` checks: RS256 and ES256, which CI providers sign with. Nothing is signed here.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => Ok(Box::new(Rs256 {
            n: n.clone(),
            e: e.clone(),
        })),
        (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => {
            Ok(Box::new(Es256(point.clone())))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

struct Rs256 {
    n: Vec<u8>,
    e: Vec<u8>,
}

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let key = RsaPublicKeyComponents {
            n: &self.n,
            e: &self.e,
        };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

struct Es256(Vec<u8>);

impl Verifier<Vec<u8>> for Es256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0);
        key.verify(message, signature)
            .map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Es256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

#[cfg(test)]
mod tests;
