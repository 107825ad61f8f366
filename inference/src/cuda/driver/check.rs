//! What a diagnosis asks of a GPU: the bits of the processor, and the work to measure its rates by.

use std::collections::VecDeque;

use crate::cuda::{
    driver::{
        error::Error,
        gpu::{Argument, Gpu},
        memory::Buffer,
    },
    upload::ring::Ring,
};
use crate::{
    arithmetic::{exp::silu, norm::rms_norm},
    error,
    record::digest,
};

impl Gpu {
    /// Runs two kernels, with a division, a square root, the exponential function and a tree of sums in them, and holds
    /// the digests of their results against those of the processor.
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
        let weight = values.get(..1024).unwrap_or_default();
        judge("rms_norm", &rms_norm(&values, weight, epsilon))
    }

    /// Prepares copies to the GPU on the way that weights take, and on the GPU itself, to measure how long they take.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub fn copies(&self) -> Result<Copies<'_>, error::Error> {
        let buffers = [self.allocate::<u8>(PANEL)?, self.allocate::<u8>(PANEL)?];
        let mut copies = Copies {
            gpu: self,
            ring: Ring::new(self, 3, PANEL)?,
            buffers,
        };
        // Memory that was never written costs more the first time.
        copies.upload(4)?;
        for buffer in &copies.buffers {
            buffer.write(&self.compute, &vec![0u8; PANEL])?;
        }
        copies.on_the_gpu(4)?;
        Ok(copies)
    }
}

/// Copies to measure by. Each of them waits for the last byte.
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
    pub fn upload(&mut self, panels: usize) -> Result<usize, error::Error> {
        let (mut lent, places) = self.ring.lend(self.gpu);
        let mut leaving = VecDeque::new();
        for _ in 0..panels {
            let next = match lent.pop() {
                Some(lent) => Some(lent),
                None => leaving
                    .pop_front()
                    .map(|first| places.wait(first))
                    .transpose()?,
            };
            if let Some(next) = next {
                let (copied, _) = places.copy(next, PANEL)?;
                places.arrives(&copied)?;
                places.used(&copied)?;
                leaving.push_back(copied);
            }
        }
        self.gpu.compute.synchronize()?;
        Ok(panels.saturating_mul(PANEL))
    }

    /// Copies panels on the GPU; returns the number of bytes that were read and written.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub fn on_the_gpu(&self, panels: usize) -> Result<usize, error::Error> {
        let [from, to] = &self.buffers;
        for _ in 0..panels {
            to.copy_from(&self.gpu.compute, from, PANEL)?;
        }
        self.gpu.compute.synchronize()?;
        Ok(panels.saturating_mul(PANEL).saturating_mul(2))
    }
}

/// The bytes of a panel.
const PANEL: usize = 16 << 20;
