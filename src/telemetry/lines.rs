//! How a line of the log looks. Each line that is about a request carries its ids, from wherever it is logged.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format};
use tracing_subscriber::registry::LookupSpan;

use crate::context::RequestContext;

/// An object a line. The library's own format takes twice the time: it reads the fields of spans back from the text that
/// they are kept as.
pub struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let (level, target) = (metadata.level(), metadata.target());
        write!(
            writer,
            r#"{{"timestamp":"{now}","level":"{level}","target":"{target}""#
        )?;
        let mut fields = Fields {
            writer: writer.by_ref(),
            written: Ok(()),
        };
        event.record(&mut fields);
        fields.written?;
        if let Some(ids) = RequestContext::with_current(ids) {
            writer.write_str(&ids)?;
        }
        if let Some(span) = context.lookup_current()
            && let Some(fields) = span.extensions().get::<FormattedFields<N>>()
            && fields.len() > "{}".len()
        {
            write!(writer, r#","span":{fields}"#)?;
        }
        writeln!(writer, "}}")
    }
}

/// Both are made of characters that JSON takes as they are.
fn ids(context: &RequestContext) -> String {
    format!(
        r#","request_id":"{}","trace_id":"{}""#,
        context.request_id, context.trace_id
    )
}

/// Writes fields as the members of an object that was begun.
struct Fields<'a> {
    writer: Writer<'a>,
    written: fmt::Result,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, json: fmt::Arguments<'_>) {
        let name = field.name();
        self.written = self
            .written
            .and_then(|()| write!(self.writer, r#","{name}":{json}"#));
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.write(field, format_args!("{value}"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match serde_json::to_string(value) {
            Ok(json) => self.write(field, format_args!("{json}")),
            Err(_) => self.written = Err(fmt::Error),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// A line for people, which begins with the request's id when it is about one.
pub struct PrettyLines(Format<Compact>);

impl PrettyLines {
    pub fn new() -> Self {
        Self(format().compact().with_target(false))
    }
}

impl<S, N> FormatEvent<S, N> for PrettyLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if let Some(id) = RequestContext::with_current(|context| context.request_id.clone()) {
            write!(writer, "{id} ")?;
        }
        self.0.format_event(context, writer, event)
    }
}
