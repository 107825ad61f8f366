//! `aprove publish`: what a worker starts once a model is verified: it puts the artifact where the job says.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use remote::Location;

use crate::exit::Outcome;

/// Puts a model and its manifest into a folder of a store.
#[derive(Args)]
#[command(hide = true)]
pub(crate) struct Arguments {
    /// The model; its manifest lies beside it
    model: PathBuf,
    /// The folder, as s3://BUCKET/PREFIX
    folder: PathBuf,
    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (model, folder) = (&arguments.model, Location::of(&arguments.folder));
    let manifest = Location::of(model).with_ending(".manifest.json");
    let manifest = manifest.context("a model on this machine has a manifest beside it")?;
    folder
        .put(model, &manifest, arguments.overwrite)
        .with_context(|| format!("{folder}: the model was not put there"))?;
    Ok(Outcome::Done)
}
