//! The worker: claims jobs, runs each as a child, and gives it its verdict.

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Child;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tracing::{error, info, warn};

use crate::child::{Folder, Seen, changed};
use crate::config::Config;
use crate::job::{Outcome, Reason, Spec, Verdict};
use crate::retention;
use crate::roots::Roots;
use crate::store::queue::{Claimed, Ended, Failure, JobQueue as _, Lease, Order, Terms};
use crate::store::{Store, StoreError};
use crate::webhooks::{send_all, senders};

/// How long a worker that found nothing waits, unless it is woken.
const IDLE: Duration = Duration::from_millis(500);
/// How long a database may be busy.
const PATIENCE: Duration = Duration::from_secs(40);
/// How often progress is written down.
const BEAT: Duration = Duration::from_secs(1);
/// What is kept of what a program says.
const SAID: usize = 4096;

/// What a worker needs.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) config: Arc<Config>,
    pub(crate) roots: Arc<Roots>,
    pub(crate) store: Store,
    /// The program that does the jobs.
    pub(crate) program: PathBuf,
    /// Wakes it when a job arrives.
    pub(crate) wake: Arc<Notify>,
    /// True once the process is to end.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Why a child was ended.
enum End {
    /// We ended it for this reason.
    Killed(Reason),
    /// The process is being stopped.
    Stopped,
    /// Another worker has the job.
    Lost,
}

impl Worker {
    /// Works until the process is to end.
    pub(crate) async fn run(self) {
        let name = format!("{}-{}", host(), std::process::id());
        let mut tasks = JoinSet::new();
        tasks.spawn(retention::forget_hourly(self.clone()));
        for number in 0..self.config.jobs {
            tasks.spawn(self.clone().claim_all(format!("{name}-{number}")));
        }
        for _ in 0..senders(&self.config.webhooks) {
            tasks.spawn(send_all(self.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn claim_all(mut self, name: String) {
        let mut is_full = false;
        while !*self.stop.borrow() {
            let claimed = match self.config.room() {
                Ok(room) if room >= 0.0 => {
                    is_full = false;
                    let terms = Terms {
                        room,
                        ..self.terms()
                    };
                    self.answered(self.store.claim(&name, terms)).await
                }
                Ok(room) => {
                    if !is_full {
                        warn!(room, "the disk has no room: jobs wait (`min_free_disk`)");
                    }
                    is_full = true;
                    let heard = self.store.heard_of(&name);
                    self.answered(heard).await.map(|()| None)
                }
                Err(error) => {
                    error!(%error, "the free space of the disk cannot be read");
                    Ok(None)
                }
            };
            match claimed {
                Ok(Some(job)) => {
                    let id = job.lease.id.clone();
                    if let Err(error) = self.work(&job).await {
                        error!(job = id, %error, "the job is left to its lease");
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => warn!(%error, "no job can be claimed"),
            }
            tokio::select! {
                () = sleep(IDLE) => {}
                () = self.wake.notified() => {}
                _ = self.stop.changed() => {}
            }
        }
    }

    /// What the database answers while there is hope: longer than it waits for a lock, and than a lease lasts.
    pub(crate) async fn answered<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let lease = Duration::from_secs(self.config.lease_seconds.into());
        Store::within(lease.max(PATIENCE), work).await
    }

    fn terms(&self) -> Terms {
        Terms {
            lease: i64::from(self.config.lease_seconds).saturating_mul(1000),
            tries: i64::from(self.config.tries),
            room: 0.0,
        }
    }

    async fn work(&mut self, job: &Claimed) -> Result<(), StoreError> {
        let Claimed { lease, spec } = job;
        info!(job = lease.id, attempt = lease.attempt, op = %spec.op, "begun");
        let outcome = match self.outcome(lease, spec).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => return Ok(()),
            Err(error) => {
                warn!(job = lease.id, %error, "could not be begun and is put back");
                self.answered(self.store.fail(lease, Failure::NotBegun))
                    .await?;
                sleep(BEAT).await;
                return Ok(());
            }
        };
        // A database that restarts must not cost a result.
        let mut ended = self.answered(self.store.finish(lease, &outcome)).await;
        for _ in 0..self.config.lease_seconds {
            let Err(error) = &ended else { break };
            warn!(job = lease.id, %error, "the verdict cannot be written yet");
            sleep(BEAT).await;
            ended = self.answered(self.store.finish(lease, &outcome)).await;
        }
        match ended? {
            Ended::With(verdict) => {
                info!(job = lease.id, %verdict, reason = %outcome.reason, "ended");
            }
            Ended::Lost => warn!(job = lease.id, "another worker has the job"),
        }
        Ok(())
    }

    /// What the job ends with; none where it was put back or lost.
    async fn outcome(&mut self, lease: &Lease, spec: &Spec) -> io::Result<Option<Outcome>> {
        let needed = self.answered(self.store.writes(&lease.id)).await;
        let needed = needed.map_err(io::Error::other)?;
        // PostgreSQL lets two workers claim at once, neither of which sees the other: the older job goes first.
        let reserved = self.answered(self.store.reserved(Some(&lease.id))).await;
        let reserved = reserved.map_err(io::Error::other)?;
        let room = self.config.room()?;
        if needed > 0.0 && reserved > 0.0 && room < needed + reserved {
            let put_back = self.put_back(lease, "the disk has no room now").await;
            sleep(BEAT).await;
            return put_back;
        }
        if room < needed {
            return Ok(Some(Outcome {
                message: Some("the disk has no room for what the job would write".to_owned()),
                ..Outcome::undecided(Reason::NotDone)
            }));
        }
        if let Some(file) = changed(&self.roots, spec) {
            return Ok(Some(input_changed(&file.name)));
        }
        let name = format!("{}/{}", lease.id, lease.attempt);
        let folder = Folder::make(&self.config, &self.roots, name, spec)?;
        let outcome = match self.judged(&folder, lease, spec).await? {
            Ok((outcome, seen)) => {
                if let Some(file) = changed(&self.roots, spec) {
                    input_changed(&file.name)
                } else {
                    let saw = self.store.saw(&lease.id, &seen.files, &seen.origins);
                    if let Err(error) = self.answered(saw).await {
                        warn!(job = lease.id, %error, "the digests of its files are not kept");
                    }
                    outcome
                }
            }
            Err(End::Killed(reason)) => Outcome::undecided(reason),
            Err(End::Stopped) => return self.put_back(lease, "the service stops").await,
            Err(End::Lost) => return Ok(None),
        };
        folder.tidy(spec)?;
        Ok(Some(outcome))
    }

    async fn put_back(&self, lease: &Lease, why: &str) -> io::Result<Option<Outcome>> {
        info!(job = lease.id, "put back: {why}");
        let put_back = self.answered(self.store.fail(lease, Failure::NotNow)).await;
        put_back.map_err(io::Error::other)?;
        Ok(None)
    }

    /// What the program says of the job, and whether what it wrote is where the job says.
    async fn judged(
        &mut self,
        folder: &Folder,
        lease: &Lease,
        spec: &Spec,
    ) -> io::Result<Result<(Outcome, Seen), End>> {
        let child = folder.start(&self.config, &self.program, spec)?;
        let (mut outcome, seen) = match self.run_child(child, lease).await? {
            Ok((status, said)) => folder.outcome(spec.op, status, &said),
            Err(end) => return Ok(Err(end)),
        };
        if let (Verdict::Verified, Some(output)) = (outcome.verdict, &spec.output) {
            let beat = self.store.heartbeat(lease, self.terms(), None);
            match self.answered(beat).await.map_err(io::Error::other)? {
                Order::GoOn => {}
                Order::Cancel => return Ok(Err(End::Killed(Reason::Cancelled))),
                Order::Lost => return Ok(Err(End::Lost)),
            }
            let child = folder.publish(&self.config, &self.program, spec, output)?;
            match self.run_child(child, lease).await? {
                Ok((status, _)) if status.success() => outcome.is_put = true,
                Ok((_, said)) => {
                    outcome.verdict = Verdict::Undecided;
                    outcome.reason = Reason::NotWritten;
                    outcome.message = Some(said);
                }
                Err(end) => return Ok(Err(end)),
            }
        }
        Ok(Ok((outcome, seen)))
    }

    /// Runs a child to its end: how it ended by itself, and what it said besides progress.
    async fn run_child(
        &mut self,
        mut child: Child,
        lease: &Lease,
    ) -> io::Result<Result<(ExitStatus, String), End>> {
        let (progress, latest) = watch::channel(None);
        let said = child
            .stderr
            .take()
            .map(|stderr| tokio::spawn(listen(stderr, progress)));
        let end = self.supervise(&mut child, lease, latest).await?;
        let said = match said {
            Some(said) => said.await.map_err(io::Error::other)?,
            None => String::new(),
        };
        Ok(end.map(|status| (status, said)))
    }

    /// Waits for a child, tells the queue how far it is, and ends it where that is called for.
    async fn supervise(
        &mut self,
        child: &mut Child,
        lease: &Lease,
        latest: watch::Receiver<Option<String>>,
    ) -> io::Result<Result<ExitStatus, End>> {
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let grace = Duration::from_secs(self.config.grace_seconds);
        let mut wall = pin!(sleep(Duration::from_secs(self.config.wall_seconds)));
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = None;
        let end = loop {
            tokio::select! {
                status = child.wait() => return Ok(Ok(status?)),
                () = &mut wall => break End::Killed(Reason::OutOfTime),
                _ = self.stop.changed(), if stopping.is_none() => {
                    let now = Instant::now();
                    stopping = now.checked_add(grace).or(Some(now));
                }
                () = until(stopping), if stopping.is_some() => break End::Stopped,
                _ = beats.tick() => {
                    let progress = latest.borrow().clone();
                    let beat = self.store.heartbeat(lease, self.terms(), progress.as_deref());
                    match self.answered(beat).await {
                        Ok(Order::GoOn) => {}
                        Ok(Order::Cancel) => break End::Killed(Reason::Cancelled),
                        Ok(Order::Lost) => break End::Lost,
                        // The lease decides: who can write again first has the job.
                        Err(error) => warn!(job = lease.id, %error, "no sign of life can be given"),
                    }
                }
            }
        };
        if let Some(group) = group {
            // It may have ended just now.
            let _gone = kill_process_group(group, Signal::KILL);
        }
        child.wait().await?;
        Ok(Err(end))
    }
}

fn input_changed(name: &str) -> Outcome {
    Outcome {
        message: Some(format!("{name} is not what was submitted")),
        ..Outcome::undecided(Reason::InputChanged)
    }
}

async fn until(instant: Option<Instant>) {
    if let Some(instant) = instant {
        sleep_until(instant).await;
    }
}

/// Reads what a child says: the last line of progress, and the end of everything else.
async fn listen(
    mut stderr: impl AsyncRead + Unpin,
    progress: watch::Sender<Option<String>>,
) -> String {
    let mut said = String::new();
    let mut line = Vec::new();
    let mut buffer = vec![0; 8192];
    loop {
        let count = match stderr.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        for &byte in buffer.iter().take(count) {
            if byte == b'\n' {
                take_line(&line, &progress, &mut said);
                line.clear();
            } else if line.len() < SAID {
                line.push(byte);
            }
        }
    }
    take_line(&line, &progress, &mut said);
    said
}

fn take_line(line: &[u8], progress: &watch::Sender<Option<String>>, said: &mut String) {
    let line = String::from_utf8_lossy(line);
    if line.starts_with("{\"phase\":") {
        progress.send_replace(Some(line.into_owned()));
    } else if !line.trim().is_empty() && said.len().saturating_add(line.len()) < SAID {
        if !said.is_empty() {
            said.push('\n');
        }
        said.push_str(&line);
    }
}

fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
