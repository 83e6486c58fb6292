//! The extractor of webhooks' bodies, and the room that they have together while they arrive.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::client_address;
use super::connection::Gate;
use super::json::{admit, in_time, unreadable};
use crate::app::AppState;
use crate::problem::{Code, Problem};

/// The most that a webhook's body may weigh, in bytes.
pub const WEBHOOK_LIMIT: usize = 512 * 1024;

/// What the bodies of webhooks may weigh together while they arrive, in KiB. Whoever likes to may send one, and slowly.
const ROOM: usize = 128 * 1024;

/// What of it one address may take, so that no stranger keeps the providers out.
const SHARE: usize = ROOM / 8;

/// How long a webhook waits for room.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// A webhook's body, byte for byte, of any media type but not compressed: what was signed is what came.
pub struct RawBody(pub web::Bytes);

impl FromRequest for RawBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<AppState>>().cloned();
        let (peer, headers) = (request.peer_addr(), request.headers());
        let gate = request.conn_data::<Gate>().cloned().unwrap_or_default();
        let place = state.and_then(|state| {
            let address = client_address::of(peer, headers, &state.config)?;
            Some(state.webhook_room.place_for(address, gate))
        });
        let body = admit(request, payload, &[], WEBHOOK_LIMIT);
        Box::pin(async move {
            let body = body.await?;
            let place = place.ok_or_else(|| Problem::internal("nobody sent this"))?;
            in_time(take_in(body, place)).await.map(Self)
        })
    }
}

/// Room is taken for what has come, never for what was only announced.
async fn take_in(mut body: web::Payload, mut place: Place) -> Result<web::Bytes, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| unreadable())?;
        let weight = bytes.len() + chunk.len();
        if weight > WEBHOOK_LIMIT {
            return Err(Problem::new(Code::PayloadTooLarge));
        }
        place.grow(weight).await?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// The room for all, and the shares of those who have something in it.
pub struct Room {
    all: Arc<Semaphore>,
    shares: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(ROOM)),
            shares: Mutex::default(),
        }
    }
}

impl Room {
    fn place_for(&self, address: IpAddr, gate: Gate) -> Place {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.retain(|_, share| Arc::strong_count(share) > 1);
        let share = shares.entry(client_address::network(address));
        let share = share.or_insert_with(|| Arc::new(Semaphore::new(SHARE)));
        Place {
            gate,
            rooms: [Arc::clone(share), Arc::clone(&self.all)],
            taken: Vec::new(),
            kib: 0,
        }
    }
}

/// What one body has of its sender's share and of the room for all, until this is dropped.
struct Place {
    gate: Gate,
    rooms: [Arc<Semaphore>; 2],
    taken: Vec<OwnedSemaphorePermit>,
    kib: usize,
}

impl Place {
    /// Makes room for so many bytes in all. Who waits for it is sent nothing more, or that would take room elsewhere.
    async fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let _closed = self.gate.close();
        let kib = bytes.div_ceil(1024);
        let more = u32::try_from(kib - self.kib).map_err(Problem::internal)?;
        for room in &self.rooms {
            let permit = timeout(ROOM_WAIT, Arc::clone(room).acquire_many_owned(more)).await;
            let permit = permit.map_err(|_| {
                Problem::unavailable(Code::NotReady, 10).detail("Too much is arriving at once.")
            })?;
            self.taken.push(permit.map_err(Problem::internal)?);
        }
        self.kib = kib;
        Ok(())
    }
}
