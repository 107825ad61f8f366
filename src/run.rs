//! The device of a run under the contract: the CPU, or a GPU, which only this file uses.
//!
//! If no GPU is usable, the CPU runs, unless the GPU was requested by name. A GPU that fails in the middle ends the run without
//! a result: nobody knows what else it did wrong.

use inference::cuda::{self, Gpu, Weight};
use inference::{Comparison, Digests, Mode, Options, Side, StageSink, forward_batch, forward_pair};

use crate::device::{self, Device};
use crate::engine_flags::Io;
use crate::output;
use crate::progress::Job;

/// How and where to run.
pub(crate) struct Engine<'a> {
    /// Where it was asked for, and how much of a GPU.
    pub(crate) device: &'a device::Arguments,
    /// How weights are read.
    pub(crate) io: Io,
    /// Threads and panels, for the CPU.
    pub(crate) options: Options,
    /// Hears how far a run is.
    pub(crate) progress: &'a Job<'a>,
    /// Called before the CPU run; blocks until the byte comparison ends, returns whether the run is still needed.
    pub(crate) is_run: &'a dyn Fn() -> bool,
    /// Whether to say how long each part took.
    pub(crate) times: bool,
}

/// What a run gave, and where it ran.
pub(crate) struct Ran<T> {
    /// What it gave.
    pub(crate) value: T,
    /// `cpu` or `cuda`.
    pub(crate) device: &'static str,
    /// Why there, when that was not asked for by name.
    pub(crate) reason: Option<String>,
}

/// Why a run came to no end.
#[derive(Debug)]
pub(crate) enum RunError {
    /// The GPU or its driver failed: nothing about the files follows.
    Device(cuda::Error),
    /// A model cannot be run, which is an outcome.
    Model(anyhow::Error),
}

impl RunError {
    /// Takes the failure of a GPU out of a result. Any other failure is an outcome of the run.
    pub(crate) fn apart<T>(ran: Result<T, Self>) -> Result<anyhow::Result<T>, cuda::Error> {
        match ran {
            Ok(value) => Ok(Ok(value)),
            Err(Self::Model(why)) => Ok(Err(why)),
            Err(Self::Device(why)) => Err(why),
        }
    }
}

impl From<inference::Error> for RunError {
    fn from(error: inference::Error) -> Self {
        Self::Model(error.into())
    }
}

impl From<cuda::RunError> for RunError {
    fn from(error: cuda::RunError) -> Self {
        match error {
            cuda::RunError::Gpu(why) => Self::Device(why),
            cuda::RunError::Model(why) => Self::Model(why.into()),
        }
    }
}

impl From<anyhow::Error> for RunError {
    fn from(error: anyhow::Error) -> Self {
        Self::Model(error)
    }
}

/// An engine on a device that is open.
pub(crate) struct Runner<'a> {
    engine: &'a Engine<'a>,
    gpu: Option<&'a Gpu>,
}

impl Engine<'_> {
    /// Does work where it was asked for.
    ///
    /// `difference` returns what a result says against a file. What a GPU finds, the CPU has to find as well:
    /// a failing GPU must never look like a difference.
    ///
    /// # Errors
    /// Fails with a sentence when the GPU that was asked for cannot be used, and when a GPU fails. Nothing about a file
    /// follows from that.
    pub(crate) fn run<T, D: PartialEq>(
        &self,
        work: impl Fn(&Runner<'_>) -> Result<T, cuda::Error>,
        difference: impl Fn(&T) -> Option<D>,
    ) -> Result<Ran<T>, String> {
        let on_cpu = |reason: Option<String>| {
            if !(self.is_run)() {
                return Err(NOT_NEEDED.to_owned());
            }
            let ran = output::timed(self.times, "to run on the CPU", || work(&self.runner(None)));
            Ok(Ran {
                value: ran.map_err(|why| why.to_string())?,
                device: CPU,
                reason,
            })
        };
        let (number, is_auto) = match self.device.device {
            Device::Cpu => return on_cpu(None),
            Device::Auto => (0, true),
            Device::Cuda(number) => (number, false),
        };
        let opened = output::timed(self.times, "to open and check the GPU", || {
            self.device.open(number)
        });
        let on_gpu = opened.and_then(|gpu| {
            let value = output::timed(self.times, "to run on the GPU", || {
                work(&self.runner(Some(&gpu)))
            })?;
            let name = gpu.device().name.escape_debug();
            let name = format!("GPU {}, {name}", gpu.device().ordinal);
            gpu.close()?;
            Ok((value, name))
        });
        let (value, name) = match on_gpu {
            Ok(ran) => ran,
            Err(why) if is_auto && why.is_unavailable() => {
                // Where there is nothing for GPUs, nobody asks why none was used.
                return on_cpu((!why.is_absent()).then(|| why.to_string()));
            }
            Err(why) => return Err(format!("{why}; {ADVICE}")),
        };
        if let Some(found) = difference(&value) {
            let ran = on_cpu(Some(UNCONFIRMED.to_owned()))?;
            if difference(&ran.value) != Some(found) {
                return if is_auto {
                    Ok(ran)
                } else {
                    Err(format!("{UNCONFIRMED}; {ADVICE}"))
                };
            }
        }
        Ok(Ran {
            value,
            device: CUDA,
            reason: is_auto.then_some(name),
        })
    }

    const fn runner<'a>(&'a self, gpu: Option<&'a Gpu>) -> Runner<'a> {
        Runner { engine: self, gpu }
    }
}

impl<T, U> Ran<(T, U)> {
    /// Takes the second part away.
    pub(crate) fn split(self) -> (Ran<T>, U) {
        let Self {
            value: (value, more),
            device,
            reason,
        } = self;
        let ran = Ran {
            value,
            device,
            reason,
        };
        (ran, more)
    }
}

impl Runner<'_> {
    /// How weights are read.
    pub(crate) const fn io(&self) -> Io {
        self.engine.io
    }

    /// Runs prompts through two models and compares every stage; returns the weights that each has used as well, where the
    /// device digests them.
    pub(crate) fn pair(
        &self,
        [a, b]: [Side<'_>; 2],
        prompts: &[&[u32]],
        mode: Mode,
    ) -> Result<(Vec<Comparison>, [Vec<Weight>; 2]), RunError> {
        let options = self.options();
        let mut steps = self.engine.progress.steps(&[a.model, b.model]);
        let watch = &mut |_| steps.begin_next();
        let compared = match self.gpu {
            None => {
                let compared = forward_pair(a, b, prompts, &options, mode, watch)?;
                (compared, [Vec::new(), Vec::new()])
            }
            Some(gpu) => cuda::forward_pair(gpu, a, b, prompts, &options, mode, watch)?,
        };
        steps.end();
        Ok(compared)
    }

    /// Runs prompts through a model; returns the digests of all stages for each, and the weights that were used, where the
    /// device digests them.
    pub(crate) fn digests(
        &self,
        side: Side<'_>,
        prompts: &[&[u32]],
    ) -> Result<(Vec<Digests>, Vec<Weight>), RunError> {
        if let Some(gpu) = self.gpu {
            let mut steps = self.engine.progress.steps(&[side.model]);
            let watch = &mut |_| steps.begin_next();
            let digests = cuda::digests(gpu, side, prompts, &self.options(), watch)?;
            steps.end();
            return Ok(digests);
        }
        let digests = prompts.iter().map(|tokens| (*tokens, Digests::default()));
        let mut digests: Vec<_> = digests.collect();
        self.batch(side, &mut digests)?;
        Ok((
            digests.into_iter().map(|(_, digests)| digests).collect(),
            Vec::new(),
        ))
    }

    /// Runs prompts through a model, each with its own sink.
    pub(crate) fn batch<S: StageSink>(
        &self,
        side: Side<'_>,
        prompts: &mut [(&[u32], S)],
    ) -> Result<(), RunError> {
        let options = self.options();
        let mut steps = self.engine.progress.steps(&[side.model]);
        let watch = &mut |_| steps.begin_next();
        let mut batch: Vec<_> = prompts
            .iter_mut()
            .map(|(tokens, sink)| (*tokens, sink as &mut dyn StageSink))
            .collect();
        match self.gpu {
            None => forward_batch(side.model, side.sources, &mut batch, &options, watch)?,
            Some(gpu) => cuda::forward_batch(gpu, side, &mut batch, &options, watch)?,
        }
        steps.end();
        Ok(())
    }

    fn options(&self) -> Options {
        let options = self.engine.options;
        Options {
            panel_bytes: self.gpu.map_or(options.panel_bytes, |_| PANEL),
            ..options
        }
    }
}

/// The CPU, as reports call it.
pub(crate) const CPU: &str = "cpu";
/// A GPU, as they call it, also one that could give no answer.
pub(crate) const CUDA: &str = "cuda";
const UNCONFIRMED: &str = "the GPU finds a difference that the CPU does not: it cannot be trusted";
const NOT_NEEDED: &str = "the files were not run";
const ADVICE: &str = "run again with --device cpu";
/// The bytes of a panel on its way to a GPU.
const PANEL: usize = 8 << 20;
