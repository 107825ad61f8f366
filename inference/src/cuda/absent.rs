//! The GPU of a build without CUDA: none can be opened, so nothing can be called with one.
#![expect(
    missing_docs,
    clippy::missing_errors_doc,
    reason = "as with the feature"
)]

use std::{convert::Infallible, marker::PhantomData, rc::Rc};

use crate::{
    cuda::{Device, Driver, Error, RunError, Weight},
    options::Options,
    program::{StageSink, Step},
    record::{Comparison, Digests},
    run::{Mode, Side},
};

pub struct Gpu(Infallible);

pub struct Context(Infallible);

pub struct Copies<'a>(Infallible, PhantomData<&'a Gpu>);

pub const fn probe() -> Result<Driver, Error> {
    Err(Error::NotBuilt)
}

impl Gpu {
    pub const fn open(_device: &Device, _limit: u64) -> Result<Self, Error> {
        Err(Error::NotBuilt)
    }

    pub const fn load(_device: &Device, context: &Rc<Context>) -> Result<Self, Error> {
        let _ = context;
        Err(Error::NotBuilt)
    }

    pub const fn check(&self) -> Result<(), Error> {
        match self.0 {}
    }

    pub const fn device(&self) -> &Device {
        match self.0 {}
    }

    pub const fn free_memory(&self) -> Result<u64, Error> {
        match self.0 {}
    }

    pub const fn copies(&self) -> Result<Copies<'_>, Error> {
        match self.0 {}
    }

    pub fn close(self) -> Result<(), Error> {
        match self.0 {}
    }
}

impl Context {
    pub const fn new(_device: &Device, _limit: u64) -> Result<Rc<Self>, Error> {
        Err(Error::NotBuilt)
    }
}

impl Copies<'_> {
    pub const fn upload(&mut self, _panels: usize) -> Result<usize, Error> {
        match self.0 {}
    }

    pub const fn on_the_gpu(&self, _panels: usize) -> Result<usize, Error> {
        match self.0 {}
    }
}

pub fn forward_batch(
    gpu: &Gpu,
    _side: Side<'_>,
    _prompts: &mut [(&[u32], &mut dyn StageSink)],
    _options: &Options,
    _watch: &mut dyn FnMut(Step),
) -> Result<(), RunError> {
    match gpu.0 {}
}

pub fn digests(
    gpu: &Gpu,
    _side: Side<'_>,
    _prompts: &[&[u32]],
    _options: &Options,
    _watch: &mut dyn FnMut(Step),
) -> Result<(Vec<Digests>, Vec<Weight>), RunError> {
    match gpu.0 {}
}

pub fn forward_pair(
    gpu: &Gpu,
    _a: Side<'_>,
    _b: Side<'_>,
    _prompts: &[&[u32]],
    _options: &Options,
    _mode: Mode,
    _watch: &mut dyn FnMut(Step),
) -> Result<(Vec<Comparison>, [Vec<Weight>; 2]), RunError> {
    match gpu.0 {}
}
