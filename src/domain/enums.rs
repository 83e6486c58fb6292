//! The Postgres enum types as Rust enums, with the same labels in the database and in JSON.

use std::io::Write;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::schema::sql_types;

macro_rules! pg_enum {
    ($(#[$doc:meta])* $name:ident: $sql_type:ident { $($variant:ident = $label:tt),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema, AsExpression,
            FromSqlRow,
        )]
        #[diesel(sql_type = sql_types::$sql_type)]
        pub enum $name {
            $(#[serde(rename = $label)] $variant),+
        }

        impl $name {
            /// The label, as in the database and in JSON.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label),+
                }
            }
        }

        // Derived, it would take {"label": null} too, and call null a fault of syntax.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match String::deserialize(deserializer)?.as_str() {
                    $($label => Ok(Self::$variant),)+
                    other => Err(D::Error::unknown_variant(other, &[$($label),+])),
                }
            }
        }

        impl ToSql<sql_types::$sql_type, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                out.write_all(self.label().as_bytes())?;
                Ok(IsNull::No)
            }
        }

        impl FromSql<sql_types::$sql_type, Pg> for $name {
            fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
                match bytes.as_bytes() {
                    $(label if label == $label.as_bytes() => Ok(Self::$variant),)+
                    _ => Err(concat!("a label that ", stringify!($name), " does not know").into()),
                }
            }
        }
    };
}

pg_enum! {
    /// What a signed-in person may do.
    UserRole: UserRole { User = "user", Admin = "admin" }
}

pg_enum! {
    /// Whether a product is in the catalogue.
    ProductStatus: ProductStatus { Public = "public", Private = "private" }
}

pg_enum! {
    /// Whether learners see a section.
    CourseSectionStatus: CourseSectionStatus { Public = "public", Private = "private" }
}

pg_enum! {
    /// `public`: for those with access; `preview`: for everybody; `private`: for the owner only.
    LessonStatus: LessonStatus { Public = "public", Private = "private", Preview = "preview" }
}

pg_enum! {
    /// Where a checkout stands, in the order in which it moves.
    CheckoutStatus: CheckoutStatus {
        Creating = "creating",
        Open = "open",
        Processing = "processing",
        Failed = "failed",
        Expired = "expired",
        Canceled = "canceled",
        Fulfilled = "fulfilled",
    }
}

pg_enum! {
    /// How the frontend shows Stripe's checkout.
    CheckoutUiMode: CheckoutUiMode { Embedded = "embedded", Hosted = "hosted", Elements = "elements" }
}

pg_enum! {
    /// What gave the access.
    AccessSource: AccessSource { Purchase = "purchase", Manual = "manual" }
}

pg_enum! {
    /// Where a refund stands, in the order in which it moves.
    RefundStatus: RefundStatus {
        Pending = "pending",
        Succeeded = "succeeded",
        Failed = "failed",
        Canceled = "canceled",
    }
}

pg_enum! {
    /// Who sent an event.
    WebhookProvider: WebhookProvider { Stripe = "stripe", Clerk = "clerk" }
}

pg_enum! {
    /// What became of an event.
    WebhookEventStatus: WebhookEventStatus {
        Received = "received",
        Processed = "processed",
        Ignored = "ignored",
        Dead = "dead",
    }
}

pg_enum! {
    /// What became of a job.
    JobStatus: JobStatus { Pending = "pending", Done = "done", Dead = "dead" }
}

impl RefundStatus {
    /// Whether nothing goes back, or what went has come back.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled)
    }
}

impl CheckoutStatus {
    /// Whether the checkout may still come to something, so that a second one would risk paying twice.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Creating | Self::Open | Self::Processing)
    }
}
