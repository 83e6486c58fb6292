//! An answer that is the same for everybody, finished: its bytes, its entity tag, and its compressed forms, each made
//! when it is first asked for.

use std::io::Write;
use std::mem::size_of;
use std::sync::OnceLock;
use std::time::Instant;

use actix_web::http::header::{
    self, AcceptEncoding, ContentEncoding, Encoding, Header, HeaderValue,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use brotli::CompressorWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::etag;
use crate::cache::Keep;
use crate::freshness::{Basis, Tag};
use crate::handlers::PUBLIC_CACHE;
use crate::problem::Problem;

/// Brotli's quality, 0 to 11: a form is made once and sent often, but somebody waits for it.
const BROTLI_QUALITY: u32 = 6;
/// The binary logarithm of Brotli's window: its usual one.
const BROTLI_WINDOW: u32 = 22;

/// 200 for everybody.
#[derive(Debug)]
pub struct Finished {
    body: Bytes,
    etag: HeaderValue,
    link: Option<HeaderValue>,
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
    basis: Basis,
}

impl Finished {
    /// Writes the body. `basis` is that of what it says, `link` is the header of that name.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn new(
        body: &impl Serialize,
        link: Option<HeaderValue>,
        basis: Basis,
    ) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(Problem::internal)?;
        Ok(Self {
            etag: etag::strong(None, &body)
                .try_into()
                .map_err(Problem::internal)?,
            body: body.into(),
            link,
            gzip: OnceLock::new(),
            brotli: OnceLock::new(),
            basis,
        })
    }

    /// A moment: all that was committed before is in it.
    pub fn read_at(&self) -> Instant {
        self.basis.read_at
    }

    /// The answer to a request, in the form that it prefers.
    pub fn to_response(&self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response
            .content_type("application/json")
            .insert_header((
                header::CACHE_CONTROL,
                HeaderValue::from_static(PUBLIC_CACHE),
            ))
            .insert_header((header::ETAG, self.etag.clone()));
        if let Some(link) = &self.link {
            response.insert_header((header::LINK, link.clone()));
        }
        let body = match preferred(request) {
            Some(ContentEncoding::Brotli) => {
                response.insert_header((header::CONTENT_ENCODING, HeaderValue::from_static("br")));
                self.brotli.get_or_init(|| brotli(&self.body))
            }
            Some(ContentEncoding::Gzip) => {
                let gzip = HeaderValue::from_static("gzip");
                response.insert_header((header::CONTENT_ENCODING, gzip));
                self.gzip.get_or_init(|| gzip_of(&self.body))
            }
            _ => &self.body,
        };
        response.body(body.clone())
    }
}

/// What the caller would rather have than the plain bytes.
fn preferred(request: &HttpRequest) -> Option<ContentEncoding> {
    if !request.headers().contains_key(header::ACCEPT_ENCODING) {
        return None;
    }
    let forms = [Encoding::brotli(), Encoding::gzip(), Encoding::identity()];
    let accepted = AcceptEncoding::parse(request).ok()?;
    match accepted.negotiate(forms.iter())? {
        Encoding::Known(coding) => Some(coding),
        Encoding::Unknown(_) => None,
    }
}

/// Writing to memory does not fail; if it did, the little that is there would be told by its checksum.
fn gzip_of(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

fn brotli(body: &[u8]) -> Bytes {
    let mut encoder = CompressorWriter::new(Vec::new(), 4096, BROTLI_QUALITY, BROTLI_WINDOW);
    let _ = encoder.write_all(body);
    encoder.into_inner().into()
}

impl Keep for Finished {
    fn tags(&self) -> impl AsRef<[Tag]> {
        &self.basis.tags
    }

    /// With the compressed forms, which together are hardly ever longer than the body.
    fn weight(&self) -> usize {
        size_of::<Self>() + 2 * self.body.len() + self.basis.tags.len() * size_of::<Tag>()
    }
}
