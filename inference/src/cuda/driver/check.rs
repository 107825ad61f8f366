//! Checks and measurements of a GPU: its bits against those of the CPU, and its transfer rates.

use std::collections::VecDeque;

use crate::cuda::{
    driver::{
        gpu::{Argument, Gpu},
        memory::Buffer,
    },
    error::Error,
    upload::ring::Ring,
};
use crate::{
    arithmetic::{activation::silu, norm::rms_norm},
    record::digest,
};

impl Gpu {
    /// Runs two kernels, with a division, a square root, the exponential function and a tree of sums in them, and compares
    /// the digests of their results with those of the CPU.
    ///
    /// # Errors
    /// Fails when a result has other bits, and when a call of the driver fails.
    pub fn check(&self) -> Result<(), Error> {
        let values: Vec<f32> = (0u16..4096)
            .map(|i| (f32::from(i) - 2048.0) / 64.0)
            .collect();
        let (input, output) = (self.allocate::<f32>(4096)?, self.allocate::<f32>(4096)?);
        input.write(&self.compute, &values)?;
        let judge = |kernel, expected: &[f32]| {
            let mut found = vec![0f32; expected.len()];
            output.read(&self.compute, 0, &mut found)?;
            if digest(&found) == digest(expected) {
                Ok(())
            } else {
                Err(Error::Wrong { kernel })
            }
        };
        let (a, b) = (Argument::Buffer(&input), Argument::Buffer(&output));
        self.launch("silu", [16, 1, 1], &[a, b, Argument::Count(4096)])?;
        judge("silu", &silu(&values))?;
        // Four rows of 1024, with the first one as the weight.
        let (n, epsilon) = (Argument::Count(1024), 1e-6);
        let arguments = [a, a, b, n, Argument::Float(epsilon)];
        self.launch("rms_norm", [4, 1, 1], &arguments)?;
        let (weight, _) = values.split_at(1024);
        judge("rms_norm", &rms_norm(&values, weight, epsilon))
    }

    /// Prepares uploads as those of weights, and copies on the GPU itself, to measure how long they take.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub fn copies(&self) -> Result<Copies<'_>, Error> {
        let buffers = [self.allocate::<u8>(PANEL)?, self.allocate::<u8>(PANEL)?];
        let mut copies = Copies {
            gpu: self,
            ring: Ring::new(self, 3, PANEL)?,
            buffers,
        };
        // The first write to memory costs more.
        copies.upload(4)?;
        for buffer in &copies.buffers {
            buffer.write(&self.compute, &vec![0u8; PANEL])?;
        }
        copies.on_the_gpu(4)?;
        Ok(copies)
    }
}

/// Copies for measurements. Each of them waits for the last byte.
pub struct Copies<'a> {
    gpu: &'a Gpu,
    ring: Ring,
    buffers: [Buffer; 2],
}

impl Copies<'_> {
    /// Copies panels from the host; returns the number of bytes.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub fn upload(&mut self, panels: usize) -> Result<usize, Error> {
        let (mut lent, slots) = self.ring.lend(self.gpu);
        let mut leaving = VecDeque::new();
        for _ in 0..panels {
            let next = match lent.pop() {
                Some(lent) => Some(lent),
                None => leaving
                    .pop_front()
                    .map(|first| slots.wait(first))
                    .transpose()?,
            };
            if let Some(next) = next {
                let (copied, _) = slots.copy(next, PANEL)?;
                slots.arrives(&copied)?;
                slots.used(&copied)?;
                leaving.push_back(copied);
            }
        }
        self.gpu.compute.synchronize()?;
        Ok(panels * PANEL)
    }

    /// Copies panels on the GPU; returns the number of bytes that were read and written.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub fn on_the_gpu(&self, panels: usize) -> Result<usize, Error> {
        let [from, to] = &self.buffers;
        for _ in 0..panels {
            to.copy_from(&self.gpu.compute, from, PANEL)?;
        }
        self.gpu.compute.synchronize()?;
        Ok(panels * PANEL * 2)
    }
}

/// The bytes of a panel.
const PANEL: usize = 16 << 20;
