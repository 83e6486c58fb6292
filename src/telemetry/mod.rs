//! The log, as JSON for machines or pretty for people, and traces for those who collect them.

mod lines;
#[cfg(feature = "otel")]
mod otel;

use std::io::{IsTerminal, stderr};

use tracing::Subscriber;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use self::lines::{JsonLines, PrettyLines};
use crate::config::{Config, LogFormat};

#[cfg(feature = "otel")]
pub use self::otel::{continue_trace, rename};

/// What `RUST_LOG` says about the HTTP library unless it names that. It has an error for whatever comes in that is no
/// request, and whoever likes to could fill the disk with them.
const QUIET: [(&str, &str); 2] = [
    ("actix_http", "actix_http=off"),
    ("actix_server", "actix_server=warn"),
];

/// What goes on until this is dropped: the sending of traces.
pub struct Telemetry {
    #[cfg(feature = "otel")]
    _traces: Option<otel::Traces>,
}

/// Starts logging to standard error what the configuration chooses, and sending traces to a collector when one is
/// configured. Call it once.
///
/// # Errors
/// When the collector's address cannot be used.
pub fn init(config: &Config) -> anyhow::Result<Telemetry> {
    let log = log(config.log_format, stderr().is_terminal(), stderr);
    let log = log.with_filter(filter(&config.log_lines)?);
    let subscriber = tracing_subscriber::registry().with(log);
    #[cfg(feature = "otel")]
    let traces = config.traces.as_ref().map(otel::Traces::start);
    #[cfg(feature = "otel")]
    let traces = traces.transpose()?;
    #[cfg(feature = "otel")]
    let subscriber = subscriber.with(traces.as_ref().map(otel::Traces::layer));
    subscriber.init();
    Ok(Telemetry {
        #[cfg(feature = "otel")]
        _traces: traces,
    })
}

/// Which lines there are, in tracing's filter syntax.
///
/// # Errors
/// When they are not written in it.
pub fn filter(lines: &str) -> Result<EnvFilter, ParseError> {
    let quiet = QUIET.iter().filter(|(target, _)| !lines.contains(target));
    let quiet = quiet.map(|(_, directive)| *directive);
    let directives: Vec<&str> = std::iter::once(lines).chain(quiet).collect();
    EnvFilter::builder().parse(directives.join(","))
}

/// The log in one of its formats.
pub fn log<S, W>(format: LogFormat, ansi: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => layer
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines)
            .boxed(),
        LogFormat::Pretty => layer
            .with_ansi(ansi)
            .event_format(PrettyLines::new())
            .boxed(),
    }
}
