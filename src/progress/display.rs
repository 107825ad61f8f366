//! The forms of progress: a bar, JSON, or nothing.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;

use super::Phase;

/// Where progress is shown.
pub(super) enum Display {
    Bar(Bar),
    Json(Json),
    Nothing,
}

/// How far a phase is.
pub(super) struct State<'a> {
    pub(super) phase: Phase,
    /// In bytes, or in steps of a forward.
    pub(super) done: u64,
    pub(super) total: u64,
    /// Where there are several: which one, of how many, and its name.
    pub(super) job: Option<(usize, usize, &'a str)>,
}

impl State<'_> {
    /// `compare`, or `2 of 12: compare`.
    fn title(&self) -> String {
        let word = self.phase.word();
        match self.job {
            Some((number, jobs, _)) => format!("{number} of {jobs}: {word}"),
            None => word.to_owned(),
        }
    }
}

/// One bar over all phases of all models.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(jobs: usize, weight: u64) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{wide_bar}] {percent:>3}%  {rest}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("rest", write_rest)
            .progress_chars("=> ");
        let length = units(weight) * (jobs as u64);
        let bars = BARS.get_or_init(MultiProgress::new);
        Self(bars.add(ProgressBar::new(length).with_style(style)))
    }

    /// Shows a phase; so much of its weight is not in the length of the bar yet.
    pub(super) fn begin(&self, state: &State<'_>, more: u64) {
        self.0.set_prefix(state.title());
        self.0.inc_length(units(more));
    }

    /// Moves the bar by a part of a phase. Threads that report parts of one phase come to the whole of it together.
    pub(super) fn advance(&self, state: &State<'_>, from: u64, to: u64) {
        let whole = units(state.phase.weight());
        let place = |done: u64| {
            let place = u128::from(whole) * u128::from(done.min(state.total));
            let place = place.checked_div(state.total.into());
            place.map_or(whole, |place| u64::try_from(place).unwrap_or(whole))
        };
        self.0.inc(place(to).saturating_sub(place(from)));
    }

    /// Moves the bar past what will not be done, and removes it where that is all.
    pub(super) fn leave_out(&self, weight: u64) {
        self.0.inc(units(weight));
        if Some(self.0.position()) >= self.0.length() {
            self.0.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// How long it takes, which nothing tells before there is a beginning.
fn write_rest(state: &ProgressState, to: &mut dyn fmt::Write) {
    if state.pos() > 0 {
        let _ = write!(to, "{:#} left", HumanDuration(state.eta()));
    }
}

/// What a bar counts: parts of a weight.
const fn units(weight: u64) -> u64 {
    weight * (1 << 20)
}

/// Writes to a terminal that may show a bar.
pub(crate) fn aside<T>(write: impl FnOnce() -> T) -> T {
    match BARS.get() {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// Holds the bar, so that whoever writes can have it out of the way.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Objects for a program: docs/json.md.
pub(super) struct Json(Pace);

impl Json {
    pub(super) fn new() -> Self {
        Self(Pace::new(Duration::from_millis(200)))
    }

    pub(super) fn write<'a>(&self, state: impl FnOnce() -> State<'a>) {
        let _turn = self.0.wait();
        write_json(&state());
    }

    pub(super) fn write_sometimes<'a>(&self, state: impl FnOnce() -> State<'a>) {
        if let Some(_turn) = self.0.turn() {
            write_json(&state());
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u64>,
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<usize>,
}

#[expect(clippy::expect_used, reason = "the fields are numbers and strings")]
fn write_json(state: &State<'_>) {
    let is_forward = state.phase == Phase::Forward;
    let line = Line {
        phase: state.phase.word(),
        bytes: (!is_forward).then_some(state.done),
        steps: is_forward.then_some(state.done),
        total: state.total,
        name: state.job.map(|(_, _, name)| name),
        file: state.job.map(|(number, _, _)| number),
        files: state.job.map(|(_, jobs, _)| jobs),
    };
    let line = serde_json::to_string(&line).expect("a line of JSON is always written");
    // In one call, so that a reader never gets half of it. A reader that is gone is no reason to stop.
    drop(
        io::stderr()
            .lock()
            .write_all(format!("{line}\n").as_bytes()),
    );
}

/// Who may write, and when.
struct Pace {
    every: Duration,
    last: Mutex<Instant>,
}

impl Pace {
    fn new(every: Duration) -> Self {
        Self {
            every,
            last: Mutex::new(Instant::now()),
        }
    }

    /// The turn to write, where it is time. A thread that does not get it leaves it to the one that has it.
    fn turn(&self) -> Option<MutexGuard<'_, Instant>> {
        let mut last = self.last.try_lock().ok()?;
        if last.elapsed() < self.every {
            return None;
        }
        *last = Instant::now();
        Some(last)
    }

    /// The turn to write what must be written.
    fn wait(&self) -> MutexGuard<'_, Instant> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Instant::now();
        last
    }
}
