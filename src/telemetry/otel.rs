//! Traces over OTLP: a span for each request, for what it does in the database, and for each call to a provider.

use std::collections::HashMap;

use anyhow::Context;
use opentelemetry::TraceId;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracerProvider};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use crate::config::TracesConfig;
use crate::context::RequestContext;
use crate::http::request_id::Trace;

/// As the targets of this crate's spans begin.
const CRATE: &str = env!("CARGO_PKG_NAME");

/// Sends spans in batches, from a thread of its own. What is left is sent when this is dropped.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Over HTTP. The other variables of the standard (`OTEL_EXPORTER_OTLP_HEADERS`,
    /// `OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES`, ...) are the library's to read.
    /// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn start(config: &TracesConfig) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", config.endpoint))
            .build()
            .context("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used")?;
        let resource = Resource::builder().with_service_name(config.service_name.clone());
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_id_generator(OfRequest::default())
            .with_resource(resource.build());
        Ok(Self(provider.build()))
    }

    /// What collects the spans of this crate.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(CRATE))
            .with_filter(Targets::new().with_target(CRATE, LevelFilter::DEBUG))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Lets the span of a request go on with the trace that its caller began.
pub fn continue_trace(span: &Span, trace: &Trace) {
    if trace.is_given {
        let header = HashMap::from([("traceparent".to_owned(), trace.text.clone())]);
        // Refused where nobody collects spans.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&header));
    }
}

/// Gives a span that has begun another name, which recording `otel.name` does not.
pub fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// Gives a trace that begins here the id under which the log knows it.
#[derive(Debug, Default)]
struct OfRequest(RandomIdGenerator);

impl IdGenerator for OfRequest {
    fn new_trace_id(&self) -> TraceId {
        let of_request = |context: &RequestContext| TraceId::from_hex(&context.trace_id).ok();
        RequestContext::with_current(of_request)
            .flatten()
            .unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> opentelemetry::SpanId {
        self.0.new_span_id()
    }
}
