//! Runs a test again with the stand-in driver.

use std::{
    env,
    os::unix::fs::symlink,
    process::{Command, Output},
};

use inference::cuda::{Gpu, probe};

/// The GPU of the stand-in driver, where the test runs with it, and else nothing: then the caller asks for that by
/// [`again`].
pub(crate) fn gpu() -> Option<Gpu> {
    env::var_os(INSIDE)?;
    let driver = probe().unwrap();
    let device = driver.device(0).unwrap();
    assert_eq!(device.name, "Stand-in GPU");
    Some(Gpu::open(device, u64::MAX).unwrap())
}

/// Runs a test of this binary again with the stand-in driver and its settings. It must succeed, and the driver must have
/// nothing to complain about.
pub(crate) fn again(test: &str, settings: &[(&str, &str)]) {
    let output = output_of(test, settings);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{settings:?}\n{report}\n{said}");
    assert!(report.contains("1 passed"), "{report}");
    assert!(!said.contains("stand-in driver:"), "{settings:?}: {said}");
}

fn output_of(test: &str, settings: &[(&str, &str)]) -> Output {
    let tests = env::current_exe().unwrap();
    let library = tests.with_file_name("libstand_in_driver.so");
    assert!(library.exists(), "{} was not built", library.display());
    let folder = tempfile::tempdir().unwrap();
    for name in ["libcuda.so", "libcuda.so.1"] {
        symlink(&library, folder.path().join(name)).unwrap();
    }
    let settings = settings
        .iter()
        .map(|(name, value)| (format!("APROVE_STAND_IN_{name}"), value));
    Command::new(&tests)
        .args(["--exact", test, "--nocapture"])
        .env("LD_LIBRARY_PATH", folder.path())
        .env(INSIDE, "1")
        .envs(settings)
        .output()
        .unwrap()
}

const INSIDE: &str = "APROVE_TEST_WITH_STAND_IN";
