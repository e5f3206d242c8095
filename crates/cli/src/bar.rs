//! The progress bar: rate and time left on a terminal, silent elsewhere; or lines of JSON, for a parent that draws it.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sanitize::{Progress, Stage};
use serde::{Deserialize, Serialize};

use crate::output;

/// Between two lines of a position.
const TELL: Duration = Duration::from_millis(200);

/// What a stage counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    Pieces,
}

/// A line for the parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "now")]
pub(crate) enum Told {
    /// A stage begins.
    Stage { name: String, bytes: Option<u64> },
    /// It has come so far.
    At { position: u64 },
    /// It ends here, for the share of the scratch room is used up.
    Scratch,
}

/// Shows the stages of a run on stderr, one bar after the other.
pub(crate) struct Bar(Mutex<Shown>);

enum Shown {
    Drawn(ProgressBar),
    Told { last: Instant },
}

/// How a stage is drawn.
pub(crate) fn style(unit: Unit, total: Option<u64>) -> ProgressStyle {
    let template = match (unit, total) {
        (Unit::Bytes, Some(_)) => {
            "{prefix}{msg:>9} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left"
        }
        (Unit::Pieces, Some(_)) => "{prefix}{msg:>9} [{bar:30}] {pos}/{len}",
        (_, None) => "{prefix}{msg:>9} {spinner} {elapsed}",
    };
    ProgressStyle::with_template(template).expect("the templates are constant")
}

impl Bar {
    /// Nothing is drawn if `quiet`, or if stderr is not a terminal.
    pub(crate) fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        Self(Mutex::new(Shown::Drawn(bar)))
    }

    /// Lines of JSON on stderr.
    pub(crate) fn told() -> Self {
        Self(Mutex::new(Shown::Told { last: Instant::now() }))
    }

    /// A stage begins; `total` bytes or pieces are ahead where that is known.
    pub(crate) fn begin(&self, name: &'static str, unit: Unit, total: Option<u64>) {
        self.with(|shown| match shown {
            Shown::Drawn(bar) => {
                if bar.is_hidden() {
                    return;
                }
                bar.finish_and_clear();
                *bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
                bar.set_style(style(unit, total));
                bar.set_message(name);
                bar.enable_steady_tick(Duration::from_millis(200));
            }
            Shown::Told { .. } => {
                let bytes = total.filter(|_| matches!(unit, Unit::Bytes));
                output::tell(&Told::Stage { name: name.to_owned(), bytes });
            }
        });
    }

    /// Nothing is drawn until the next stage begins.
    pub(crate) fn clear(&self) {
        self.with(|shown| {
            if let Shown::Drawn(bar) = shown {
                bar.finish_and_clear();
            }
        });
    }

    fn with(&self, act: impl FnOnce(&mut Shown)) {
        if let Ok(mut shown) = self.0.lock() {
            act(&mut shown);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Progress for Bar {
    fn stage(&self, stage: Stage, total: Option<u64>) {
        let (name, unit) = match stage {
            Stage::Survey => ("reading", Unit::Pieces),
            Stage::Edit => ("editing", Unit::Pieces),
            Stage::Copy => ("copying", Unit::Bytes),
            Stage::Compare => ("comparing", Unit::Bytes),
            Stage::Overwrite => ("writing", Unit::Bytes),
            Stage::ReadBack => ("checking", Unit::Bytes),
            Stage::Sync => ("syncing", Unit::Pieces),
            Stage::Verify => ("verifying", Unit::Pieces),
        };
        self.begin(name, unit, total);
    }

    fn at(&self, position: u64) {
        self.with(|shown| match shown {
            Shown::Drawn(bar) => bar.set_position(position),
            Shown::Told { last } if last.elapsed() >= TELL => {
                *last = Instant::now();
                output::tell(&Told::At { position });
            }
            Shown::Told { .. } => {}
        });
    }
}

/// The bars of several rows at a time, and one for all.
pub(crate) struct Shelf {
    bars: MultiProgress,
    all: ProgressBar,
}

impl Shelf {
    /// For inputs of so many bytes. Nothing is drawn if `quiet`, or if stderr is not a terminal.
    pub(crate) fn new(quiet: bool, size: u64) -> Self {
        let bars = MultiProgress::new();
        if quiet {
            bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let all = bars.add(ProgressBar::new(size));
        all.set_style(style(Unit::Bytes, Some(size)));
        all.set_message("all");
        Self { bars, all }
    }

    /// The bar of a row, until it is dropped.
    pub(crate) fn row(&self, name: &str) -> RowBar {
        let bar = self.bars.insert_before(&self.all, ProgressBar::new_spinner());
        bar.set_style(style(Unit::Pieces, None));
        bar.set_prefix(format!("{} ", block::visible(name)));
        bar.enable_steady_tick(Duration::from_millis(200));
        RowBar(bar)
    }

    /// So many bytes of inputs are done.
    pub(crate) fn done(&self, size: u64) {
        self.all.inc(size);
    }

    /// Says something above the bars.
    pub(crate) fn say(&self, sentence: &str) {
        self.bars.suspend(|| output::message(sentence));
    }

    /// Takes the bars away.
    pub(crate) fn finish(&self) {
        self.all.finish_and_clear();
    }
}

/// The bar of one row.
pub(crate) struct RowBar(ProgressBar);

impl RowBar {
    /// Shows what the row's process told.
    pub(crate) fn show(&self, told: Told) {
        match told {
            Told::Stage { name, bytes } => {
                self.0.set_length(bytes.unwrap_or(0));
                self.0.set_style(style(Unit::Bytes, bytes));
                self.0.set_position(0);
                self.0.set_message(name);
            }
            Told::At { position } => self.0.set_position(position),
            Told::Scratch => {}
        }
    }
}

impl Drop for RowBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
