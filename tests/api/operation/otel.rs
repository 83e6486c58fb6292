//! Traces, as a collector gets them.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpResponse, HttpServer, web};
use reqwest::Method;
use serde_json::Value;

use crate::support::program::Program;
use crate::support::{Shop, TestApp, log};

/// Keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Value>>>);

impl Collector {
    /// Starts one and returns it with its address.
    fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let kept = collector.clone();
        let server = HttpServer::new(move || {
            let kept = kept.clone();
            App::new().route(
                "/v1/traces",
                web::post().to(move |body: web::Json<Value>| {
                    log::inspect(&body.to_string());
                    kept.0.lock().unwrap().push(body.into_inner());
                    async { HttpResponse::Ok().json(serde_json::json!({})) }
                }),
            )
        });
        let server = server.workers(1).disable_signals().listen(listener);
        tokio::spawn(server.unwrap().run());
        (collector, address)
    }

    /// Every span so far.
    fn spans(&self) -> Vec<Value> {
        let sent = self.0.lock().unwrap();
        let lists = sent.iter().flat_map(|body| {
            let resources = body["resourceSpans"].as_array().unwrap();
            let scopes = resources
                .iter()
                .flat_map(|of| of["scopeSpans"].as_array().unwrap());
            scopes
                .flat_map(|of| of["spans"].as_array().unwrap())
                .cloned()
        });
        lists.collect()
    }
}

/// The spans of a trace that have this name.
fn named<'a>(spans: &'a [Value], trace: &str, name: &str) -> Vec<&'a Value> {
    let of = |span: &&Value| span["traceId"] == trace && span["name"] == name;
    spans.iter().filter(of).collect()
}

const GIVEN: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn a_request_its_work_in_the_database_and_its_calls_are_spans_of_its_callers_trace() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (collector, address) = Collector::start();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("RUST_LOG", "info"),
    ];
    let program = Program::start_with(&app, &["serve", "--no-jobs"], &variables);
    program.ready().await;
    let learner = program.at(&app.learner("one"));
    let request = learner.request(Method::POST, "/v1/checkout/sessions");
    let request = request.header("traceparent", format!("00-{GIVEN}-{CALLER}-01"));
    learner.send(request.json(&shop.order())).await.expect(201);
    let reply = learner.get("/v1/me").await;
    let begun_here = reply.header("traceparent")[3..35].to_owned();
    program.stop().await;

    let spans = collector.spans();
    let requests = named(&spans, GIVEN, "POST /v1/checkout/sessions");
    assert_eq!(requests.len(), 1, "{spans:?}");
    assert_eq!(requests[0]["parentSpanId"], CALLER);
    for child in ["database", "stripe"] {
        let children = named(&spans, GIVEN, child);
        assert!(!children.is_empty(), "{child}: {spans:?}");
        for span in children {
            assert_eq!(span["parentSpanId"], requests[0]["spanId"], "{span}");
        }
    }
    let root = named(&spans, &begun_here, "GET /v1/me");
    assert_eq!(root.len(), 1, "{spans:?}");
    assert!(
        root[0]["parentSpanId"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
    );
    app.finish_with_work_left().await;
}
