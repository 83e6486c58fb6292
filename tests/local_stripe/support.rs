//! A local Stripe on a port of its own, a client for it, and a webhook that takes down what arrives.

use std::{
    collections::VecDeque,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use lectern::dev::stripe::{Delivery, LocalStripe, Options, Outcome};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use stripe_webhook::{Event, Webhook};
use tokio::sync::mpsc;

pub const SECRET_KEY: &str = "sk_test_local";
pub const WEBHOOK_SECRET: &str = "whsec_local";
pub const RETURN_URL: &str = "https://shop.example.com/return?id={CHECKOUT_SESSION_ID}";

/// A session of 20.00 USD on a page of Stripe's.
pub const HOSTED: [(&str, &str); 7] = [
    ("mode", "payment"),
    ("ui_mode", "hosted_page"),
    ("success_url", RETURN_URL),
    ("line_items[0][price_data][currency]", "usd"),
    ("line_items[0][price_data][unit_amount]", "2000"),
    (NAME, "Rust for Shopkeepers"),
    ("line_items[0][quantity]", "1"),
];
pub const NAME: &str = "line_items[0][price_data][product_data][name]";

/// A running local Stripe; it stops when it is dropped.
pub struct Stand {
    pub stripe: LocalStripe,
    pub url: String,
    http: reqwest::Client,
    server: ServerHandle,
}

/// What was answered.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// Null when the answer is not JSON.
    pub body: Value,
}

impl Stand {
    /// One that delivers events only when it is told to.
    pub fn start() -> Self {
        Self::start_with(|_| ())
    }

    pub fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/stripe", listener.local_addr().unwrap());
        let mut options = Options {
            secret_key: SECRET_KEY.into(),
            webhook_secret: WEBHOOK_SECRET.into(),
            base_url: url.clone(),
            webhook_url: None,
            delivery: Delivery::Held,
            state_file: None,
        };
        change(&mut options);
        let stripe = LocalStripe::new(options).unwrap();
        let served = stripe.clone();
        let server = serve(listener, move |config| {
            let scope = web::scope("/stripe").configure(|config| served.configure(config));
            config.service(scope);
        });
        let http = client();
        Self {
            stripe,
            url,
            http,
            server,
        }
    }

    /// A request with the right key, that can be dressed up before it is sent with [`send`].
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(SECRET_KEY)
    }

    pub async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        send(self.request(Method::POST, path).form(form)).await
    }

    pub async fn post_with_key(&self, key: &str, path: &str, form: &[(&str, &str)]) -> Reply {
        let request = self.request(Method::POST, path).form(form);
        send(request.header("Idempotency-Key", key)).await
    }

    /// [`HOSTED`] with `changes`; an empty value leaves the parameter out.
    pub async fn create(&self, changes: &[(&str, &str)]) -> Reply {
        let form = form(changes);
        self.post("/v1/checkout/sessions", &form).await
    }

    /// The id of a new session.
    pub async fn open(&self) -> String {
        id(&self.create(&[]).await.ok())
    }

    /// The ids of a new session and of the charge that paid it.
    pub async fn paid(&self) -> (String, String) {
        let session = self.open().await;
        self.stripe.pay(&session, Outcome::Paid).unwrap();
        let charge = self.stripe.charge_of(&session).unwrap();
        (session, charge)
    }

    /// An object as the API shows it now.
    pub async fn object(&self, path: &str) -> Value {
        self.get(path).await.ok()
    }

    /// The types of the events so far, from the `since`th on.
    pub fn event_types(&self, since: usize) -> Vec<String> {
        let events = self.stripe.events();
        let types = events.iter().skip(since).map(|event| &event["type"]);
        types
            .map(|kind| kind.as_str().unwrap().to_owned())
            .collect()
    }

    /// The object in the newest event of a type.
    pub fn snapshot(&self, event_type: &str) -> Value {
        let events = self.stripe.events();
        let event = events
            .iter()
            .rev()
            .find(|event| event["type"] == event_type);
        event.expect(event_type)["data"]["object"].clone()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

impl Reply {
    /// The body of a 200.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body
    }

    /// The `error` of a refusal with this status.
    pub fn refused(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let error = self.body["error"].clone();
        assert!(
            error["type"].is_string() && error["message"].is_string(),
            "{}",
            self.text
        );
        error
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub fn form<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = |(name, _): &(&str, &str)| !changes.iter().any(|(changed, _)| changed == name);
    let mut form: Vec<_> = HOSTED.into_iter().filter(kept).collect();
    form.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    form
}

pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

pub async fn send(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.expect("the local Stripe answers");
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_default();
    Reply {
        status,
        headers,
        text,
        body,
    }
}

/// Whether `condition` comes true soon, which is for what a server does behind its answers.
pub async fn comes_true(condition: impl Fn() -> bool) -> bool {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .is_ok()
}

fn serve(
    listener: TcpListener,
    configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> ServerHandle {
    let server = HttpServer::new(move || App::new().configure(&configure));
    let server = server.workers(1).disable_signals();
    let server = server.listen(listener).unwrap().run();
    let handle = server.handle();
    tokio::spawn(server);
    handle
}

/// A webhook that answers as it is told, otherwise with 200.
pub struct Receiver {
    pub url: String,
    answers: Arc<Mutex<VecDeque<u16>>>,
    arrivals: mpsc::UnboundedReceiver<(String, String)>,
    server: ServerHandle,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let (sender, arrivals) = mpsc::unbounded_channel();
        let answers = Arc::<Mutex<VecDeque<u16>>>::default();
        let queue = answers.clone();
        let server = serve(listener, move |config| {
            let (sender, queue) = (sender.clone(), queue.clone());
            let receive = move |request: HttpRequest, body: String| {
                let signature = request.headers().get("stripe-signature").unwrap();
                let signature = signature.to_str().unwrap();
                sender.send((signature.to_owned(), body)).unwrap();
                let status = queue.lock().unwrap().pop_front().unwrap_or(200);
                let status = actix_web::http::StatusCode::from_u16(status).unwrap();
                async move { HttpResponse::new(status) }
            };
            config.route("/webhook", web::post().to(receive));
        });
        Self {
            url,
            answers,
            arrivals,
            server,
        }
    }

    /// The statuses of the next answers.
    pub fn answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// The next event, as Stripe's own library reads it once it has checked the signature.
    pub async fn next(&mut self) -> Event {
        let next = tokio::time::timeout(Duration::from_secs(10), self.arrivals.recv());
        let (signature, body) = next.await.expect("an event arrives").unwrap();
        Webhook::construct_event(&body, &signature, WEBHOOK_SECRET).expect(&body)
    }

    pub fn has_more(&mut self) -> bool {
        self.arrivals.try_recv().is_ok()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}
