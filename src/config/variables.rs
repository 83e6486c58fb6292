//! Reading variables: what a value has to look like, and what is wrong with it when it does not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{ANY_LOOPBACK, ANY_PARTY, ConfigErrors, LogFormat, Origins, TlsConfig, TracesConfig};
use crate::domain::money::Currency;
use crate::providers::stripe;

/// What `read` makes of the variables, unless it found a fault.
pub fn checked<T>(
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

/// Reads variables and collects what is wrong with them. A faulty one yields a placeholder that is never used.
pub struct Variables<'a> {
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

    pub fn required_with(
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

    pub fn required_url(&mut self, name: &'static str) -> String {
        let url = self.required_with(name, "an http or https URL", is_http_url);
        url.trim_end_matches('/').to_owned()
    }

    pub fn optional_url(&mut self, name: &'static str) -> Option<String> {
        self.value(name).map(|_| self.required_url(name))
    }

    pub fn parsed<T: std::str::FromStr>(&mut self, name: &'static str, what: &str) -> Option<T> {
        self.parsed_if(name, what, |_| true)
    }

    pub fn parsed_if<T: std::str::FromStr>(
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

    pub fn required_list<T>(
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

    pub fn optional_list<T>(
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
    pub fn origins(&mut self, name: &'static str) -> Origins {
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

    pub fn database_url(&mut self, name: &'static str) -> SecretString {
        let what = "a postgres:// URL (with percent-encoding of :/?#[]@% in user and password)";
        let url = self.required_with(name, what, is_database_url);
        let asks_for_tls = [
            "sslmode=require",
            "sslmode=verify-ca",
            "sslmode=verify-full",
        ];
        if !cfg!(feature = "pg-tls") && asks_for_tls.iter().any(|mode| url.contains(mode)) {
            self.fault(
                name,
                "asks for TLS, which this build leaves out; build with `--features pg-tls`",
            );
        }
        url.into()
    }

    pub fn optional_database_url(&mut self, name: &'static str) -> Option<SecretString> {
        self.value(name).map(|_| self.database_url(name))
    }

    pub fn bind_addr(&mut self) -> SocketAddr {
        self.parsed("BIND_ADDR", "an address such as 0.0.0.0:8080")
            .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 8080)))
    }

    /// Requests a minute.
    pub fn rate_limit(&mut self, name: &'static str, default: u32) -> NonZeroU32 {
        let what = "a number of requests a minute, from 1 to 10000000";
        self.parsed_if(name, what, |quota: &NonZeroU32| quota.get() <= 10_000_000)
            .or(NonZeroU32::new(default))
            .unwrap_or(NonZeroU32::MIN)
    }

    /// A time in whole seconds.
    pub fn seconds(&mut self, name: &'static str, default: u64, max: u64) -> Duration {
        let what = format!("a number of seconds from 0 to {max}");
        let seconds = self.parsed_if(name, &what, |seconds| *seconds <= max);
        Duration::from_secs(seconds.unwrap_or(default))
    }

    pub fn traces(&mut self) -> Option<TracesConfig> {
        let endpoint = self.optional_url("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        if !cfg!(feature = "otel") {
            self.fault(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "asks for traces, which this build leaves out; build with `--features otel`",
            );
        }
        let service_name = self.value("OTEL_SERVICE_NAME");
        Some(TracesConfig {
            endpoint,
            service_name: service_name.unwrap_or_else(|| "lectern".to_owned()),
        })
    }

    pub fn redis_url(&mut self) -> Option<String> {
        let what = "a redis:// URL (without TLS: reach Redis over a private network)";
        self.value("REDIS_URL")?;
        let url = self.required_with("REDIS_URL", what, |url| {
            url.starts_with("redis://") && redis::Client::open(url).is_ok()
        });
        Some(url)
    }

    pub fn currency(&mut self) -> Currency {
        let what = "the three-letter ISO 4217 code of a currency that Stripe knows, such as usd";
        self.parsed_if("CURRENCY", what, stripe::charges_in)
            .unwrap_or_default()
    }

    pub fn authorized_parties(&mut self) -> Vec<String> {
        let parties =
            self.required_list("CLERK_AUTHORIZED_PARTIES", |party| Some(party.to_owned()));
        if parties.iter().any(|party| party == ANY_PARTY) {
            Vec::new()
        } else {
            parties
        }
    }

    pub fn tls(&mut self) -> Option<TlsConfig> {
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

    pub fn log_format(&mut self) -> LogFormat {
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
