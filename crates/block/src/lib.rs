//! Bytes: devices that can be read at any offset, the copy-on-write view over one, and image files as devices.
//!
//! Nothing here ever writes to an input. The only [`BlockWrite`] above an image is [`Overlay`], which keeps
//! every changed page to itself; a new image is written front to back through [`ImageWriter`].

mod ahead;
mod beside;
mod cached;
mod cast;
pub mod container;
mod device;
mod direct;
mod error;
mod extent;
pub mod field;
mod image;
mod joined;
mod last_run;
mod medium;
mod open;
mod output;
mod overlay;
mod pages;
mod probe;
pub mod qcow2;
mod raw;
mod target;
mod text;
mod watch;
mod window;
pub mod write;

pub use ahead::{PIECE as AHEAD_PIECE, read_ahead};
pub use beside::side_by_side;
pub use cached::Cached;
pub use cast::{to_u64, to_usize};
pub use device::{BlockRead, BlockWrite, Run, is_zero};
pub use direct::DirectRead;
pub use error::{Corrupt, Error, Object, ReadFailed, Result, Unsupported};
pub use extent::{Extent, ExtentSet, Overlap};
pub use image::ImageWriter;
pub use joined::{Joined, Parted};
pub use medium::{Medium, write_zeros};
pub use open::{Format, Image, ImageInfo, OpenOptions, open, open_file, open_snapshot};
pub use output::{FileId, OutputFile};
pub use overlay::Overlay;
pub use pages::PageBuffer;
pub use qcow2::Qcow2Image;
pub use raw::RawImage;
pub use target::{FileMedium, Target, TargetError, device_sector_size, is_device};
pub use text::{escaped, is_hidden, printable, visible};
pub use window::Window;
