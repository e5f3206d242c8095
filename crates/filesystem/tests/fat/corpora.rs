//! Images of other projects, if they are there.
