//! Rules, and what they find in an image. Never writes.
