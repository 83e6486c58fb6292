//! The RSA key that signs the local Clerk's tokens.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{LocalClerkError, people::base62};

pub(super) struct SigningKey {
    pair: RsaKeyPair,
    kid: String,
}

impl SigningKey {
    pub(super) fn generate() -> Result<Self, LocalClerkError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| LocalClerkError::Key)?;
        Ok(Self::of(pair))
    }

    pub(super) fn load_or_generate(path: &Path) -> Result<Self, LocalClerkError> {
        let in_file = |source| LocalClerkError::File {
            path: path.to_owned(),
            source,
        };
        match fs::read(path) {
            Ok(der) => {
                let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| LocalClerkError::Damaged {
                    path: path.to_owned(),
                })?;
                Ok(Self::of(pair))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                let der = key.pair.as_der().map_err(|_| LocalClerkError::Key)?;
                write_private(path, der.as_ref()).map_err(in_file)?;
                Ok(key)
            }
            Err(error) => Err(in_file(error)),
        }
    }

    /// The id follows from the key, so that it too survives a restart.
    fn of(pair: RsaKeyPair) -> Self {
        let digest = Sha256::digest(pair.public_key().as_ref());
        Self {
            pair,
            kid: format!("ins_{}", base62(&digest, 27)),
        }
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JSON Web Key, in the shape of Clerk's.
    pub(super) fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        let number = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "use": "sig",
            "kty": "RSA",
            "kid": self.kid,
            "alg": "RS256",
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// The public half in DER: what a forger would use as an HMAC secret.
    pub(super) fn public_der(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, LocalClerkError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| LocalClerkError::Key)?;
        Ok(signature)
    }
}

/// Writes a new file that only its owner may read.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)
}
