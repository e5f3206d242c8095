//! The bullets of each guideline.

pub(crate) mod aws;
pub(crate) mod outscale;

use crate::Question;

/// Everything that is a key to something.
const ALL_SECRETS: Question = Question::Secrets(&[
    "Private keys",
    "Stores of keys and passwords",
    "Hashes of passwords",
    "Clouds",
    "Source code, packages, builds",
    "Services",
    "Networks",
    "The web",
]);
