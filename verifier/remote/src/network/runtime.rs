//! The threads that wait for the network, behind calls that block.

use std::future::Future;
use std::io;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Waits for work on the network.
pub(super) fn wait<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(runtime()?.block_on(work))
}

/// Begins work on the network without waiting for it.
pub(super) fn begin(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = runtime() {
        drop(runtime.spawn(work));
    }
}

fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        // Whoever was first has installed the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(2)
            .thread_name("network")
            .enable_all();
        builder.build().map_err(|why| why.to_string())
    });
    runtime
        .as_ref()
        .map_err(|why| io::Error::other(why.clone()))
}
