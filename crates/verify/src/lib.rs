//! Judges any image on its own: shares the readers with `sanitize`, never its plan or live set.
