//! Configuration: one value, read from the environment, checked whole, passed down. Nothing else reads variables.

mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use self::variables::{Variables, checked};

use crate::domain::money::Currency;
use crate::http::rate_limit::Quotas;
use crate::telemetry;
use crate::webhooks::signature::{StandardSecret, StripeSecret};

/// All that the program is told from outside. Secrets are types that cannot be printed.
#[derive(Debug, Clone)]
pub struct Config {
    pub database_url: SecretString,
    /// The database itself, where the other URL leads through a pooler.
    pub database_direct_url: Option<SecretString>,
    /// A streaming replica, for reads that may be answered from there.
    pub database_replica_url: Option<SecretString>,
    /// Connections to the database, and so requests that use it at once.
    pub database_pool_size: u32,
    /// What may be kept of what was read, in bytes; 0 keeps nothing.
    pub cache_bytes: u64,
    pub bind_addr: SocketAddr,
    /// How the world reaches the API; without a trailing slash.
    pub public_url: String,
    pub clerk: ClerkConfig,
    pub stripe: StripeConfig,
    pub currency: Currency,
    /// Origins whose pages may call the API.
    pub cors_origins: Origins,
    /// Origins to which a buyer may be sent back after paying.
    pub return_origins: Origins,
    /// Proxies whose forwarding headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which such a proxy names the caller's country, such as `cf-ipcountry`.
    pub country_header: Option<String>,
    /// Where rate limits are counted for several instances together.
    pub redis_url: Option<SecretString>,
    pub rate_limits: Quotas,
    pub tls: Option<TlsConfig>,
    /// Where `/metrics` has a listener of its own.
    pub metrics_addr: Option<SocketAddr>,
    pub log_format: LogFormat,
    /// Which lines there are, in tracing's filter syntax.
    pub log_lines: String,
    /// Where traces are collected.
    pub traces: Option<TracesConfig>,
    /// How long the listener still accepts once the program was told to end and `/readyz` says so.
    pub shutdown_delay: Duration,
}

/// The issuer of session tokens, and its webhooks.
#[derive(Debug, Clone)]
pub struct ClerkConfig {
    pub issuer: String,
    pub jwks_url: String,
    /// Allowed `azp` claims; empty means any (development only).
    pub authorized_parties: Vec<String>,
    /// Whether a token without `azp`, as of a native app, is refused.
    pub require_azp: bool,
    pub webhook_secrets: Vec<StandardSecret>,
    /// For Clerk's Backend API; without it nothing is written to Clerk, and nobody is deleted there.
    pub secret_key: Option<SecretString>,
    /// Without a trailing slash.
    pub api_url: String,
}

/// Stripe, or a stand-in at another address.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    pub secret_key: SecretString,
    /// Without a trailing slash.
    pub api_url: String,
    pub webhook_secrets: Vec<StripeSecret>,
}

impl StripeConfig {
    /// Whether the key is for real money; `None` when it does not say.
    pub fn is_live(&self) -> Option<bool> {
        let mode = self.secret_key.expose_secret().split('_').nth(1)?;
        match mode {
            "live" => Some(true),
            "test" => Some(false),
            _ => None,
        }
    }
}

/// Where an instance listens, and whether with TLS.
#[derive(Debug)]
pub struct Listening {
    pub address: SocketAddr,
    pub tls: Option<TlsConfig>,
}

/// Where the certificate chain and its key are, in PEM.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// An OpenTelemetry collector.
#[derive(Debug, Clone)]
pub struct TracesConfig {
    /// Without a trailing slash.
    pub endpoint: String,
    /// As which program traces are shown.
    pub service_name: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
}

/// A list of web origins (RFC 6454), or any loopback origin as well.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    listed: Vec<String>,
    loopback: bool,
}

impl Origins {
    /// Whether the origin, such as `https://shop.example.com`, is one of them.
    pub fn allows(&self, origin: &str) -> bool {
        self.listed.iter().any(|listed| listed == origin)
            || (self.loopback && is_loopback_origin(origin))
    }
}

fn is_loopback_origin(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| {
        url.scheme() == "http"
            && matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
    })
}

/// Every variable that is missing or malformed, by name and never with its value.
#[derive(Debug)]
pub struct ConfigErrors(BTreeMap<&'static str, String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The configuration is not complete. Set these in the environment or in .env (see .env.example):"
        )?;
        self.0
            .iter()
            .try_for_each(|(name, fault)| write!(f, "\n  {name}: {fault}"))
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Reads and checks all of it; `variable` is the environment, or a map in development and tests.
    ///
    /// # Errors
    /// Names every fault at once.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        checked(&variable, Self::read)
    }

    /// The database alone and around any pooler, for commands that need nothing else.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn direct_database_url(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<SecretString, ConfigErrors> {
        checked(&variable, |vars| {
            let direct = vars.optional_database_url(DATABASE_DIRECT_URL);
            direct.unwrap_or_else(|| vars.database_url("DATABASE_URL"))
        })
    }

    /// Where the API listens, alone.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn listening(variable: impl Fn(&str) -> Option<String>) -> Result<Listening, ConfigErrors> {
        checked(&variable, |vars| Listening {
            address: vars.bind_addr(),
            tls: vars.tls(),
        })
    }

    /// The currency alone.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn currency(variable: impl Fn(&str) -> Option<String>) -> Result<Currency, ConfigErrors> {
        checked(&variable, |vars| vars.currency())
    }

    /// Where sessions are one's own: for migrations and LISTEN.
    pub fn direct_url(&self) -> &SecretString {
        self.database_direct_url
            .as_ref()
            .unwrap_or(&self.database_url)
    }

    /// Whether what this address says of others counts.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let mut proxies = self.trusted_proxies.iter();
        proxies.any(|network| network.contains(&address))
    }

    fn read(vars: &mut Variables<'_>) -> Self {
        let issuer = vars.required_url("CLERK_ISSUER");
        Self {
            database_url: vars.database_url("DATABASE_URL"),
            database_direct_url: vars.optional_database_url(DATABASE_DIRECT_URL),
            database_replica_url: vars.optional_database_url("DATABASE_REPLICA_URL"),
            database_pool_size: vars
                .parsed_if("DATABASE_POOL_SIZE", "a number from 1 to 1000", |size| {
                    (1..=1000).contains(size)
                })
                .unwrap_or_else(default_pool_size),
            cache_bytes: vars
                .parsed_if("CACHE_MIB", "a number from 0 to 65536", |size: &u64| {
                    *size <= 65_536
                })
                .unwrap_or(96)
                << 20,
            public_url: vars.required_url("PUBLIC_URL"),
            clerk: ClerkConfig {
                jwks_url: vars
                    .optional_url("CLERK_JWKS_URL")
                    .unwrap_or_else(|| format!("{issuer}/.well-known/jwks.json")),
                issuer,
                authorized_parties: vars.authorized_parties(),
                require_azp: vars
                    .parsed("CLERK_REQUIRE_AZP", "true or false")
                    .unwrap_or_default(),
                webhook_secrets: vars.required_list("CLERK_WEBHOOK_SECRETS", |secret| {
                    secret.parse::<StandardSecret>().ok()
                }),
                secret_key: vars
                    .parsed_if(
                        "CLERK_SECRET_KEY",
                        "a Clerk secret key, sk_...",
                        |key: &String| key.starts_with("sk_"),
                    )
                    .map(SecretString::from),
                api_url: vars
                    .optional_url("CLERK_API_URL")
                    .unwrap_or_else(|| "https://api.clerk.com".to_owned()),
            },
            stripe: StripeConfig {
                secret_key: vars
                    .required_with(
                        "STRIPE_SECRET_KEY",
                        "a Stripe secret key, sk_... or rk_...",
                        |key| key.starts_with("sk_") || key.starts_with("rk_"),
                    )
                    .into(),
                api_url: vars
                    .optional_url("STRIPE_API_URL")
                    .unwrap_or_else(|| "https://api.stripe.com".to_owned()),
                webhook_secrets: vars.required_list("STRIPE_WEBHOOK_SECRETS", |secret| {
                    secret.parse::<StripeSecret>().ok()
                }),
            },
            currency: vars.currency(),
            cors_origins: vars.origins("CORS_ORIGINS"),
            return_origins: vars.origins("RETURN_ORIGINS"),
            trusted_proxies: vars.optional_list(
                "TRUSTED_PROXIES",
                "networks such as 10.0.0.0/8",
                |net| {
                    net.parse()
                        .ok()
                        .or_else(|| net.parse::<IpAddr>().ok().map(IpNet::from))
                },
            ),
            country_header: vars.parsed_if("COUNTRY_HEADER", "a header name", |name: &String| {
                actix_web::http::header::HeaderName::try_from(name.as_str()).is_ok()
            }),
            redis_url: vars.redis_url().map(Into::into),
            rate_limits: Quotas {
                anonymous: vars.rate_limit("RATE_LIMIT_ANONYMOUS", 100),
                user: vars.rate_limit("RATE_LIMIT_USER", 600),
                checkout: vars.rate_limit("RATE_LIMIT_CHECKOUT", 10),
            },
            tls: vars.tls(),
            metrics_addr: vars.parsed("METRICS_ADDR", "an address such as 127.0.0.1:9090"),
            log_format: vars.log_format(),
            log_lines: vars
                .parsed_if(
                    "RUST_LOG",
                    "a list of levels such as info,lectern=debug",
                    |lines: &String| telemetry::filter(lines).is_ok(),
                )
                .unwrap_or_else(|| "info".to_owned()),
            traces: vars.traces(),
            shutdown_delay: vars.seconds("SHUTDOWN_DELAY", 5, 300),
            bind_addr: vars.bind_addr(),
        }
    }
}

const DATABASE_DIRECT_URL: &str = "DATABASE_DIRECT_URL";

/// Postgres works best with few connections: two for each core, and a few that wait for its disk.
fn default_pool_size() -> u32 {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    u32::try_from(cores * 2 + 4).unwrap_or(16)
}

/// The entry of the authorised parties that stands for all: for development.
pub const ANY_PARTY: &str = "*";

/// The entry of an origin list that stands for every loopback origin.
pub const ANY_LOOPBACK: &str = "http://localhost:*";
