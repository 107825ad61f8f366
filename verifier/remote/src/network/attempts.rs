//! Several attempts at what may succeed later.

use std::future::Future;
use std::time::Duration;

use super::failure::Failure;

/// Does work, again where its failure may pass.
pub(super) async fn attempts<T, F: Future<Output = Result<T, Failure>>>(
    work: impl Fn() -> F,
) -> Result<T, Failure> {
    for wait in WAITS.map(Duration::from_millis) {
        match work().await {
            Err(Failure::Passing(_, named)) => {
                let named = named.map_or(wait, |named| named.clamp(wait, LONGEST));
                tokio::time::sleep(named).await;
            }
            ended => return ended,
        }
    }
    work().await.map_err(|failure| match failure {
        Failure::Passing(why, _) => {
            let attempts = WAITS.len().saturating_add(1);
            Failure::Lasting(format!("{why}, after {attempts} attempts"))
        }
        other => other,
    })
}

/// How long to wait before each further attempt, in milliseconds.
const WAITS: [u64; 7] = [50, 200, 500, 1_000, 2_000, 4_000, 8_000];
/// The longest that a server can ask to wait.
const LONGEST: Duration = Duration::from_secs(20);
