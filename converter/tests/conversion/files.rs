//! What a conversion does to the file system.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use converter::{Error, Observer, Verification, convert};
use fixtures::models;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{Workbench, pending_bytes, write};

#[test]
fn nothing_has_a_name_before_publication() {
    let bench = Workbench::new(&models::tiny());
    let pending = bench.convert().unwrap();
    assert_eq!(bench.names(), ["model.gguf"]);
    drop(pending);
    assert_eq!(bench.names(), ["model.gguf"]);
}

#[test]
fn publication_gives_artifact_and_manifest_their_names() {
    let bench = Workbench::new(&models::tiny());
    let pending = bench.convert().unwrap();
    let bytes = pending_bytes(&pending);
    let path = pending.publish(Verification::Verified).unwrap();
    assert_eq!(path, bench.request.output);
    assert_eq!(
        bench.names(),
        ["model.apr", "model.apr.manifest.json", "model.gguf"]
    );
    assert!(fs::read(path).unwrap() == bytes);
}

#[test]
fn the_manifest_says_what_was_made_of_what() {
    let model = models::qwen2();
    let bench = Workbench::new(&model);
    let source = fs::read(&bench.request.sources[0]).unwrap();
    let artifact = bench.artifact();
    let text = fs::read_to_string(bench.folder.path().join("model.apr.manifest.json")).unwrap();
    assert!(!text.contains(bench.folder.path().to_str().unwrap()));
    let manifest: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest["manifest"], 2);
    assert_eq!(manifest["verification"], "skipped");
    for (list, name, bytes) in [
        ("files", "model.apr", &artifact),
        ("sources", "model.gguf", &source),
    ] {
        let entry = &manifest[list][0];
        assert_eq!(manifest[list].as_array().unwrap().len(), 1);
        assert_eq!(entry["name"], name);
        assert_eq!(entry["size"], bytes.len());
        assert_eq!(entry["sha256"], sha256(bytes));
        assert_eq!(entry["blake3"], blake3::hash(bytes).to_hex().to_string());
    }
    let tensors = manifest["tensors"].as_array().unwrap();
    assert_eq!(tensors.len(), model.tensors.len());
    for tensor in tensors {
        let number = |key: &str| usize::try_from(tensor[key].as_u64().unwrap()).unwrap();
        let stored = &artifact[number("offset")..][..number("size")];
        assert_eq!(tensor["blake3"], blake3::hash(stored).to_hex().to_string());
        let gguf_name = tensor["source_name"].as_str().unwrap();
        assert!(model.tensor(gguf_name).data == stored);
    }
}

#[test]
fn the_manifest_gives_the_sha256_of_tensors_on_request() {
    for asked in [false, true] {
        let mut bench = Workbench::new(&models::qwen2());
        bench.request.tensor_sha256 = asked;
        let artifact = bench.artifact();
        let text = fs::read_to_string(bench.folder.path().join("model.apr.manifest.json")).unwrap();
        let manifest: Value = serde_json::from_str(&text).unwrap();
        for tensor in manifest["tensors"].as_array().unwrap() {
            let number = |key: &str| usize::try_from(tensor[key].as_u64().unwrap()).unwrap();
            let stored = &artifact[number("offset")..][..number("size")];
            let expected = asked.then(|| sha256(stored));
            assert_eq!(tensor["sha256"].as_str(), expected.as_deref());
        }
    }
}

#[test]
fn an_existing_output_or_manifest_is_refused_before_the_work() {
    let contents = [
        ("model.apr", &b"APR, precious"[..]),
        ("model.apr.manifest.json", b"{precious}"),
    ];
    for (name, content) in contents {
        let bench = Workbench::new(&models::tiny());
        let existing = write(&bench.folder.path().join(name), content);
        let error = bench.convert().unwrap_err();
        assert!(
            matches!(&error, Error::Exists { path } if *path == existing),
            "{error}"
        );
        assert_eq!(fs::read(existing).unwrap(), content);
    }
}

#[test]
fn a_dangling_link_counts_as_existing() {
    let bench = Workbench::new(&models::tiny());
    symlink("/nowhere/at/all", &bench.request.output).unwrap();
    assert!(matches!(bench.convert().unwrap_err(), Error::Exists { .. }));
}

#[test]
fn overwriting_replaces_both_files() {
    let mut bench = Workbench::new(&models::tiny());
    write(&bench.request.output, b"APR, old");
    write(
        &bench.folder.path().join("model.apr.manifest.json"),
        b"{old}",
    );
    bench.request.overwrite = true;
    let bytes = pending_bytes(&bench.convert().unwrap());
    assert!(bench.artifact() == bytes);
    assert_eq!(
        bench.names(),
        ["model.apr", "model.apr.manifest.json", "model.gguf"]
    );
    let manifest = fs::read(bench.folder.path().join("model.apr.manifest.json")).unwrap();
    assert!(manifest.starts_with(b"{"));
}

#[test]
fn a_name_that_is_taken_meanwhile_is_not_replaced() {
    let bench = Workbench::new(&models::tiny());
    let pending = bench.convert().unwrap();
    write(&bench.request.output, b"precious");
    let error = pending.publish(Verification::Verified).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    assert_eq!(fs::read(&bench.request.output).unwrap(), b"precious");
    assert_eq!(bench.names(), ["model.apr", "model.gguf"]);
}

#[test]
fn an_artifact_does_not_keep_its_name_without_a_manifest() {
    let bench = Workbench::new(&models::tiny());
    let pending = bench.convert().unwrap();
    write(
        &bench.folder.path().join("model.apr.manifest.json"),
        b"precious",
    );
    let error = pending.publish(Verification::Verified).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    assert_eq!(bench.names(), ["model.apr.manifest.json", "model.gguf"]);
}

#[test]
fn a_source_is_never_the_output() {
    let mut bench = Workbench::new(&models::tiny());
    bench.request.overwrite = true;
    bench.request.output = bench.request.sources[0].clone();
    assert!(bench.refusal().contains("one of the sources"));
    let link = bench.folder.path().join("link.apr");
    fs::hard_link(&bench.request.sources[0], &link).unwrap();
    bench.request.output = link;
    assert!(bench.refusal().contains("one of the sources"));
}

#[test]
fn only_regular_files_are_read_and_replaced() {
    let mut bench = Workbench::new(&models::tiny());
    bench.request.overwrite = true;
    bench.request.output = bench.folder.path().join("folder.apr");
    fs::create_dir(&bench.request.output).unwrap();
    assert!(bench.refusal().contains("not a regular file"));
    bench.request.sources = vec!["/dev/null".into()];
    assert!(bench.refusal().contains("not a regular file"));
    bench.request.sources = vec![bench.folder.path().join("absent.gguf")];
    assert!(bench.refusal().contains("cannot be opened"));
    bench.request.output = Path::new("/nonexistent/model.apr").to_owned();
    bench.request.sources = vec![bench.folder.path().join("model.gguf")];
    assert!(bench.refusal().contains("cannot be opened"));
}

#[test]
fn a_source_that_is_written_to_meanwhile_is_noticed() {
    struct Meddler<'a>(&'a Path, fn(&Path));
    impl Observer for Meddler<'_> {
        fn start(&self, _: u64) {
            (self.1)(self.0);
        }
    }
    let meddling: [fn(&Path); 4] = [
        |path| drop(write_at_end(path)),
        |path| {
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(4000)
                .unwrap();
        },
        |path| fs::remove_file(path).unwrap(),
        |path| {
            let copy = path.with_extension("copy");
            fs::copy(path, &copy).unwrap();
            fs::rename(copy, path).unwrap();
        },
    ];
    for meddle in meddling {
        let bench = Workbench::new(&models::qwen2());
        let source = &bench.request.sources[0];
        let error = convert(
            &bench.request,
            &Meddler(source, meddle),
            &AtomicBool::new(false),
        )
        .unwrap_err();
        assert!(
            matches!(&error, Error::Changed { path } if path == source),
            "{error}"
        );
        assert!(!bench.names().iter().any(|name| name.contains("apr")));
    }
}

#[test]
fn a_cancelled_conversion_leaves_nothing() {
    struct Canceller<'a>(&'a AtomicBool);
    impl Observer for Canceller<'_> {
        fn advance(&self, _: u64) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let bench = Workbench::new(&models::qwen2());
    let cancel = AtomicBool::new(false);
    let error = convert(&bench.request, &Canceller(&cancel), &cancel).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!(bench.names(), ["model.gguf"]);
}

#[test]
fn the_observer_hears_of_every_byte_once() {
    #[derive(Default)]
    struct Counter {
        total: AtomicU64,
        done: AtomicU64,
    }
    impl Observer for Counter {
        fn start(&self, bytes: u64) {
            self.total.fetch_add(bytes, Ordering::Relaxed);
        }

        fn advance(&self, bytes: u64) {
            self.done.fetch_add(bytes, Ordering::Relaxed);
        }
    }
    let shards = models::qwen2_tied().shards(2);
    let files: Vec<(String, Vec<u8>)> = ["a.gguf", "b.gguf"]
        .map(str::to_owned)
        .into_iter()
        .zip(shards)
        .collect();
    let length: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let bench = Workbench::with_files(&files);
    let counter = Counter::default();
    let pending = convert(&bench.request, &counter, &AtomicBool::new(false)).unwrap();
    drop(pending);
    let heard = (counter.total.into_inner(), counter.done.into_inner());
    assert_eq!(heard, (length as u64, length as u64));
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_at_end(path: &Path) -> fs::File {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"more").unwrap();
    file
}
