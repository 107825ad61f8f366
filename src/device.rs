//! The device that a forward runs on.

use clap::builder::UnknownArgumentValueParser;
use clap::{Arg, Args};
use inference::cuda::{self, Gpu};

/// Where to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// On an NVIDIA GPU if one is usable, otherwise on the CPU.
    Auto,
    /// On the CPU.
    Cpu,
    /// On the GPU of this number.
    Cuda(usize),
}

/// Where to run, and how much of a GPU to use.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// Where to run: cpu, cuda (an NVIDIA GPU), cuda:N (the one of that number; `aprove doctor` lists them), or auto (a GPU if
    /// one is usable, otherwise the CPU; the output says which, and why). Every device gives the same bits
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub(crate) device: Device,
    /// Limit of GPU memory to use, in bytes or with the suffix K, M or G [default: all that is free]
    #[arg(long, value_name = "LIMIT", value_parser = bytes)]
    device_memory: Option<u64>,
}

impl Arguments {
    /// Opens and checks a GPU; one that does not give the bits of the CPU is an error.
    pub(crate) fn open(&self, number: usize) -> Result<Gpu, cuda::Error> {
        let driver = cuda::probe()?;
        let device = driver.device(number)?;
        let gpu = Gpu::open(device, self.device_memory.unwrap_or(u64::MAX))?;
        gpu.check()?;
        Ok(gpu)
    }
}

/// Tells where a command that always runs has `--forward` now.
pub(crate) fn no_forward() -> Arg {
    let instead = "where to run is --device: auto, cpu, cuda or cuda:N";
    Arg::new("forward")
        .long("forward")
        .value_parser(UnknownArgumentValueParser::suggest(instead))
        .hide(true)
}

/// Parses a device.
pub(crate) fn device(text: &str) -> Result<Device, String> {
    let number = |text: &str| text.parse().ok();
    match text {
        "auto" => Ok(Device::Auto),
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::Cuda(0)),
        _ => match (text.strip_prefix("cuda:").and_then(number), number(text)) {
            (Some(number), _) => Ok(Device::Cuda(number)),
            (None, Some(number)) => Err(format!(
                "a GPU has its kind before its number: --device cuda:{number}"
            )),
            (None, None) => Err("expected auto, cpu, cuda or cuda:N, such as cuda:1".to_owned()),
        },
    }
}

/// Parses whether to run.
pub(crate) fn is_run(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        "auto" | "cpu" | "cuda" => Err(format!(
            "expected on or off; where to run is --device {text}"
        )),
        _ => Err("expected on or off".to_owned()),
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
    fn a_device_is_a_kind_with_a_number() {
        for (text, expected) in [
            ("auto", Device::Auto),
            ("cpu", Device::Cpu),
            ("cuda", Device::Cuda(0)),
            ("cuda:12", Device::Cuda(12)),
        ] {
            assert_eq!(device(text), Ok(expected));
        }
        for text in ["", "0", "cuda:", "cuda:x", "cuda:-1", "gpu", "CPU"] {
            assert!(device(text).is_err(), "{text}");
        }
    }

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
