//! Values that are valid by construction or checked by one extractor: ids, enums, money, text, time.

pub mod country;
pub mod cursor;
pub mod deleted;
pub mod enums;
pub mod image_url;
pub mod money;
pub mod outline;
pub mod progress;
pub mod slice;
pub mod text;
pub mod ticks;
pub mod time;
pub mod video_id;
