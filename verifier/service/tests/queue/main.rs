//! The contract of the queue, on both databases: what is lost, doubled or given to the wrong worker is found here.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod disturbed;
mod postgres;
mod room;
mod uploads;

use std::path::Path;

use service::job::{
    Bound, Input, Judged, Op, Options, Outcome, Place, Reason, Spec, State, Verdict,
};
use service::store::Store;
use service::store::deliveries::Sent;
use service::store::queue::{
    Claimed, Ended, Failure, JobQueue as _, Lease, Limits, Order, Submitted, Terms,
};
use service::store::read::{Counted, Row};
use service::store::submissions::{Besides, Named};

const LIMITS: Limits = Limits {
    queued: 1000,
    of_owner: 1000,
};
/// Nobody is silent for so long.
const LONG: Terms = Terms {
    lease: 3_600_000,
    tries: 3,
    room: 0.0,
};
/// A lease that is over when it is given.
const OVER: Terms = Terms { lease: 0, ..LONG };

fn spec(content: &str) -> Spec {
    Spec {
        op: Op::Check,
        inputs: vec![Input {
            name: "m.gguf".to_owned(),
            files: vec![Bound {
                name: "m.gguf".to_owned(),
                place: Place::Blob(content.to_owned()),
                content: format!("sha256:{content}"),
                size: 7,
            }],
            address: None,
        }],
        options: Options::default(),
        policy: None,
        once: String::new(),
        output: None,
    }
}

fn verified(report: &str) -> Outcome {
    Outcome {
        verdict: Verdict::Verified,
        reason: Reason::Judged,
        result: Some(Judged {
            report: report.to_owned(),
            folder: "folder/1".to_owned(),
            conclusion: None,
        }),
        message: None,
        is_put: false,
    }
}

fn besides(named: &Named) -> Besides {
    Besides {
        named: Some(named.clone()),
        webhook: None,
    }
}

async fn submitted(store: &Store, content: &str) -> String {
    match store
        .submit(&spec(content), "me", LIMITS, &Besides::default())
        .await
        .unwrap()
    {
        Submitted::New(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn claimed(store: &Store, terms: Terms) -> Claimed {
    store.claim("w", terms).await.unwrap().unwrap()
}

async fn row(store: &Store, id: &str) -> Row {
    store.job(id).await.unwrap().unwrap()
}

async fn end(store: &Store, id: &str) -> Option<(Verdict, Reason)> {
    row(store, id).await.ended()
}

/// How many jobs were counted as ended.
async fn counted(store: &Store) -> i64 {
    let tallies = store.tallies().await.unwrap();
    let jobs = tallies
        .iter()
        .filter(|tally| tally.verdict != Counted::Alarm);
    jobs.map(|tally| tally.jobs).sum()
}

async fn alarms(store: &Store) -> i64 {
    let tallies = store.tallies().await.unwrap();
    let alarms = tallies
        .iter()
        .filter(|tally| tally.verdict == Counted::Alarm);
    alarms.map(|tally| tally.jobs).sum()
}

async fn a_job_is_claimed_once_and_oldest_first(store: Store) {
    let first = submitted(&store, "1").await;
    let second = submitted(&store, "2").await;
    assert_eq!(claimed(&store, LONG).await.lease.id, first);
    assert_eq!(claimed(&store, LONG).await.lease.id, second);
    assert!(store.claim("w", LONG).await.unwrap().is_none());
}

async fn two_claims_at_once_get_two_jobs(store: Store) {
    for number in 0..20 {
        submitted(&store, &number.to_string()).await;
    }
    let claims = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { claimed(&store, LONG).await.lease.id })
    });
    let mut ids = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        ids.push(claim.await.unwrap());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

async fn a_job_of_a_silent_worker_goes_to_another(store: Store) {
    let id = submitted(&store, "1").await;
    let lost = claimed(&store, OVER).await.lease;
    let kept = claimed(&store, LONG).await.lease;
    assert_eq!((lost.id.as_str(), kept.id.as_str()), (&*id, &*id));
    assert_eq!(
        store.heartbeat(&lost, LONG, None).await.unwrap(),
        Order::Lost
    );
    assert_eq!(
        store.heartbeat(&kept, LONG, None).await.unwrap(),
        Order::GoOn
    );
}

async fn a_heartbeat_keeps_a_job(store: Store) {
    submitted(&store, "1").await;
    let lease = claimed(&store, OVER).await.lease;
    store.heartbeat(&lease, LONG, Some("{}")).await.unwrap();
    assert!(store.claim("other", LONG).await.unwrap().is_none());
    assert_eq!(row(&store, &lease.id).await.progress.unwrap(), "{}");
}

async fn a_lease_of_a_clock_that_was_set_back_is_over(store: Store) {
    let id = submitted(&store, "1").await;
    claimed(&store, LONG).await;
    let short = |lease| Terms { lease, ..LONG };
    // Of a worker whose lease is longer, but not that much.
    assert!(store.claim("w", short(1_000_000)).await.unwrap().is_none());
    assert_eq!(claimed(&store, short(1000)).await.lease.id, id);
}

async fn a_job_ends_in_exactly_one_verdict(store: Store) {
    let id = submitted(&store, "1").await;
    let lost = claimed(&store, OVER).await.lease;
    let kept = claimed(&store, LONG).await.lease;
    let undecided = Outcome::undecided(Reason::NotDone);
    assert_eq!(store.finish(&lost, &undecided).await.unwrap(), Ended::Lost);
    assert_eq!(end(&store, &id).await, None);
    let ended = store.finish(&kept, &verified("r")).await.unwrap();
    assert_eq!(ended, Ended::With(Verdict::Verified));
    assert_eq!(store.finish(&kept, &undecided).await.unwrap(), Ended::Lost);
    store.fail(&kept, Failure::NotBegun).await.unwrap();
    store.cancel(&id).await.unwrap();
    let expected = Some((Verdict::Verified, Reason::Judged));
    assert_eq!(end(&store, &id).await, expected);
    assert_eq!(counted(&store).await, 1);
}

async fn a_job_that_kills_its_workers_is_undecided(store: Store) {
    let id = submitted(&store, "1").await;
    for _ in 0..3 {
        claimed(&store, OVER).await;
    }
    assert!(store.claim("w", OVER).await.unwrap().is_none());
    let expected = Some((Verdict::Undecided, Reason::WorkerDied));
    assert_eq!(end(&store, &id).await, expected);
}

async fn a_job_that_is_put_back_by_a_stop_loses_no_try(store: Store) {
    let id = submitted(&store, "1").await;
    for _ in 0..10 {
        let lease = claimed(&store, LONG).await.lease;
        store.fail(&lease, Failure::NotNow).await.unwrap();
    }
    assert_eq!(row(&store, &id).await.state, State::Queued);
    for _ in 0..3 {
        let lease = claimed(&store, LONG).await.lease;
        store.fail(&lease, Failure::NotBegun).await.unwrap();
    }
    assert!(store.claim("w", LONG).await.unwrap().is_none());
    assert_eq!(row(&store, &id).await.state, State::Done);
}

async fn a_job_that_waits_is_cancelled_at_once(store: Store) {
    let id = submitted(&store, "1").await;
    store.cancel(&id).await.unwrap();
    store.cancel(&id).await.unwrap();
    let expected = Some((Verdict::Undecided, Reason::Cancelled));
    assert_eq!(end(&store, &id).await, expected);
    assert_eq!(counted(&store).await, 1);
    assert!(store.claim("w", LONG).await.unwrap().is_none());
}

async fn the_worker_of_a_cancelled_job_is_told(store: Store) {
    let id = submitted(&store, "1").await;
    let lease = claimed(&store, LONG).await.lease;
    store.cancel(&id).await.unwrap();
    assert_eq!(
        store.heartbeat(&lease, LONG, None).await.unwrap(),
        Order::Cancel
    );
    assert_eq!(end(&store, &id).await, None);
    // It was just ready.
    store.finish(&lease, &verified("r")).await.unwrap();
    let cancelled = Some((Verdict::Undecided, Reason::Cancelled));
    assert_eq!(end(&store, &id).await, cancelled);
}

async fn what_lies_where_the_job_says_is_not_cancelled(store: Store) {
    let id = submitted(&store, "1").await;
    let lease = claimed(&store, LONG).await.lease;
    store.cancel(&id).await.unwrap();
    let put = Outcome {
        is_put: true,
        ..verified("r")
    };
    store.finish(&lease, &put).await.unwrap();
    let verified = Some((Verdict::Verified, Reason::Judged));
    assert_eq!(end(&store, &id).await, verified);
}

async fn a_folder_of_another_database_is_refused(store: Store) {
    let [ours, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    store.belongs_to(ours.path()).await.unwrap();
    store.belongs_to(ours.path()).await.unwrap();
    let said = store.belongs_to(other.path()).await.unwrap_err();
    let mark = std::fs::read_to_string(ours.path().join("mark")).unwrap();
    assert!(said.to_string().contains(mark.trim()), "{said}");
    // One that belongs to something else, too.
    let elsewhere = Store::sqlite(&other.path().join("q.sqlite")).await.unwrap();
    elsewhere.belongs_to(other.path()).await.unwrap();
    store.belongs_to(other.path()).await.unwrap_err();
    elsewhere.belongs_to(ours.path()).await.unwrap_err();
}

async fn a_cancelled_job_of_a_dead_worker_is_not_begun_again(store: Store) {
    let id = submitted(&store, "1").await;
    claimed(&store, OVER).await;
    store.cancel(&id).await.unwrap();
    assert!(store.claim("w", LONG).await.unwrap().is_none());
    let expected = Some((Verdict::Undecided, Reason::Cancelled));
    assert_eq!(end(&store, &id).await, expected);
}

async fn equal_jobs_share_one_result(store: Store) {
    let first = submitted(&store, "1").await;
    let again = store
        .submit(&spec("1"), "me", LIMITS, &Besides::default())
        .await
        .unwrap();
    assert_eq!(again, Submitted::Existing(first));
    let lease = claimed(&store, LONG).await.lease;
    let other = store
        .submit(&spec("1"), "other", LIMITS, &Besides::default())
        .await
        .unwrap();
    let Submitted::New(other) = other else {
        panic!("{other:?}")
    };
    store.finish(&lease, &verified("r")).await.unwrap();
    assert!(store.claim("w", LONG).await.unwrap().is_none());
    let later = submitted(&store, "1").await;
    for id in [other, later] {
        let row = row(&store, &id).await;
        let expected = Some((Verdict::Verified, Reason::Judged));
        assert_eq!(row.ended(), expected);
        assert_eq!(row.folder.unwrap(), "folder/1");
    }
}

async fn an_undecided_result_is_not_shared(store: Store) {
    submitted(&store, "1").await;
    let lease = claimed(&store, LONG).await.lease;
    let outcome = Outcome {
        verdict: Verdict::Undecided,
        ..verified("r")
    };
    store.finish(&lease, &outcome).await.unwrap();
    let again = submitted(&store, "1").await;
    assert_eq!(claimed(&store, LONG).await.lease.id, again);
}

async fn reports_that_disagree_raise_the_alarm(store: Store) {
    let first = submitted(&store, "1").await;
    let late = claimed(&store, OVER).await.lease;
    let kept = claimed(&store, LONG).await.lease;
    store.finish(&kept, &verified("r")).await.unwrap();
    assert_eq!(
        store.finish(&late, &verified("r")).await.unwrap(),
        Ended::Lost
    );
    assert_eq!(alarms(&store).await, 0);
    store.finish(&late, &verified("another")).await.unwrap();
    assert_eq!(alarms(&store).await, 1);
    assert_eq!(
        end(&store, &first).await,
        Some((Verdict::Verified, Reason::Judged))
    );
    // From now on nothing about this content is believed.
    let again = submitted(&store, "1").await;
    let lease: Lease = claimed(&store, LONG).await.lease;
    let ended = store.finish(&lease, &verified("r")).await.unwrap();
    assert_eq!(ended, Ended::With(Verdict::Undecided));
    assert_eq!(
        end(&store, &again).await,
        Some((Verdict::Undecided, Reason::ReportsDisagree))
    );
}

async fn a_full_queue_takes_nothing(store: Store) {
    let limits = Limits {
        queued: 2,
        of_owner: 1,
    };
    submitted(&store, "1").await;
    let refused = store
        .submit(&spec("2"), "me", limits, &Besides::default())
        .await
        .unwrap();
    assert_eq!(refused, Submitted::OwnerFull);
    store
        .submit(&spec("2"), "other", limits, &Besides::default())
        .await
        .unwrap();
    let refused = store
        .submit(&spec("3"), "third", limits, &Besides::default())
        .await
        .unwrap();
    assert_eq!(refused, Submitted::QueueFull);
}

async fn a_name_is_one_body_and_one_job(store: Store) {
    let named = |body: &str| Named {
        key: "k".to_owned(),
        body: body.to_owned(),
    };
    let [one, two] = ["1", "2"].map(named);
    let submit = async |content: &str, owner: &str, named: &Named| {
        let spec = spec(content);
        store
            .submit(&spec, owner, LIMITS, &besides(named))
            .await
            .unwrap()
    };
    let Submitted::New(id) = submit("1", "me", &one).await else {
        panic!("it is new")
    };
    // Whatever else changed: also where the inputs are bound anew, and after the end of the job.
    let existing = Submitted::Existing(id.clone());
    assert_eq!(submit("1 changed", "me", &one).await, existing);
    store.cancel(&id).await.unwrap();
    assert_eq!(submit("1", "me", &one).await, existing);
    assert_eq!(submit("2", "me", &two).await, Submitted::NameTaken);
    assert!(matches!(
        submit("1", "other", &one).await,
        Submitted::New(_)
    ));
    store.forget(-1000).await.unwrap();
    assert!(matches!(submit("2", "me", &two).await, Submitted::New(_)));
}

async fn a_name_sent_ten_times_at_once_is_one_job(store: Store) {
    let submissions = (0..10).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let named = Named {
                key: "k".to_owned(),
                body: "b".to_owned(),
            };
            let spec = spec(&format!("{number}"));
            store
                .submit(&spec, "me", LIMITS, &besides(&named))
                .await
                .unwrap()
        })
    });
    let mut ids = Vec::new();
    for submission in submissions.collect::<Vec<_>>() {
        match submission.await.unwrap() {
            Submitted::New(id) | Submitted::Existing(id) => ids.push(id),
            other => panic!("{other:?}"),
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(store.depth().await.unwrap().queued, 1);
}

async fn an_equal_job_of_a_named_one_keeps_its_name(store: Store) {
    let id = submitted(&store, "1").await;
    let named = Named {
        key: "k".to_owned(),
        body: "b".to_owned(),
    };
    for content in ["1", "another"] {
        let (spec, besides) = (spec(content), besides(&named));
        let again = store.submit(&spec, "me", LIMITS, &besides);
        assert_eq!(again.await.unwrap(), Submitted::Existing(id.clone()));
    }
}

async fn a_webhook_is_told_once_after_the_end(store: Store) {
    let tell = |url: &str| Besides {
        named: None,
        webhook: Some(url.to_owned()),
    };
    let [one, two] = ["http://one", "http://two"].map(tell);
    let id = submitted(&store, "1").await;
    // The equal job answers for all, and each address is told once.
    for besides in [&one, &two, &two] {
        let again = store.submit(&spec("1"), "me", LIMITS, besides).await;
        assert_eq!(again.unwrap(), Submitted::Existing(id.clone()));
    }
    assert!(store.claim_delivery(60_000).await.unwrap().is_none());
    store.cancel(&id).await.unwrap();
    let first = store.claim_delivery(60_000).await.unwrap().unwrap();
    let second = store.claim_delivery(60_000).await.unwrap().unwrap();
    assert_eq!((&*first.url, &*second.url), ("http://one", "http://two"));
    assert!(store.claim_delivery(60_000).await.unwrap().is_none());
    store.sent(&first, Sent::Delivered, "204").await.unwrap();
    // It is over at once, and the next attempt is the one that counts.
    store.sent(&second, Sent::Again(-1), "500").await.unwrap();
    let again = store.claim_delivery(60_000).await.unwrap().unwrap();
    assert_eq!((again.id.as_str(), again.attempt), (&*second.id, 2));
    store.sent(&second, Sent::Delivered, "late").await.unwrap();
    let told = store.deliveries(&id).await.unwrap();
    assert_eq!(told.last().unwrap().state, "waiting");
    // Nobody was told yet: the job is kept as long as that takes.
    store.forget(-1000).await.unwrap();
    assert_eq!(store.deliveries(&id).await.unwrap().len(), 2);
    store.sent(&again, Sent::GivenUp, "404").await.unwrap();
    assert!(store.claim_delivery(60_000).await.unwrap().is_none());
    let told = store.deliveries(&id).await.unwrap();
    let told = told
        .iter()
        .map(|told| (&*told.state, told.answer.as_deref()));
    assert!(told.eq([("delivered", Some("204")), ("failed", Some("404"))]));
    store.forget(-1000).await.unwrap();
    assert_eq!(store.deliveries(&id).await.unwrap(), []);
}

async fn one_process_of_all_has_the_turn(store: Store) {
    assert!(store.is_turn("a", 1_000_000).await.unwrap());
    assert!(!store.is_turn("a", 1_000_000).await.unwrap());
    assert!(store.is_turn("b", 1_000_000).await.unwrap());
    assert!(store.is_turn("a", -1000).await.unwrap());
}

async fn a_worker_that_holds_a_job_is_heard_of(store: Store) {
    assert_eq!(store.workers().await.unwrap(), 0);
    assert!(store.claim("w", LONG).await.unwrap().is_none());
    assert_eq!(store.workers().await.unwrap(), 1);
    submitted(&store, "1").await;
    let lease = claimed(&store, LONG).await.lease;
    assert_eq!(store.workers().await.unwrap(), 1);
    // It asked for no job for so long that its name is forgotten.
    store.forget(-1000).await.unwrap();
    assert_eq!(store.workers().await.unwrap(), 1);
    let undecided = Outcome::undecided(Reason::NotDone);
    store.finish(&lease, &undecided).await.unwrap();
    assert_eq!(store.workers().await.unwrap(), 0);
}

/// Each clause, once for each database.
macro_rules! contract {
    ($($clause:ident)*) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $clause() {
                    let folder = tempfile::tempdir().unwrap();
                    super::$clause(super::sqlite(folder.path()).await).await;
                }
            )*
        }

        #[needs::command("ls /usr/lib/postgresql/*/bin/initdb")]
        #[test]
        fn the_contract_holds_on_postgres() {
            let server = postgres::Server::start();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            $(
                println!("{}", stringify!($clause));
                runtime.block_on(async {
                    $clause(server.store(stringify!($clause)).await).await;
                });
            )*
        }
    };
}

async fn sqlite(folder: &Path) -> Store {
    Store::sqlite(&folder.join("queue.sqlite")).await.unwrap()
}

use room::*;
use uploads::*;

contract! {
    a_job_is_claimed_once_and_oldest_first
    two_claims_at_once_get_two_jobs
    a_job_of_a_silent_worker_goes_to_another
    a_heartbeat_keeps_a_job
    a_lease_of_a_clock_that_was_set_back_is_over
    a_job_ends_in_exactly_one_verdict
    a_job_that_kills_its_workers_is_undecided
    a_job_that_is_put_back_by_a_stop_loses_no_try
    a_job_that_waits_is_cancelled_at_once
    the_worker_of_a_cancelled_job_is_told
    what_lies_where_the_job_says_is_not_cancelled
    a_folder_of_another_database_is_refused
    a_cancelled_job_of_a_dead_worker_is_not_begun_again
    equal_jobs_share_one_result
    an_undecided_result_is_not_shared
    reports_that_disagree_raise_the_alarm
    a_full_queue_takes_nothing
    a_name_is_one_body_and_one_job
    a_name_sent_ten_times_at_once_is_one_job
    an_equal_job_of_a_named_one_keeps_its_name
    a_webhook_is_told_once_after_the_end
    one_process_of_all_has_the_turn
    a_worker_that_holds_a_job_is_heard_of
    a_job_that_writes_waits_for_the_room_of_others
    an_upload_in_progress_is_not_forgotten
    an_upload_that_cannot_be_removed_is_not_forgotten
    an_upload_of_a_job_that_is_not_done_is_used
}
