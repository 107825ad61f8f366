use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{Identities, Identity, Refused};
use crate::store::tokens::Scope;

/// The year 3000.
const LATER: u64 = 32_503_680_000;

/// The modulus of an RSA key, and a token that OpenSSL signed with it.
fn by_openssl(name: &str) -> String {
    let all: Value = serde_json::from_str(include_str!("rs256.json")).unwrap();
    all[name].as_str().unwrap().to_owned()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer with a key of its own.
struct Issuer {
    key: EcdsaKeyPair,
    folder: tempfile::TempDir,
}

impl Issuer {
    fn new() -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let key = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(kind, key.as_ref(), &random).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let issuer = Self { key, folder };
        let (x, y) = issuer
            .key
            .public_key()
            .as_ref()
            .get(1..)
            .unwrap()
            .split_at(32);
        let keys = json!({"keys": [
            {"kty": "EC", "crv": "P-256", "kid": "ec", "x": encoded(x), "y": encoded(y)},
            {"kty": "RSA", "kid": "rsa", "n": by_openssl("n"), "e": "AQAB"},
            {"kty": "oct", "kid": "oct", "k": encoded("a secret that is none")},
        ]});
        let mut file = File::create_new(issuer.keys()).unwrap();
        file.write_all(keys.to_string().as_bytes()).unwrap();
        issuer
    }

    fn keys(&self) -> std::path::PathBuf {
        Path::new(self.folder.path()).join("keys.json")
    }

    fn identities(&self) -> Identities {
        Identities::new(vec![Identity {
            name: "models".to_owned(),
            issuer: "https://ci.example".to_owned(),
            audience: "aprove".to_owned(),
            keys: self.keys().display().to_string(),
            claims: [("repository".to_owned(), "acme/models".to_owned())].into(),
            scopes: vec!["read".to_owned(), "submit".to_owned()],
        }])
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let text = [header, claims]
            .map(|part| encoded(part.to_string()))
            .join(".");
        let signature = self
            .key
            .sign(&SystemRandom::new(), text.as_bytes())
            .unwrap();
        format!("{text}.{}", encoded(signature))
    }
}

fn claims() -> Value {
    json!({"iss": "https://ci.example", "aud": "aprove", "exp": LATER, "repository": "acme/models"})
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "ec"})
}

#[tokio::test]
async fn a_token_of_the_right_run_has_the_scopes_of_its_identity() {
    let issuer = Issuer::new();
    for token in [issuer.signed(&header(), &claims()), by_openssl("token")] {
        let token = issuer.identities().token(&token).await.unwrap();
        assert_eq!(token.id, "identity:models");
        assert!(token.may(Scope::Submit) && !token.may(Scope::Admin));
    }
}

#[tokio::test]
async fn what_a_signed_token_lacks_is_said() {
    let issuer = Issuer::new();
    let identities = issuer.identities();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        issuer.signed(&header(), &claims)
    };
    let head = |header: Value| issuer.signed(&header, &claims());
    let whole = with("aud", json!("aprove"));
    let (text, signature) = whole.rsplit_once('.').unwrap();
    let other = Issuer::new().signed(&header(), &claims());
    for (token, refused) in [
        (with("iss", json!("https://evil.example")), Refused::Issuer),
        (with("iss", json!(["https://ci.example"])), Refused::Issuer),
        (with("aud", json!("another")), Refused::Audience),
        (with("aud", json!([])), Refused::Audience),
        (with("exp", json!(1)), Refused::Expired),
        (with("nbf", json!(LATER)), Refused::Expired),
        (with("exp", Value::Null), Refused::Claim),
        (with("repository", json!("acme/other")), Refused::Claim),
        (with("repository", json!(["acme/models"])), Refused::Claim),
        (
            head(json!({"alg": "none", "kid": "ec"})),
            Refused::Signature,
        ),
        (
            head(json!({"alg": "HS256", "kid": "ec"})),
            Refused::Signature,
        ),
        (
            head(json!({"alg": "HS256", "kid": "oct"})),
            Refused::Signature,
        ),
        (
            head(json!({"alg": "ES256", "kid": "oct"})),
            Refused::Signature,
        ),
        (
            head(json!({"alg": "RS256", "kid": "ec"})),
            Refused::Signature,
        ),
        (
            head(json!({"alg": "ES256", "kid": "other"})),
            Refused::Signature,
        ),
        (head(json!({"alg": "ES256"})), Refused::Signature),
        (other, Refused::Signature),
        (format!("{text}."), Refused::Signature),
        (format!("{text}.{signature}.x"), Refused::Signature),
        (
            by_openssl("token").replace("eyJpc3Mi", "eyJpc3Ni"),
            Refused::Signature,
        ),
        ("..".to_owned(), Refused::Signature),
    ] {
        assert_eq!(
            identities.token(&token).await.unwrap_err(),
            refused,
            "{token}"
        );
    }
}

#[tokio::test]
async fn without_keys_nobody_is_believed() {
    let issuer = Issuer::new();
    let identities = issuer.identities();
    std::fs::remove_file(issuer.keys()).unwrap();
    let token = issuer.signed(&header(), &claims());
    let refused = identities.token(&token).await.unwrap_err();
    assert_eq!(refused, Refused::Signature);
}
