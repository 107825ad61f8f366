//! `aprove doctor`: says what the forward can run on.

use std::fmt::Write as _;

use clap::Args;
use inference::cuda::{self, Device, Driver};
use inference::instruction_set;
use serde_json::{Value, json};

use crate::convert::threads;
use crate::exit::Outcome;
use crate::output;
use crate::verify::FormatFlag;

/// Says what the forward can run on: the processor, the NVIDIA driver and its GPUs, and what to do when none can be used.
///
/// Exit code: 0 a GPU can be used, 2 none can, for the reason that is printed. The processor always can.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How to print it
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let examined = Examined {
        threads: threads(None)?,
        driver: cuda::probe(),
    };
    output::print(&match arguments.format {
        FormatFlag::Text => examined.text()?,
        FormatFlag::Json => format!("{:#}\n", examined.json()),
    })?;
    Ok(match examined.reason() {
        None => Outcome::Done,
        Some(_) => Outcome::NotDone,
    })
}

/// What there is on this machine.
struct Examined {
    threads: usize,
    driver: Result<Driver, cuda::Error>,
}

impl Examined {
    /// Why no GPU can be used; nothing when one can.
    fn reason(&self) -> Option<String> {
        let driver = match &self.driver {
            Ok(driver) => driver,
            Err(why) => return Some(why.to_string()),
        };
        let mut reasons = Vec::new();
        // With no GPU at all, the reason is that there is no first one.
        for ordinal in 0..driver.devices.len().max(1) {
            match driver.device(ordinal) {
                Ok(_) => return None,
                Err(why) => reasons.push(why.to_string()),
            }
        }
        Some(reasons.join("; "))
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        let (set, threads) = (instruction_set(), self.threads);
        writeln!(out, "processor  {set}, {threads} threads")?;
        if let Ok(driver) = &self.driver {
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
        match self.reason() {
            None => writeln!(out, "\na GPU can be used")?,
            Some(why) => writeln!(out, "\nno GPU can be used: {why}")?,
        }
        Ok(out)
    }

    fn json(&self) -> Value {
        let driver = self.driver.as_ref().ok();
        let device = |driver: &Driver, device: &Device| {
            let usable = driver.device(device.ordinal);
            json!({
                "ordinal": device.ordinal,
                "name": device.name,
                "compute_capability": device.capability.to_string(),
                "memory": device.memory,
                "multiprocessors": device.multiprocessors,
                "usable": usable.is_ok(),
                "reason": usable.err().map(|why| why.to_string()),
            })
        };
        json!({
            "processor": { "instructions": instruction_set(), "threads": self.threads },
            "driver": driver.map(|driver| json!({ "cuda": driver.version.to_string() })),
            "devices": driver.map_or_else(Vec::new, |driver| {
                let devices = driver.devices.iter();
                devices.map(|found| device(driver, found)).collect()
            }),
            "usable": self.reason().is_none(),
            "reason": self.reason(),
        })
    }
}
