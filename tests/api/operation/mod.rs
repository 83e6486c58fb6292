//! The program as an operator meets it: its log, its certificate, its traces, its end.

mod end;
mod log;
#[cfg(feature = "otel")]
mod otel;
mod tls;
