//! Which uploads are forgotten.

use std::io;

use service::store::blobs::Partial;

use super::*;

/// Everything is older than that.
const NOW: i64 = -1000;

pub(super) async fn an_upload_in_progress_is_not_forgotten(store: Store) {
    let partial = Partial {
        id: "p".to_owned(),
        owner: "me".to_owned(),
        size: 7,
        expected: None,
        digest: None,
    };
    store.begin_partial(&partial).await.unwrap();
    store.forget(NOW).await.unwrap();
    assert_eq!(store.partial("p").await.unwrap().unwrap().size, 7);
    assert_eq!(store.unfinished(1_000_000).await.unwrap(), [""; 0]);
    assert_eq!(store.unfinished(NOW).await.unwrap(), ["p"]);
    // It was just forgotten when it arrived as a whole.
    store.forget_partial("p").await.unwrap();
    assert!(store.partial("p").await.unwrap().is_none());
    store.end_partial(&partial, "sha256:0").await.unwrap();
    store.forget_partial("p").await.unwrap();
    assert_eq!(store.unfinished(NOW).await.unwrap(), [""; 0]);
    let ended = store.partial("p").await.unwrap().unwrap();
    assert_eq!(ended.digest.as_deref(), Some("sha256:0"));
    store.forget(1_000_000).await.unwrap();
    assert!(store.partial("p").await.unwrap().is_some());
    store.forget(NOW).await.unwrap();
    assert!(store.partial("p").await.unwrap().is_none());
}

pub(super) async fn an_upload_that_cannot_be_removed_is_not_forgotten(store: Store) {
    store.use_blob("0", 7).await.unwrap();
    store.own_blob("0", "me").await.unwrap();
    let fails = |_: &str| Err(io::ErrorKind::PermissionDenied.into());
    store.forget_blob(NOW, fails).await.unwrap_err();
    assert!(store.owns_blob("0", "me").await.unwrap());
    let removes = |digest: &str| {
        assert_eq!(digest, "0");
        Ok(())
    };
    assert!(!store.forget_blob(1_000_000, removes).await.unwrap());
    assert!(store.forget_blob(NOW, removes).await.unwrap());
    assert!(!store.owns_blob("0", "me").await.unwrap());
    assert!(!store.forget_blob(NOW, removes).await.unwrap());
}

pub(super) async fn an_upload_of_a_job_that_is_not_done_is_used(store: Store) {
    store.use_blob("abc", 7).await.unwrap();
    let id = submitted(&store, "abc").await;
    assert!(!store.forget_blob(NOW, |_| Ok(())).await.unwrap());
    store.cancel(&id).await.unwrap();
    assert!(store.forget_blob(NOW, |_| Ok(())).await.unwrap());
}
