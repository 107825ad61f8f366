//! The device that a forward runs on.

use clap::{Args, ValueEnum};
use inference::cuda::{self, Gpu};

/// Where to run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Forward {
    /// On an NVIDIA GPU if one is usable, otherwise on the CPU; the output says which, and why
    Auto,
    /// On the CPU
    Cpu,
    /// On an NVIDIA GPU; fails if none is usable (`aprove doctor` says why)
    Cuda,
}

/// Where to run, and on which GPU.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Choice {
    /// Where to run; every device gives the same bits
    #[arg(long, value_enum, default_value_t = Forward::Auto)]
    pub(crate) forward: Forward,
    #[command(flatten)]
    pub(crate) device: Arguments,
}

/// Which GPU to run on, and how much of it.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// Number of the GPU to run on; `aprove doctor` lists them
    #[arg(long, value_name = "N", default_value_t = 0)]
    device: usize,
    /// Limit of GPU memory to use, in bytes or with the suffix K, M or G [default: all that is free]
    #[arg(long, value_name = "LIMIT", value_parser = bytes)]
    device_memory: Option<u64>,
}

impl Arguments {
    /// Opens and checks the GPU; one that does not give the bits of the CPU is an error.
    pub(crate) fn open(&self) -> Result<Gpu, cuda::Error> {
        let driver = cuda::probe()?;
        let device = driver.device(self.device)?;
        let gpu = Gpu::open(device, self.device_memory.unwrap_or(u64::MAX))?;
        gpu.check()?;
        Ok(gpu)
    }
}

/// Parses a number of bytes with an optional suffix, a power of 1024.
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
