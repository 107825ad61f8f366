//! What running jobs may write.

use super::*;

pub(super) async fn a_job_that_writes_waits_for_the_room_of_others(store: Store) {
    let submit = async |op: Op, content: &str| {
        let mut spec = spec(content);
        spec.op = op;
        spec.inputs
            .iter_mut()
            .flat_map(|input| &mut input.files)
            .for_each(|file| file.size = 1 << 40);
        match store
            .submit(&spec, "me", LIMITS, &Besides::default())
            .await
            .unwrap()
        {
            Submitted::New(id) => id,
            other => panic!("{other:?}"),
        }
    };
    // Room for one and a half of them.
    let terms = Terms {
        room: 1.5 * 1_099_511_627_776.0,
        ..LONG
    };
    let first = submit(Op::Convert, "1").await;
    let second = submit(Op::Restore, "2").await;
    let reads = submit(Op::Check, "3").await;
    assert_eq!(store.reserved(None).await.unwrap(), 0.0);
    let lease = claimed(&store, terms).await.lease;
    assert_eq!(lease.id, first);
    let writes = store.writes(&first).await.unwrap();
    assert!(writes > 1_099_511_627_776.0);
    assert_eq!(store.reserved(None).await.unwrap(), writes);
    assert_eq!(store.reserved(Some(&first)).await.unwrap(), 0.0);
    assert_eq!(store.reserved(Some(&second)).await.unwrap(), writes);
    assert_eq!(claimed(&store, terms).await.lease.id, reads);
    assert!(store.claim("w", terms).await.unwrap().is_none());
    // Where nobody else writes it is begun, and ends where it is found to have no room.
    store.fail(&lease, Failure::NotBegun).await.unwrap();
    store.cancel(&first).await.unwrap();
    let none = Terms { room: 0.0, ..LONG };
    assert_eq!(claimed(&store, none).await.lease.id, second);
    assert_eq!(store.writes(&reads).await.unwrap(), 0.0);
}
