//! Files of the reference tool, of the shared data.

use fixtures::shared;

use super::*;

#[needs::data("apr")]
#[test]
fn imports_of_the_reference_tool_are_read_without_a_finding() {
    for (name, file) in shared::files("apr", ".A.apr") {
        assert_eq!(codes(&file), [], "{name}");
        let parsed = read(&file);
        assert_eq!(parsed.header.flags, flags::LAYOUT_ROW_MAJOR);
        assert!(
            parsed.tensors.len() > 20
                && parsed
                    .tensors
                    .iter()
                    .all(|tensor| tensor.encoding().is_some())
        );
        assert!(
            parsed
                .metadata
                .unwrap()
                .contains_key("tokenizer.vocabulary")
        );
    }
}

#[needs::data("apr")]
#[test]
fn imports_without_a_footer_are_told_from_cut_files() {
    for (name, file) in shared::files("apr", ".B.apr") {
        assert_eq!(
            codes(&file),
            [("apr.footer.absent", length(&file))],
            "{name}"
        );
    }
    for (name, file) in shared::files("apr", ".A.apr") {
        let cut = &file[..file.len() - 4];
        assert_eq!(codes(cut), [("apr.footer.missing", length(cut))], "{name}");
    }
}

/// The tool's container is deterministic but for the order of the metadata's keys.
#[needs::data("apr")]
#[test]
fn a_plan_gives_the_index_and_the_offsets_of_the_reference_tool() {
    for (name, file) in shared::files("apr", ".apr") {
        let parsed = read(&file);
        let tensors = parsed.tensors.iter().map(|tensor| PlannedTensor {
            name: tensor.entry.name.clone(),
            dtype: tensor.entry.dtype,
            dims: tensor.entry.dims.clone(),
            size: tensor.entry.size,
        });
        let plan = Plan::new(
            tensors.collect(),
            parsed.header.metadata_size,
            parsed.header.flags,
        )
        .unwrap();
        assert_eq!(plan.header(), file[..64], "{name}");
        let index = usize::try_from(plan.index_offset()).unwrap();
        assert_eq!(
            plan.index(),
            &file[index..usize::try_from(plan.data_offset()).unwrap()],
            "{name}"
        );
        assert!(plan.footer_offset() <= length(&file));
    }
}
