//! Somebody who calls the API, and what they are answered.

use reqwest::{Method, StatusCode};
use serde_json::Value;

/// A caller: anonymous, or with a session token.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    pub token: Option<String>,
    /// Clerk's id of the person, empty for the anonymous.
    pub clerk_user_id: String,
}

impl Client {
    /// Somebody who calls through the connections of `http`.
    pub fn new(
        http: &reqwest::Client,
        base: &str,
        token: Option<String>,
        clerk_user_id: &str,
    ) -> Self {
        Self {
            http: http.clone(),
            base: base.to_owned(),
            token,
            clerk_user_id: clerk_user_id.to_owned(),
        }
    }

    /// The same person at another instance.
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    /// What all callers of a test share.
    pub fn connections() -> reqwest::Client {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap()
    }

    /// A request that can be dressed up before it is sent with [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.expect("the API answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("the answer can be read");
        Reply {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::POST, path).json(&body))
            .await
    }

    /// A POST without a body.
    pub async fn call(&self, path: &str) -> Reply {
        self.send(self.request(Method::POST, path)).await
    }

    pub async fn put(&self, path: &str) -> Reply {
        self.send(self.request(Method::PUT, path)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        let request = self
            .request(Method::PATCH, path)
            .header("content-type", "application/merge-patch+json");
        self.send(request.body(body.to_string())).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    /// The body as JSON; null when it is not JSON.
    pub body: Value,
    pub text: String,
}

impl Reply {
    /// The body of an answer that has to have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(
            self.status.as_u16(),
            status,
            "unexpected answer: {}",
            self.text
        );
        self.body
    }

    /// The body of a problem that has to have this status and code.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Value {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{}",
            self.text
        );
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["type"], format!("/problems/{code}"), "{body}");
        assert!(body["requestId"].is_string(), "{body}");
        body
    }

    /// A 422 that names exactly one field.
    #[track_caller]
    pub fn expect_invalid(self, pointer: &str) {
        let body = self.expect_problem(422, "invalid");
        assert_eq!(body["errors"][0]["pointer"], pointer, "{body}");
        assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{body}");
    }

    /// A header's value.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no header {name} in {:?}", self.headers))
            .to_str()
            .unwrap()
    }
}
