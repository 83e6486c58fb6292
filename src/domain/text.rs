//! Text that people type: trimmed, bounded, free of control characters.
//!
//! Deserialising trims; [`garde::Validate`], which the [`Json`](crate::http::json::Json) extractor always
//! runs, checks. So a request with several bad fields is answered with all of them at once. Bounds are
//! counted in characters, as JSON Schema's `maxLength` counts them.

use serde::{Deserialize, Deserializer};

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, max = $max:literal, lines = $lines:literal, example = $example:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The longest that is accepted, in characters.
            pub const MAX: usize = $max;
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|text| Self(text.trim().to_owned()))
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl garde::Validate for $name {
            type Context = ();

            fn validate_into(&self, (): &(), path: &mut dyn FnMut() -> garde::Path, report: &mut garde::Report) {
                if let Err(error) = check(&self.0, $max, $lines) {
                    report.append(path(), error);
                }
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .min_length(Some(1))
                    .max_length(Some($max))
                    .pattern(Some(if $lines { LINES } else { LINE }))
                    .examples([$example])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

text! {
    /// What something is called: one line.
    Name, max = 200, lines = false, example = "Rust for the Web"
}

text! {
    /// What something is about: may have several lines.
    Description, max = 10_000, lines = true, example = "From the first handler to production."
}

text! {
    /// Why something was done: one line.
    Reason, max = 500, lines = false, example = "Prize of the spring raffle"
}

text! {
    /// What is searched for.
    SearchText, max = 100, lines = false, example = "rust"
}

/// One line that is not blank, without control characters, as a regular expression of JSON Schema's.
const LINE: &str = r"^[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*$";
/// The same for text with tabs and ends of lines.
const LINES: &str = r"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]*$";

fn check(text: &str, max: usize, lines: bool) -> garde::Result {
    let forbidden = |c: char| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'));
    if text.is_empty() {
        Err(garde::Error::new("must not be empty"))
    } else if text.chars().count() > max {
        Err(garde::Error::new(format!(
            "must be at most {max} characters long"
        )))
    } else if text.contains(forbidden) {
        Err(garde::Error::new("must not contain control characters"))
    } else {
        Ok(())
    }
}

/// Where a text is looked for in others, as `LIKE` patterns.
pub enum Holding {
    /// Anywhere.
    Anywhere(String),
    /// Where the text begins, or a later word of it. An index of trigrams knows no shorter part of a word but its beginning.
    AtStart { text: String, word: String },
}

/// The patterns of texts that hold this one.
pub fn holding(text: &str) -> Holding {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    if text.chars().count() < 3 {
        Holding::AtStart {
            text: format!("{escaped}%"),
            word: format!("% {escaped}%"),
        }
    } else {
        Holding::Anywhere(format!("%{escaped}%"))
    }
}
