//! `lectern dev`: starts what is missing, seeds the demo store, and serves.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::middleware::{NormalizePath, TrailingSlash};
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use clap::Args;

use super::clerk::{self, LocalClerk};
use super::postgres::{self, Cluster, ClusterOptions};
use super::stripe::{self, Adopted, Delivery, LocalStripe};
use super::welcome;
use crate::app::AppState;
use crate::config::{ANY_LOOPBACK, ANY_PARTY, Config};
use crate::demo::{self, SeedError};
use crate::{cli, db, server, telemetry};

/// How the development store is started.
#[derive(Debug, Clone, Default, Args)]
pub struct DevOptions {
    /// The API's port, 8080 unless BIND_ADDR says otherwise; the local Clerk and Stripe take the next one when it is free
    #[arg(long)]
    pub port: Option<u16>,
    /// Forget the data of earlier runs
    #[arg(long)]
    pub fresh: bool,
}

/// Where the API listens when nothing else is said.
pub const DEFAULT_PORT: u16 = 8080;
const DATABASE: &str = "lectern";
const STRIPE_SECRET_KEY: &str = "sk_test_local";
const STRIPE_WEBHOOK_SECRET: &str = "whsec_local";
/// "a local Clerk's webhooks" in base64.
const CLERK_SECRET_KEY: &str = "sk_test_local";
const CLERK_WEBHOOK_SECRET: &str = "whsec_YSBsb2NhbCBDbGVyaydzIHdlYmhvb2tz";

/// The stand-ins, on a listener of their own.
struct Providers {
    clerk: LocalClerk,
    stripe: LocalStripe,
    listener: TcpListener,
    url: String,
}

/// Starts the store and serves it until the process is told to stop.
///
/// # Errors
/// One sentence that says what is in the way and what to do about it.
pub fn run(options: &DevOptions) -> anyhow::Result<()> {
    let say = &mut |line: &str| eprintln!("{line}");
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let address = match (options.port, variable("BIND_ADDR")) {
        (None, Some(address)) => address
            .parse()
            .context("BIND_ADDR is not an address such as 127.0.0.1:8080")?,
        (port, _) => SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(DEFAULT_PORT))),
    };
    // First of all, so that a taken port is known before anything else is touched.
    let listener = server::bind(address)?;
    let address = listener.local_addr()?;
    let public_url = format!("http://{address}");
    let folder = std::env::current_dir()?;
    let books = folder.join(".lectern");
    if options.fresh {
        forget(&books)?;
    }
    let cluster = match variable("DATABASE_URL") {
        Some(_) => None,
        None => Some(start_postgres(
            postgres::default_data_dir(&folder, say)?,
            options.fresh,
            say,
        )?),
    };
    let providers = start_providers(&books, address.port(), &public_url)?;
    let mut defaults = defaults(cluster.as_ref(), &public_url, address, &providers);
    // Never one Clerk's people with another one's API: it would take them for deleted.
    if variable("CLERK_ISSUER").is_none() && variable("CLERK_SECRET_KEY").is_none() {
        defaults.insert("CLERK_SECRET_KEY", CLERK_SECRET_KEY.to_owned());
        defaults.insert("CLERK_API_URL", providers.clerk.issuer().to_owned());
    }
    let config =
        Config::from_variables(|name| variable(name).or_else(|| defaults.get(name).cloned()))?;
    let _telemetry = telemetry::init(&config)?;

    let mut conn = db::connect_directly(config.direct_url())?;
    db::migrate_up(&mut conn)?;
    match demo::seed(&mut conn, config.currency.as_str()) {
        Ok(seeded) => providers.adopt(&seeded)?,
        // A store that somebody uses, from an earlier run or of their own.
        Err(SeedError::NotEmpty) => {}
        Err(error) => return Err(error.into()),
    }
    drop(conn);
    let state = AppState::new(config)?;
    welcome::print(&state, &providers.clerk, &providers.url)?;
    cli::block_on(serve(listener, state, providers))?;
    cluster.map_or(Ok(()), |cluster| Ok(cluster.stop()?))
}

fn start_postgres(
    data_dir: PathBuf,
    fresh: bool,
    say: postgres::Progress<'_>,
) -> anyhow::Result<Cluster> {
    if fresh {
        // Usually gone with the folder around it; elsewhere when another user runs Postgres.
        forget(&data_dir)?;
    }
    let options = ClusterOptions {
        data_dir,
        durable: true,
        ephemeral: false,
    };
    let cluster = Cluster::start(&options, say)?;
    cluster.create_database_if_missing(DATABASE)?;
    Ok(cluster)
}

/// Removes what earlier runs left.
fn forget(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

fn start_providers(books: &Path, api_port: u16, public_url: &str) -> anyhow::Result<Providers> {
    let preferred = api_port.checked_add(1).unwrap_or(0);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, preferred))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("no port is free for the local Clerk and Stripe")?;
    let url = format!("http://{}", listener.local_addr()?);
    let file = |name: &str| -> PathBuf { books.join(name) };
    std::fs::create_dir_all(books).with_context(|| {
        format!(
            "{} cannot be written; start in a folder of your own",
            books.display()
        )
    })?;
    let clerk = LocalClerk::new(clerk::Options {
        base_url: format!("{url}/clerk"),
        webhook_secret: CLERK_WEBHOOK_SECRET.parse()?,
        webhook_url: Some(format!("{public_url}/v1/webhooks/clerk")),
        announce: true,
        key_file: Some(file("clerk-key.der")),
        people_file: Some(file("clerk-people.json")),
    })?;
    let stripe = LocalStripe::new(stripe::Options {
        secret_key: STRIPE_SECRET_KEY.into(),
        webhook_secret: STRIPE_WEBHOOK_SECRET.into(),
        base_url: format!("{url}/stripe"),
        webhook_url: Some(format!("{public_url}/v1/webhooks/stripe")),
        delivery: Delivery::Automatic,
        state_file: Some(file("stripe.json")),
    })?;
    Ok(Providers {
        clerk,
        stripe,
        listener,
        url,
    })
}

/// What the environment does not say.
fn defaults(
    cluster: Option<&Cluster>,
    public_url: &str,
    address: SocketAddr,
    providers: &Providers,
) -> HashMap<&'static str, String> {
    let mut defaults = HashMap::from([
        ("BIND_ADDR", address.to_string()),
        ("PUBLIC_URL", public_url.to_owned()),
        ("CLERK_ISSUER", providers.clerk.issuer().to_owned()),
        ("CLERK_AUTHORIZED_PARTIES", ANY_PARTY.to_owned()),
        ("CLERK_WEBHOOK_SECRETS", CLERK_WEBHOOK_SECRET.to_owned()),
        ("STRIPE_SECRET_KEY", STRIPE_SECRET_KEY.to_owned()),
        ("STRIPE_API_URL", format!("{}/stripe", providers.url)),
        ("STRIPE_WEBHOOK_SECRETS", STRIPE_WEBHOOK_SECRET.to_owned()),
        ("CORS_ORIGINS", ANY_LOOPBACK.to_owned()),
        ("RETURN_ORIGINS", ANY_LOOPBACK.to_owned()),
        ("LOG_FORMAT", "pretty".to_owned()),
        ("SHUTDOWN_DELAY", "0".to_owned()),
    ]);
    if let Some(cluster) = cluster {
        defaults.insert("DATABASE_URL", cluster.url(DATABASE));
    }
    defaults
}

impl Providers {
    /// Enters the demo store's paid purchases in the local Stripe's books, so that they can be refunded there.
    fn adopt(&self, seeded: &demo::Seeded) -> anyhow::Result<()> {
        for paid in &seeded.paid {
            self.stripe.adopt_paid(&Adopted {
                session_id: paid.stripe_session_id.clone(),
                payment_intent_id: paid.stripe_payment_intent_id.clone(),
                charge_id: paid.stripe_payment_intent_id.replace("pi_", "ch_"),
                product_name: paid.product_name.clone(),
                amount: paid.amount_in_cents.into(),
                discount: 0,
                currency: paid.currency.clone(),
                created: paid.paid_at.timestamp(),
            });
        }
        Ok(())
    }
}

async fn serve(listener: TcpListener, state: AppState, providers: Providers) -> anyhow::Result<()> {
    let Providers {
        clerk,
        stripe,
        listener: local,
        ..
    } = providers;
    let tokens = clerk.clone();
    let stand_ins = HttpServer::new(move || {
        App::new()
            .wrap(NormalizePath::new(TrailingSlash::Trim))
            .service(web::scope("/clerk").configure(|config| clerk.configure(config)))
            .service(web::scope("/stripe").configure(|config| stripe.configure(config)))
    })
    .workers(1)
    .disable_signals()
    .listen(local)?
    .run();
    let handle = stand_ins.handle();
    let stand_ins = tokio::spawn(stand_ins);
    let served = server::run(
        listener,
        state,
        true,
        Arc::new(move |config| tokens.configure_tokens(config)),
    )
    .await;
    handle.stop(false).await;
    stand_ins.await??;
    served
}
