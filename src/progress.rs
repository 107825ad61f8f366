//! Progress on stderr: a bar on a terminal, otherwise one line every ten seconds, nothing with `--quiet`.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, stderr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use inference::{Model, Step};
use trace_compare::format::stage_widths;

use crate::output;

/// Progress of a pass over the files. Any thread may report bytes.
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
    /// Picks the display for this command.
    pub(crate) fn new(verb: &'static str, quiet: bool) -> Self {
        let display = if quiet {
            Display::Nothing
        } else if is_watched() {
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

    /// Removes the bar from the screen.
    pub(crate) fn end(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

/// Shows the current step of a forward, on a terminal.
pub(crate) struct Steps {
    line: Option<ProgressBar>,
    total: usize,
    taken: usize,
}

impl Steps {
    /// Counts the steps of one model, or of two in lock step.
    pub(crate) fn new(models: &[&Model], quiet: bool) -> Self {
        let steps = models.iter().flat_map(|model| stage_widths(model, 1));
        let steps: BTreeSet<_> = steps.map(|(step, _)| step.order()).collect();
        let style = ProgressStyle::with_template("forward: {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self {
            line: (!quiet && is_watched())
                .then(|| BARS.add(ProgressBar::new_spinner().with_style(style))),
            total: steps.len(),
            taken: 0,
        }
    }

    /// Shows the step that is taken next.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "steps are counted in a usize"
    )]
    pub(crate) fn takes(&mut self, step: Step) {
        if let Some(line) = &self.line {
            self.taken += 1;
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
        // A thread that does not get the lock leaves the line to the one that has it.
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

fn is_watched() -> bool {
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

/// All bars on the screen: two passes may run at the same time.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
const LINE_EVERY: Duration = Duration::from_secs(10);
