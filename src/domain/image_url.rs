//! Where a picture is: an `https` address, or a path from the frontend's root.

use serde::{Deserialize, Deserializer};
use url::Url;

/// At most 2,048 characters; `https://...` or `/...` (but not `//...`, which would name another host).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUrl(String);

impl ImageUrl {
    /// The longest that is accepted, in characters.
    pub const MAX: usize = 2048;
    const PATTERN: &str = r"^(https://[A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z](:[0-9]{1,4})?(/[^\s\u0000-\u001F\u007F-\u009F]*)?|/([^/\\\s\u0000-\u001F\u007F-\u009F][^\s\u0000-\u001F\u007F-\u009F]*)?)$";

    fn check(&self) -> garde::Result {
        let url = self.0.as_str();
        let allowed = if let Some(path) = url.strip_prefix('/') {
            !path.starts_with(['/', '\\'])
        } else {
            url.starts_with("https://") && Url::parse(url).is_ok()
        };
        if url.chars().count() > Self::MAX {
            Err(garde::Error::new(format!(
                "must be at most {} characters long",
                Self::MAX
            )))
        } else if !allowed || url.contains(|c: char| c.is_control() || c.is_whitespace()) {
            Err(garde::Error::new(
                "must be an https URL or a path that starts with a single /",
            ))
        } else {
            Ok(())
        }
    }
}

impl<'de> Deserialize<'de> for ImageUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|url| Self(url.trim().to_owned()))
    }
}

impl From<ImageUrl> for String {
    fn from(url: ImageUrl) -> Self {
        url.0
    }
}

impl garde::Validate for ImageUrl {
    type Context = ();

    fn validate_into(
        &self,
        (): &(),
        path: &mut dyn FnMut() -> garde::Path,
        report: &mut garde::Report,
    ) {
        if let Err(error) = self.check() {
            report.append(path(), error);
        }
    }
}

impl utoipa::PartialSchema for ImageUrl {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .min_length(Some(1))
            .max_length(Some(Self::MAX))
            .pattern(Some(Self::PATTERN))
            .examples(["https://images.example.com/rust.png"])
            .into()
    }
}

impl utoipa::ToSchema for ImageUrl {}
