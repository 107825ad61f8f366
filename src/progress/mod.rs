//! Progress on stderr: one display for a command, whatever the number of its models and of its passes over each.

mod display;

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, stderr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use clap::{Args, ValueEnum};
use inference::Model;
use trace_compare::format::stage_widths;

pub(crate) use self::display::aside;
use self::display::{Bar, Display, Json, State};

/// How progress is shown.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// How to show progress on stderr
    #[arg(long, value_name = "HOW", value_enum, default_value_t = How::Auto)]
    progress: How,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    /// A bar where somebody watches: on a terminal, and without --quiet
    Auto,
    /// Not at all
    Off,
    /// As JSON for a program, an object in a line, with --quiet as well
    Json,
}

/// What is done with a model.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Every byte of one model is read.
    Read,
    /// The tensors are read and written.
    Copy,
    /// Every byte of two models is read.
    Compare,
    /// The same, of a source and its artifact.
    Verify,
    /// The models are run.
    Forward,
}

impl Phase {
    const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Copy => "copy",
            Self::Compare => "compare",
            Self::Verify => "verify",
            Self::Forward => "forward",
        }
    }

    /// About how long it takes beside the others, for a bar over all of them.
    const fn weight(self) -> u64 {
        match self {
            Self::Read => 1,
            Self::Compare | Self::Verify => 2,
            Self::Copy => 4,
            Self::Forward => 5,
        }
    }
}

/// Progress of a command.
pub(crate) struct Progress {
    display: Display,
    /// How many models or pairs there are.
    jobs: usize,
    begun: AtomicUsize,
    /// What is done with each.
    weight: u64,
}

impl Arguments {
    /// Begins to show how far a command is that does this with each of so many models or pairs.
    pub(crate) fn of(&self, quiet: bool, jobs: usize, phases: &[Phase]) -> Progress {
        let weight = phases.iter().map(|phase| phase.weight()).sum();
        let display = match self.progress {
            How::Json => Display::Json(Json::new()),
            How::Auto if !quiet && is_watched() => Display::Bar(Bar::new(jobs, weight)),
            How::Auto | How::Off => Display::Nothing,
        };
        Progress {
            display,
            jobs,
            begun: AtomicUsize::new(0),
            weight,
        }
    }
}

impl Progress {
    /// Begins the work on a model or a pair; its name is escaped, and is shown where there are several.
    pub(crate) fn job(&self, name: &str) -> Job<'_> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        Job {
            progress: self,
            name: name.to_owned(),
            number,
            left: AtomicU64::new(self.weight),
        }
    }
}

/// Progress of a model or a pair.
pub(crate) struct Job<'a> {
    progress: &'a Progress,
    name: String,
    /// From 1.
    number: usize,
    /// The weight of the phases that have not begun.
    left: AtomicU64,
}

impl Job<'_> {
    /// A pass over the files.
    pub(crate) fn pass(&self, phase: Phase) -> Pass<'_> {
        Pass {
            job: self,
            phase,
            total: AtomicU64::new(0),
            done: AtomicU64::new(0),
        }
    }

    /// A run of one model, or of two in lock step.
    pub(crate) fn steps(&self, models: &[&Model]) -> Steps<'_> {
        let steps = models.iter().flat_map(|model| stage_widths(model, 1));
        let steps: BTreeSet<_> = steps.map(|(step, _)| step.order()).collect();
        let pass = self.pass(Phase::Forward);
        pass.begin(steps.len() as u64);
        Steps {
            pass,
            is_first: true,
        }
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        if let Display::Bar(bar) = &self.progress.display {
            bar.leave_out(self.left.load(Ordering::Relaxed));
        }
    }
}

/// Progress of a phase, which ends when it is dropped. Any thread may report.
pub(crate) struct Pass<'a> {
    job: &'a Job<'a>,
    phase: Phase,
    /// In bytes, or in steps of a forward; zero before it has begun.
    total: AtomicU64,
    done: AtomicU64,
}

impl Pass<'_> {
    fn begin(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        match &self.job.progress.display {
            Display::Bar(bar) => {
                let weight = self.phase.weight();
                let take = |left: u64| Some(left.saturating_sub(weight));
                let left = &self.job.left;
                let left = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
                // A phase that nobody expected, such as a run that is repeated on the CPU.
                let more = weight.saturating_sub(left.unwrap_or_else(|left| left));
                bar.begin(&self.state(), more);
            }
            Display::Json(json) => json.write(|| self.state()),
            Display::Nothing => {}
        }
    }

    fn advance(&self, more: u64) {
        let before = self.done.fetch_add(more, Ordering::Relaxed);
        match &self.job.progress.display {
            Display::Bar(bar) => bar.advance(&self.state(), before, before + more),
            Display::Json(json) => json.write_sometimes(|| self.state()),
            Display::Nothing => {}
        }
    }

    fn state(&self) -> State<'_> {
        let Progress { jobs, .. } = self.job.progress;
        State {
            phase: self.phase,
            done: self.done.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            job: (*jobs > 1).then_some((self.job.number, *jobs, &self.job.name)),
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let state = self.state();
        if state.total == 0 {
            return;
        }
        match &self.job.progress.display {
            // What was not done of it is not done any more.
            Display::Bar(bar) => bar.advance(&state, state.done, state.total),
            Display::Json(json) => json.write(|| self.state()),
            Display::Nothing => {}
        }
    }
}

impl converter::Observer for Pass<'_> {
    fn start(&self, bytes: u64) {
        self.begin(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.advance(bytes);
    }
}

impl verifier::observer::Observer for Pass<'_> {
    fn start(&self, bytes: u64) {
        self.begin(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.advance(bytes);
    }
}

/// Counts the steps of a forward, of which each is heard of when it begins.
pub(crate) struct Steps<'a> {
    pass: Pass<'a>,
    is_first: bool,
}

impl Steps<'_> {
    /// A step is taken next.
    pub(crate) fn begin_next(&mut self) {
        if !std::mem::take(&mut self.is_first) {
            self.pass.advance(1);
        }
    }

    /// The last step is taken.
    pub(crate) fn end(self) {
        self.pass.advance(1);
    }
}

fn is_watched() -> bool {
    stderr().is_terminal() && std::env::var_os("CI").is_none()
}
