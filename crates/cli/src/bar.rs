//! The progress bar: rate and time left on a terminal, silent elsewhere.

use std::{sync::Mutex, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use sanitize::{Progress, Stage};

/// What a stage counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    Pieces,
}

/// Shows the stages of a run on stderr, one bar after the other.
pub(crate) struct Bar(Mutex<ProgressBar>);

impl Bar {
    /// Nothing is drawn if `quiet`, or if stderr is not a terminal.
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        Self(Mutex::new(bar))
    }

    /// A stage begins; `total` bytes or pieces are ahead where that is known.
    pub(crate) fn begin(&self, name: &'static str, unit: Unit, total: Option<u64>) {
        self.with(|bar| {
            if bar.is_hidden() {
                return;
            }
            let template = match (unit, total) {
                (Unit::Bytes, Some(_)) => {
                    "{msg:>9} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left"
                }
                (Unit::Pieces, Some(_)) => "{msg:>9} [{bar:30}] {pos}/{len}",
                (_, None) => "{msg:>9} {spinner} {elapsed}",
            };
            bar.finish_and_clear();
            *bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            bar.set_style(ProgressStyle::with_template(template).expect("the templates are constant"));
            bar.set_message(name);
            bar.enable_steady_tick(Duration::from_millis(200));
        });
    }

    fn with(&self, act: impl FnOnce(&mut ProgressBar)) {
        if let Ok(mut bar) = self.0.lock() {
            act(&mut bar);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.with(|bar| bar.finish_and_clear());
    }
}

impl Progress for Bar {
    fn stage(&self, stage: Stage, total: Option<u64>) {
        let (name, unit) = match stage {
            Stage::Survey => ("reading", Unit::Pieces),
            Stage::Edit => ("editing", Unit::Pieces),
            Stage::Copy => ("copying", Unit::Bytes),
            Stage::Sync => ("syncing", Unit::Pieces),
            Stage::Verify => ("verifying", Unit::Pieces),
        };
        self.begin(name, unit, total);
    }

    fn at(&self, position: u64) {
        self.with(|bar| bar.set_position(position));
    }
}
