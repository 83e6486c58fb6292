//! Configuration: one value, read from the environment, checked whole, passed down. Nothing else reads variables.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::domain::money::Currency;
use crate::webhooks::signature::{StandardSecret, StripeSecret};

/// All that the program is told from outside. Secrets are types that cannot be printed.
#[derive(Debug, Clone)]
pub struct Config {
    pub database_url: SecretString,
    /// Connections to the database, and so requests that use it at once.
    pub database_pool_size: u32,
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
    pub tls: Option<TlsConfig>,
    pub log_format: LogFormat,
}

/// The issuer of session tokens, and its webhooks.
#[derive(Debug, Clone)]
pub struct ClerkConfig {
    pub issuer: String,
    pub jwks_url: String,
    /// Allowed `azp` claims; empty means any (development only).
    pub authorized_parties: Vec<String>,
    pub webhook_secrets: Vec<StandardSecret>,
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

/// Where the certificate chain and its key are, in PEM.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
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

    /// The database alone, for commands that need nothing else.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn database_url(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<SecretString, ConfigErrors> {
        checked(&variable, |vars| vars.database_url().into())
    }

    /// The currency alone.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn currency(variable: impl Fn(&str) -> Option<String>) -> Result<Currency, ConfigErrors> {
        checked(&variable, |vars| vars.currency())
    }

    fn read(vars: &mut Variables<'_>) -> Self {
        let bind_addr = vars
            .parsed("BIND_ADDR", "an address such as 0.0.0.0:8080")
            .unwrap_or_else(default_bind_addr);
        let issuer = vars.required_url("CLERK_ISSUER");
        Self {
            database_url: vars.database_url().into(),
            database_pool_size: vars
                .parsed_if("DATABASE_POOL_SIZE", "a number from 1 to 1000", |size| {
                    (1..=1000).contains(size)
                })
                .unwrap_or_else(default_pool_size),
            public_url: vars.required_url("PUBLIC_URL"),
            clerk: ClerkConfig {
                jwks_url: vars
                    .optional_url("CLERK_JWKS_URL")
                    .unwrap_or_else(|| format!("{issuer}/.well-known/jwks.json")),
                issuer,
                authorized_parties: vars.authorized_parties(),
                webhook_secrets: vars.required_list("CLERK_WEBHOOK_SECRETS", |secret| {
                    secret.parse::<StandardSecret>().ok()
                }),
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
            tls: vars.tls(),
            log_format: vars.log_format(),
            bind_addr,
        }
    }
}

/// What `read` makes of the variables, unless it found a fault.
fn checked<T>(
    variable: &dyn Fn(&str) -> Option<String>,
    read: impl FnOnce(&mut Variables<'_>) -> T,
) -> Result<T, ConfigErrors> {
    let mut vars = Variables {
        get: variable,
        faults: BTreeMap::new(),
    };
    let value = read(&mut vars);
    if vars.faults.is_empty() {
        Ok(value)
    } else {
        Err(ConfigErrors(vars.faults))
    }
}

/// Where `serve` listens when nothing else is said.
fn default_bind_addr() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 8080))
}

/// Postgres works best with few connections: two for each core, and a few that wait for its disk.
fn default_pool_size() -> u32 {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    u32::try_from(cores * 2 + 4).unwrap_or(16)
}

/// Reads variables and collects what is wrong with them. A faulty one yields a placeholder that is never used.
struct Variables<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    faults: BTreeMap<&'static str, String>,
}

impl Variables<'_> {
    fn value(&self, name: &str) -> Option<String> {
        (self.get)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn fault(&mut self, name: &'static str, fault: impl Into<String>) {
        self.faults.insert(name, fault.into());
    }

    fn required_with(
        &mut self,
        name: &'static str,
        what: &str,
        accept: impl Fn(&str) -> bool,
    ) -> String {
        match self.value(name) {
            Some(value) if accept(&value) => return value,
            Some(_) => self.fault(name, format!("is not {what}")),
            None => self.fault(name, format!("is missing; it is {what}")),
        }
        String::new()
    }

    fn required_url(&mut self, name: &'static str) -> String {
        let url = self.required_with(name, "an http or https URL", is_http_url);
        url.trim_end_matches('/').to_owned()
    }

    fn optional_url(&mut self, name: &'static str) -> Option<String> {
        self.value(name).map(|_| self.required_url(name))
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &'static str, what: &str) -> Option<T> {
        self.parsed_if(name, what, |_| true)
    }

    fn parsed_if<T: std::str::FromStr>(
        &mut self,
        name: &'static str,
        what: &str,
        accept: impl Fn(&T) -> bool,
    ) -> Option<T> {
        let value = self.value(name)?;
        let parsed = value.parse().ok().filter(|value| accept(value));
        if parsed.is_none() {
            self.fault(name, format!("is not {what}"));
        }
        parsed
    }

    fn required_list<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let entries =
            self.optional_list(name, "a comma-separated list of well-formed entries", parse);
        // Commas alone are no list either: an empty one would let everybody in, or nobody.
        if entries.is_empty() && !self.faults.contains_key(name) {
            self.fault(name, "is missing; it is a comma-separated list");
        }
        entries
    }

    fn optional_list<T>(
        &mut self,
        name: &'static str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let value = self.value(name).unwrap_or_default();
        let entries = value
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let parsed: Option<Vec<T>> = entries.map(parse).collect();
        parsed.unwrap_or_else(|| {
            self.fault(name, format!("is not {what}"));
            Vec::new()
        })
    }

    /// `http://localhost:*` stands for every loopback origin; it is the development default.
    fn origins(&mut self, name: &'static str) -> Origins {
        let entries = self.required_list(name, |entry| match entry {
            ANY_LOOPBACK => Some(entry.to_owned()),
            _ => {
                let url = Url::parse(entry).ok()?;
                (is_http_url(entry) && url.path() == "/" && url.query().is_none())
                    .then(|| url.origin().ascii_serialization())
            }
        });
        Origins {
            loopback: entries.iter().any(|entry| entry == ANY_LOOPBACK),
            listed: entries,
        }
    }

    fn database_url(&mut self) -> String {
        let what = "a postgres:// URL (with percent-encoding of :/?#[]@% in user and password)";
        let url = self.required_with("DATABASE_URL", what, is_database_url);
        let asks_for_tls = [
            "sslmode=require",
            "sslmode=verify-ca",
            "sslmode=verify-full",
        ];
        if !cfg!(feature = "pg-tls") && asks_for_tls.iter().any(|mode| url.contains(mode)) {
            self.fault(
                "DATABASE_URL",
                "asks for TLS, which this build leaves out; build with `--features pg-tls`",
            );
        }
        url
    }

    fn currency(&mut self) -> Currency {
        let what = "a three-letter ISO 4217 code, such as usd";
        self.parsed("CURRENCY", what).unwrap_or_default()
    }

    fn authorized_parties(&mut self) -> Vec<String> {
        let parties =
            self.required_list("CLERK_AUTHORIZED_PARTIES", |party| Some(party.to_owned()));
        if parties.iter().any(|party| party == ANY_PARTY) {
            Vec::new()
        } else {
            parties
        }
    }

    fn tls(&mut self) -> Option<TlsConfig> {
        match (self.value("TLS_CERT_FILE"), self.value("TLS_KEY_FILE")) {
            (Some(cert_file), Some(key_file)) => Some(TlsConfig {
                cert_file: cert_file.into(),
                key_file: key_file.into(),
            }),
            (Some(_), None) => {
                self.fault("TLS_KEY_FILE", "is missing; TLS_CERT_FILE needs its key");
                None
            }
            (None, Some(_)) => {
                self.fault(
                    "TLS_CERT_FILE",
                    "is missing; TLS_KEY_FILE needs its certificate",
                );
                None
            }
            (None, None) => None,
        }
    }

    fn log_format(&mut self) -> LogFormat {
        match self.value("LOG_FORMAT").as_deref() {
            None | Some("json") => LogFormat::Json,
            Some("pretty") => LogFormat::Pretty,
            Some(_) => {
                self.fault("LOG_FORMAT", "is neither json nor pretty");
                LogFormat::Json
            }
        }
    }
}

/// The entry of the authorised parties that stands for all: for development.
pub const ANY_PARTY: &str = "*";

/// The entry of an origin list that stands for every loopback origin.
pub const ANY_LOOPBACK: &str = "http://localhost:*";

/// What libpq takes for a connection URI, checked here because its own complaints quote the password.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>
fn is_database_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"));
    let Some(rest) = rest else { return false };
    let (place, _) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    let (user_info, hosts) = authority.split_once('@').unwrap_or(("", authority));
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let is_host = |host: &str| match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((_, port)) => port.is_empty() || port.strip_prefix(':').is_some_and(is_port),
        None => {
            host.split_once(':').is_none_or(|(_, port)| is_port(port))
                && !host.contains(['[', ']', '@'])
        }
    };
    let mut escapes = text.split('%').skip(1);
    let is_escape = |escape: &str| {
        escape
            .as_bytes()
            .get(..2)
            .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    hosts.split(',').all(is_host)
        && user_info.matches(':').count() <= 1
        && !path.contains(['@', '/'])
        && escapes.all(is_escape)
}

fn is_http_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let is_plain =
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && is_plain
            && url.query().is_none()
    })
}
