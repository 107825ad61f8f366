//! Where a forward runs, and on which GPU.

use clap::{Args, ValueEnum};
use inference::cuda::{self, Gpu};

/// Where to run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Forward {
    /// On an NVIDIA GPU when one can be used, and else on the processor; the answer says which, and why
    Auto,
    /// On the processor
    Cpu,
    /// On an NVIDIA GPU, and nowhere when none can be used; `aprove doctor` says why
    Cuda,
}

/// Where to run, and on which GPU.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Choice {
    /// Where to run: every device gives the same bits
    #[arg(long, value_enum, default_value_t = Forward::Auto)]
    pub(crate) forward: Forward,
    #[command(flatten)]
    pub(crate) device: Arguments,
}

/// Which GPU to run on, and how much of it.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// The GPU to run on, by its number; `aprove doctor` lists them
    #[arg(long, value_name = "N", default_value_t = 0)]
    device: usize,
    /// The most memory of the GPU to use, in bytes or with K, M or G behind it [default: what is there]
    #[arg(long, value_name = "LIMIT", value_parser = bytes)]
    device_memory: Option<u64>,
}

impl Arguments {
    /// Opens the GPU, or says why there is none to run on: one with other bits than the processor is none.
    pub(crate) fn open(&self) -> Result<Gpu, cuda::Error> {
        let driver = cuda::probe()?;
        let device = driver.device(self.device)?;
        let gpu = Gpu::open(device, self.device_memory.unwrap_or(u64::MAX))?;
        gpu.check()?;
        Ok(gpu)
    }
}

/// A number of bytes, with a power of 1024 behind it.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("K", 10), ("M", 20), ("G", 30)];
    let unit = units
        .into_iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (digits, shift) = unit.unwrap_or((text, 0));
    let number = digits.parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "expected a number such as 512M, 8G or 1000000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_numbers_with_units() {
        for (text, expected) in [
            ("0", 0),
            ("1000", 1000),
            ("3K", 3072),
            ("512M", 512 << 20),
            ("8G", 8 << 30),
        ] {
            assert_eq!(bytes(text), Ok(expected));
        }
        for text in ["", "G", "-1", "1T", "1.5G", "99999999999G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
