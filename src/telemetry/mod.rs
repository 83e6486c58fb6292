//! The log, as JSON for machines or pretty for people, and traces for those who collect them.

mod lines;
#[cfg(feature = "otel")]
mod otel;

use std::io::{IsTerminal, stderr};

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use self::lines::{JsonLines, PrettyLines};
use crate::config::{Config, LogFormat};

#[cfg(feature = "otel")]
pub use self::otel::continue_trace;

/// Which lines there are unless `RUST_LOG` says so. Not those of the HTTP library: it has an error for whatever comes in
/// that is no request, and whoever likes to could fill the disk with them.
const LINES: &str = "info,actix_server=warn,actix_http=off";

/// What goes on until this is dropped: the sending of traces.
pub struct Telemetry {
    #[cfg(feature = "otel")]
    _traces: Option<otel::Traces>,
}

/// Starts logging to standard error, where `RUST_LOG` chooses what, and sending traces to a collector when one is
/// configured. Call it once.
///
/// # Errors
/// When the collector's address cannot be used.
pub fn init(config: &Config) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LINES));
    let log = log(config.log_format, stderr().is_terminal(), stderr).with_filter(filter);
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
