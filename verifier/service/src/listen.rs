//! Connections: so many at once, and none that may be silent for as long as it likes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::serve::Listener;
use hyper::rt::{Sleep, Timer};
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::debug;

use crate::config::Config;

/// Fields of the head of a request.
pub(crate) const FIELDS: usize = 100;
/// Bytes that are kept of what a connection says.
const BUFFER: usize = 128 << 10;

/// Answers until the end has come, and ends once everybody has their answer.
pub(crate) async fn answer(
    mut listener: TcpListener,
    router: Router,
    config: &Config,
    end: impl Future<Output = ()>,
) {
    let patience = config.patience();
    let mut builder = Builder::new();
    builder
        .header_read_timeout(patience)
        .max_headers(FIELDS * 2)
        .max_buf_size(BUFFER);
    let free = Arc::new(Semaphore::new(config.max_connections));
    let open = GracefulShutdown::new();
    let mut end = std::pin::pin!(end);
    loop {
        // Who comes when all are taken waits in the queue of the system.
        let next = async {
            let place = Arc::clone(&free).acquire_owned().await;
            (place, Listener::accept(&mut listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            next = next => next,
            () = &mut end => break,
        };
        // One that takes no answer is cut off, too.
        let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        let _without = set_tcp_user_timeout(&stream, milliseconds);
        let service = TowerToHyperService::new(router.clone());
        builder.timer(Clock {
            idle: config.idle(),
            is_kept: AtomicBool::new(false),
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = open.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%peer, %error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    open.shutdown().await;
}

/// The library gives each head the same time, from the end of the answer before it. On a connection that is kept the time in
/// which nothing need come is added to that.
struct Clock {
    idle: Duration,
    /// Whether it had a head already.
    is_kept: AtomicBool,
}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let is_kept = self.is_kept.swap(true, Ordering::Relaxed);
        let idle = if is_kept { self.idle } else { Duration::ZERO };
        TokioTimer::new().sleep_until(deadline + idle)
    }
}
