//! YouTube's video ids.

use serde::{Deserialize, Deserializer};
use url::Url;

/// A video at YouTube: `^[A-Za-z0-9_-]{11}$`. A watch, share, embed or shorts URL is accepted and reduced to its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YoutubeVideoId(String);

impl YoutubeVideoId {
    /// The longest URL that is looked at, in characters.
    const MAX: usize = 2048;
    /// The usual addresses; an unusual one is accepted as well when an id is found in it.
    const PATTERN: &str = r"^(https?://(www\.)?youtu\.be/|https?://((www|m|music)\.)?youtube\.com/(watch\?v=|embed/|shorts/|live/))?[A-Za-z0-9_-]{11}$";

    fn is_id(text: &str) -> bool {
        text.len() == 11
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    }

    /// The id inside a YouTube URL; `None` for any other address.
    fn from_url(text: &str) -> Option<String> {
        let url = Some(text)
            .filter(|text| text.chars().count() <= Self::MAX)
            // The URL standard would leave some out.
            .filter(|text| !text.contains(char::is_control))
            .and_then(|text| Url::parse(text).ok())
            .filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let host = url.host_str()?;
        let mut path = url.path_segments()?;
        match host {
            "youtu.be" | "www.youtu.be" => path.next().map(str::to_owned),
            "youtube.com"
            | "www.youtube.com"
            | "m.youtube.com"
            | "music.youtube.com"
            | "youtube-nocookie.com"
            | "www.youtube-nocookie.com" => match path.next()? {
                "watch" => url
                    .query_pairs()
                    .find(|(key, _)| key == "v")
                    .map(|(_, id)| id.into_owned()),
                "embed" | "shorts" | "live" => path.next().map(str::to_owned),
                _ => None,
            },
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for YoutubeVideoId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let text = text.trim();
        Ok(Self(
            Self::from_url(text).unwrap_or_else(|| text.to_owned()),
        ))
    }
}

impl From<YoutubeVideoId> for String {
    fn from(id: YoutubeVideoId) -> Self {
        id.0
    }
}

impl garde::Validate for YoutubeVideoId {
    type Context = ();

    fn validate_into(
        &self,
        (): &(),
        path: &mut dyn FnMut() -> garde::Path,
        report: &mut garde::Report,
    ) {
        if !Self::is_id(&self.0) {
            report.append(
                path(),
                garde::Error::new("must be an 11-character YouTube video id or a YouTube URL"),
            );
        }
    }
}

impl utoipa::PartialSchema for YoutubeVideoId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .min_length(Some(11))
            .max_length(Some(Self::MAX))
            .pattern(Some(Self::PATTERN))
            .description(Some(
                "An id of 11 characters, or a YouTube URL, which is reduced to its id.",
            ))
            .examples(["dQw4w9WgXcQ"])
            .into()
    }
}

impl utoipa::ToSchema for YoutubeVideoId {}
