//! A Clerk of our own: its key set over HTTP, and session tokens for the people of the large store.

use std::net::TcpListener;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};
use lectern::dev::clerk::{LocalClerk, Options, TokenOptions};

use crate::store::{CLERK_WEBHOOK_SECRET, FRONTEND};

/// It answers until it is stopped.
pub struct Clerk {
    clerk: LocalClerk,
    server: ServerHandle,
}

impl Clerk {
    /// Starts it, with a key of its own.
    ///
    /// # Errors
    /// When no port is free, or no key can be made.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let clerk = LocalClerk::new(Options {
            base_url: format!("http://{}", listener.local_addr()?),
            webhook_secret: CLERK_WEBHOOK_SECRET.parse()?,
            webhook_url: None,
            announce: false,
            key_file: None,
            people_file: None,
        })?;
        let served = clerk.clone();
        let server =
            HttpServer::new(move || App::new().configure(|config| served.configure(config)))
                .workers(1)
                .disable_signals()
                .listen(listener)?
                .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self {
            clerk,
            server: handle,
        })
    }

    pub fn issuer(&self) -> &str {
        self.clerk.issuer()
    }

    /// A session token for somebody with this Clerk user id.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self, clerk_user_id: &str) -> anyhow::Result<String> {
        let claims = TokenOptions::claims(serde_json::json!({ "azp": FRONTEND }));
        Ok(self.clerk.mint(clerk_user_id, &claims)?)
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}
