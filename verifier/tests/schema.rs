//! The published schema is the one in the tree.

#[test]
fn the_committed_schema_is_the_one_of_the_report() {
    let schema = serde_json::to_string_pretty(&verifier::report::schema()).unwrap();
    let committed = include_str!("../schema/report.schema.json");
    // To renew it: `aprove schema > verifier/schema/report.schema.json`. Fields are only ever added.
    assert_eq!(committed.trim_end(), schema);
}
