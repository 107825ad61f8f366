//! Which file of a split set a finding is about: it is the one that has to be fetched again.

use super::{FileFormat, FileRow, PlaceRow, Report};
use crate::code::{Code, Group};
use crate::finding::{Finding, Side};

impl Report {
    /// Returns the file that a place is in, where it is one of several of a model.
    #[must_use]
    pub fn file_of_set(&self, place: &PlaceRow) -> Option<&FileRow> {
        file_of_set(&self.files, place.file, place.shard)
    }
}

/// Puts the name of the file before what is wrong with one of several.
pub(crate) fn name_files_of_sets(files: &[FileRow], findings: &mut [Finding]) {
    for finding in findings {
        let is_about_file = finding.code.group() == Group::Gguf || finding.code == Code::Io;
        if let Some(place) = finding.places.first().filter(|_| is_about_file)
            && let Some(file) = file_of_set(files, place.side, place.shard)
        {
            finding.message = format!("{}: {}", file.name, finding.message);
        }
    }
}

fn file_of_set(files: &[FileRow], side: Side, shard: usize) -> Option<&FileRow> {
    let is_of_side = |file: &&FileRow| match side {
        Side::Apr => file.format == FileFormat::Apr,
        Side::Gguf => file.format == FileFormat::Gguf,
        Side::A | Side::B => file.side == Some(side),
    };
    let mut set = files.iter().filter(is_of_side);
    let is_set = set.clone().nth(1).is_some();
    set.find(|file| is_set && file.shard == shard)
}
