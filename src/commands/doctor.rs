//! `aprove doctor`: reports what the forward can run on.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::bail;
use clap::Args;
use inference::cuda::{self, Context, Device, Driver, Gpu};
use inference::instruction_set;
use schemars::JsonSchema;
use serde::Serialize;

use crate::device::{self, device};
use crate::engine_flags::threads;
use crate::exit::Outcome;
use crate::output::{self, Document, FormatFlag};

/// Reports what the forward can run on: the CPU, the NVIDIA driver and its GPUs, and what to do if one is not usable.
///
/// Opens one GPU, loads the kernels, checks two of them against the CPU and measures the copy rates.
///
/// Exit code: 0 the forward can run: on the GPU, or on the CPU where there is no NVIDIA driver and no GPU was asked for; 2 the
/// GPU is not usable, for the reason that is printed.
#[derive(Args)]
#[command(after_help = "Example:\n  aprove doctor")]
pub(crate) struct Arguments {
    /// The GPU to check: cuda, cuda:N (the one of that number), or auto (the first, if there is an NVIDIA driver)
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    device: device::Device,
    /// How to print it
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    /// One line instead of the answer: whether the GPU is usable, and why not
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (number, is_auto) = match arguments.device {
        device::Device::Auto => (0, true),
        device::Device::Cuda(number) => (number, false),
        device::Device::Cpu => bail!("there is nothing to check of a CPU: leave out --device cpu"),
    };
    let driver = cuda::probe();
    let checked = match &driver {
        Ok(driver) => check(driver, number),
        Err(why) => Err(why.clone()),
    };
    let can_run = match &checked {
        Ok(_) => true,
        Err(why) => why.is_absent() && is_auto,
    };
    let examined = Examined {
        threads: threads(None)?,
        driver: driver.ok(),
        checked: checked.map_err(|why| why.to_string()),
    };
    output::print(&match arguments.format {
        FormatFlag::Text if arguments.quiet => examined.line(),
        FormatFlag::Text => examined.text()?,
        FormatFlag::Json => Document::new(examined.document()).text(),
    })?;
    Ok(if can_run {
        Outcome::Done
    } else {
        Outcome::NotDone
    })
}

/// What was found on this machine.
struct Examined {
    threads: usize,
    driver: Option<Driver>,
    /// The requested GPU, or why it is not usable.
    checked: Result<Checked, String>,
}

/// A GPU that gives the bits of the CPU.
struct Checked {
    ordinal: usize,
    free_memory: u64,
    /// Seconds to make its context.
    open: f64,
    /// Seconds to compile and load the kernels; the driver caches what it compiled.
    load: f64,
    /// Bytes per second from pinned host memory to the GPU.
    upload: f64,
    /// Bytes per second that are read and written on the GPU.
    memory: f64,
}

fn check(driver: &Driver, ordinal: usize) -> Result<Checked, cuda::Error> {
    let device = driver.device(ordinal)?;
    let start = Instant::now();
    let context = Context::new(device, u64::MAX)?;
    let open = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let gpu = Gpu::load(device, &context)?;
    let load = start.elapsed().as_secs_f64();
    drop(context);
    gpu.check()?;
    let free_memory = gpu.free_memory()?;
    let (upload, memory) = {
        let mut copies = gpu.copies()?;
        (rate(|| copies.upload(16))?, rate(|| copies.on_the_gpu(64))?)
    };
    gpu.close()?;
    Ok(Checked {
        ordinal,
        free_memory,
        open,
        load,
        upload,
        memory,
    })
}

/// Bytes per second.
fn rate(work: impl FnOnce() -> Result<usize, cuda::Error>) -> Result<f64, cuda::Error> {
    let start = Instant::now();
    let bytes = work()?;
    Ok(bytes as f64 / start.elapsed().as_secs_f64())
}

impl Examined {
    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        let (set, threads) = (instruction_set(), self.threads);
        writeln!(out, "cpu        {set}, {threads} threads")?;
        if let Some(driver) = &self.driver {
            writeln!(out, "driver     CUDA {}", driver.version)?;
            for device in &driver.devices {
                let Device {
                    ordinal,
                    name,
                    capability,
                    memory,
                    multiprocessors,
                } = device;
                let name = name.escape_debug();
                let memory = memory >> 20;
                writeln!(
                    out,
                    "gpu {ordinal:<6} {name}, compute capability {capability}, {memory} MiB, {multiprocessors} multiprocessors"
                )?;
            }
        }
        if let Ok(checked) = &self.checked {
            let free = checked.free_memory >> 20;
            let [open, load] = [checked.open, checked.load].map(|seconds| seconds * 1e3);
            let [upload, memory] = [checked.upload, checked.memory].map(|rate| rate / 1e9);
            writeln!(out, "context    made in {open:.0} ms")?;
            writeln!(
                out,
                "kernels    loaded in {load:.0} ms, same bits as the CPU"
            )?;
            writeln!(out, "memory     {free} MiB free, {memory:.1} GB/s")?;
            writeln!(out, "upload     {upload:.1} GB/s from pinned memory")?;
        }
        write!(out, "\n{}", self.line())?;
        Ok(out)
    }

    /// What it comes to.
    fn line(&self) -> String {
        match &self.checked {
            Ok(checked) => format!("GPU {} is usable\n", checked.ordinal),
            Err(why) => format!("no GPU is usable: {why}\n"),
        }
    }

    fn document(&self) -> Doctor<'_> {
        let driver = self.driver.as_ref();
        let devices = driver.map_or_else(Vec::new, |driver| {
            let row = |device: &Device| DeviceRow {
                ordinal: device.ordinal,
                name: device.name.clone(),
                compute_capability: device.capability.to_string(),
                memory: device.memory,
                multiprocessors: device.multiprocessors,
                supported: driver.device(device.ordinal).is_ok(),
            };
            driver.devices.iter().map(row).collect()
        });
        Doctor {
            processor: Processor {
                instructions: instruction_set().to_string(),
                threads: self.threads,
            },
            driver: driver.map(|driver| DriverRow {
                cuda: driver.version.to_string(),
            }),
            devices,
            checked: self.checked.as_ref().ok().map(|checked| CheckedRow {
                device: checked.ordinal,
                free_memory: checked.free_memory,
                open_seconds: checked.open,
                load_seconds: checked.load,
                upload_bytes_per_second: checked.upload,
                memory_bytes_per_second: checked.memory,
            }),
            usable: self.checked.is_ok(),
            reason: self.checked.as_ref().err().map(String::as_str),
        }
    }
}

/// What was found on a machine, for a program.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Doctor<'a> {
    processor: Processor,
    /// `null` where there is no NVIDIA driver.
    driver: Option<DriverRow>,
    /// The GPUs that the driver names.
    devices: Vec<DeviceRow>,
    /// What was measured on the GPU that was checked; `null` where it is not usable.
    checked: Option<CheckedRow>,
    /// Whether the forward can run on that GPU.
    usable: bool,
    /// Why not.
    reason: Option<&'a str>,
}

/// The CPU.
#[derive(Serialize, JsonSchema)]
struct Processor {
    /// The instruction set that the forward uses.
    instructions: String,
    threads: usize,
}

/// The NVIDIA driver.
#[derive(Serialize, JsonSchema)]
struct DriverRow {
    /// The version of CUDA that it supports.
    cuda: String,
}

/// A GPU.
#[derive(Serialize, JsonSchema)]
struct DeviceRow {
    ordinal: usize,
    name: String,
    compute_capability: String,
    /// In bytes.
    memory: u64,
    multiprocessors: u32,
    /// Whether the kernels run on it.
    supported: bool,
}

/// What was measured on a GPU, which gives the bits of the CPU.
#[derive(Serialize, JsonSchema)]
struct CheckedRow {
    /// Its ordinal.
    device: usize,
    /// In bytes.
    free_memory: u64,
    /// To make its context.
    open_seconds: f64,
    /// To load the kernels.
    load_seconds: f64,
    /// From pinned host memory.
    upload_bytes_per_second: f64,
    /// Read and written on the GPU.
    memory_bytes_per_second: f64,
}
