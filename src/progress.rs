//! Progress on stderr: a bar where someone watches, one line per ten seconds otherwise, nothing when asked for quiet.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use inference::{Model, Step};
use trace_compare::format::stage_widths;

use crate::output;

/// Shows how far a pass over the files has come. Bytes may be reported from any thread.
pub(crate) struct Progress {
    verb: &'static str,
    display: Display,
}

enum Display {
    Bar(ProgressBar),
    Lines(Lines),
    Nothing,
}

struct Lines {
    start: Instant,
    total: AtomicU64,
    done: AtomicU64,
    last: Mutex<Instant>,
}

impl Progress {
    /// Picks the display for this run of a command.
    pub(crate) fn new(verb: &'static str, quiet: bool) -> Self {
        let display = if quiet {
            Display::Nothing
        } else if someone_watches() {
            Display::Bar(bar(verb))
        } else {
            Display::Lines(Lines::new())
        };
        Self { verb, display }
    }

    fn start_pass(&self, bytes: u64) {
        match &self.display {
            Display::Bar(bar) => {
                bar.set_length(bytes);
                bar.reset();
            }
            Display::Lines(lines) => lines.total.store(bytes, Ordering::Relaxed),
            Display::Nothing => {}
        }
    }

    fn advance_pass(&self, bytes: u64) {
        match &self.display {
            Display::Bar(bar) => bar.inc(bytes),
            Display::Lines(lines) => lines.advance(self.verb, bytes),
            Display::Nothing => {}
        }
    }

    /// Takes the bar off the screen.
    pub(crate) fn end(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

/// Shows which step a forward has taken, where someone watches.
pub(crate) struct Steps {
    line: Option<ProgressBar>,
    total: usize,
    taken: usize,
}

impl Steps {
    /// Counts the steps of a model, or of two in lock step.
    pub(crate) fn new(models: &[&Model], quiet: bool) -> Self {
        let steps = models.iter().flat_map(|model| stage_widths(model, 1));
        let steps: BTreeSet<_> = steps.map(|(step, _)| step.order()).collect();
        let style = ProgressStyle::with_template("forward: {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self {
            line: (!quiet && someone_watches())
                .then(|| BARS.add(ProgressBar::new_spinner().with_style(style))),
            total: steps.len(),
            taken: 0,
        }
    }

    /// Shows a step that is taken next.
    pub(crate) fn takes(&mut self, step: Step) {
        if let Some(line) = &self.line {
            self.taken = self.taken.saturating_add(1);
            line.set_message(format!("step {} of {} ({step})", self.taken, self.total));
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

impl converter::Observer for Progress {
    fn start(&self, bytes: u64) {
        self.start_pass(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.advance_pass(bytes);
    }
}

impl verifier::observer::Observer for Progress {
    fn start(&self, bytes: u64) {
        self.start_pass(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.advance_pass(bytes);
    }
}

impl Lines {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            total: AtomicU64::new(0),
            done: AtomicU64::new(0),
            last: Mutex::new(now),
        }
    }

    fn advance(&self, verb: &str, bytes: u64) {
        let done = self
            .done
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        // Whoever cannot have the lock leaves the line to the thread that has it.
        let Ok(mut last) = self.last.try_lock() else {
            return;
        };
        if last.elapsed() < LINE_EVERY {
            return;
        }
        *last = Instant::now();
        let total = self.total.load(Ordering::Relaxed);
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(0);
        let rate = done
            .checked_div(self.start.elapsed().as_secs())
            .unwrap_or(done);
        output::note(&format!(
            "{verb}: {percent}% of {}, {}/s",
            HumanBytes(total),
            HumanBytes(rate)
        ));
    }
}

fn someone_watches() -> bool {
    stderr().is_terminal() && std::env::var_os("CI").is_none()
}

fn bar(verb: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix} [{bar:30}] {percent:>3}%  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
    .progress_chars("=> ");
    BARS.add(ProgressBar::new(0).with_style(style).with_prefix(verb))
}

/// All bars of the screen: two passes over the files may go on side by side.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
const LINE_EVERY: Duration = Duration::from_secs(10);
