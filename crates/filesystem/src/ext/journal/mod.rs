//! Recovery: the journal replayed, orphans processed, the journal emptied.
//!
//! Decides as the kernel does at mount, and refuses where the kernel refuses. Afterwards `e2fsck -fn` has
//! nothing to say and the filesystem counts as cleanly unmounted. A filesystem that was clean keeps every
//! byte but those of the journal's header. Recovery of a recovered filesystem changes nothing.

mod checksum;
mod fastcommit;
mod layout;
mod log;
mod replay;
mod scan;
mod tags;
