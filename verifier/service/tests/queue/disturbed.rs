//! A server of PostgreSQL that does not do what it should.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::postgres::Server;
use super::*;

/// A connection that holds the table of jobs until it ends.
struct Locked(Child);

impl Locked {
    fn new(server: &Server, name: &str) -> Self {
        let mut psql = server.psql(name, "BEGIN");
        psql.args(["-c", "LOCK TABLE jobs", "-c", "SELECT 'locked'"]);
        // It waits for more to do.
        psql.args(["-f", "-"]).stdin(Stdio::piped());
        let mut child = psql.stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        assert!(said.lines().any(|line| line.unwrap() == "locked"));
        Self(child)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Processes of the server that stand still until the end of the test.
struct Stopped(Vec<String>);

impl Stopped {
    fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).args(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

fn said(mut command: Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

const OTHERS: &str =
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[needs::command("ls /usr/lib/postgresql/*/bin/initdb")]
#[test]
fn servers_that_begin_at_once_share_an_empty_database() {
    let server = Server::start();
    let url = server.database("empty");
    Runtime::new().unwrap().block_on(async {
        let mut stores = JoinSet::new();
        for _ in 0..8 {
            let url = url.clone();
            stores.spawn(async move { Store::postgres(&url).await.unwrap() });
        }
        for store in stores.join_all().await {
            store.depth().await.unwrap();
        }
    });
}

#[needs::command("ls /usr/lib/postgresql/*/bin/initdb")]
#[test]
fn a_connection_that_is_lost_doubles_no_claim() {
    let server = Server::start();
    Runtime::new().unwrap().block_on(async {
        let store = server.store("lost").await;
        for number in 0..60 {
            submitted(&store, &number.to_string()).await;
        }
        let mut claims = JoinSet::new();
        // More at once than there are connections.
        for _ in 0..60 {
            let store = store.clone();
            claims.spawn(async move { store.claim("w", LONG).await.ok().flatten() });
        }
        for _ in 0..5 {
            said(server.psql(
                "lost",
                &format!("SELECT pg_terminate_backend(pid) {OTHERS}"),
            ));
        }
        let claimed = claims.join_all().await.into_iter().flatten();
        let mut ids: Vec<String> = claimed.map(|claimed| claimed.lease.id).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
        // What was claimed without an answer is given again once its lease is over.
        let depth = store.depth().await.unwrap();
        assert_eq!(depth.queued + depth.running, 60);
        assert!(depth.running >= i64::try_from(count).unwrap());
        assert!(store.claim("w", LONG).await.unwrap().is_some() || depth.queued == 0);
    });
}

#[needs::command("ls /usr/lib/postgresql/*/bin/initdb")]
#[test]
fn a_statement_that_is_cut_off_is_an_error_and_no_more() {
    let server = Server::start();
    Runtime::new().unwrap().block_on(async {
        let url = server.database("slow");
        said(server.psql("slow", "ALTER DATABASE slow SET statement_timeout = '1s'"));
        let store = Store::postgres(&url).await.unwrap();
        let id = submitted(&store, "1").await;
        let locked = Locked::new(&server, "slow");
        store.claim("w", LONG).await.unwrap_err();
        store.cancel(&id).await.unwrap_err();
        drop(locked);
        assert_eq!(claimed(&store, LONG).await.lease.id, id);
    });
}

#[needs::command("ls /usr/lib/postgresql/*/bin/initdb")]
#[test]
fn connections_that_fall_silent_give_their_places_back() {
    let server = Server::start();
    Runtime::new().unwrap().block_on(async {
        let store = server.store("silent").await;
        let id = submitted(&store, "1").await;
        let locked = Locked::new(&server, "silent");
        let mut claims = JoinSet::new();
        for _ in 0..8 {
            let store = store.clone();
            claims.spawn(async move { store.claim("w", LONG).await });
        }
        // All of them wait for the lock, and are never heard of again.
        let waiting = format!("SELECT pid {OTHERS} AND wait_event_type = 'Lock'");
        let mut pids = Vec::new();
        while pids.len() < 8 {
            let said = said(server.psql("silent", &waiting));
            pids = said.lines().map(str::to_owned).collect();
        }
        let stopped = Stopped(pids);
        stopped.signal("-STOP");
        claims.shutdown().await;
        drop(locked);
        let again = timeout(Duration::from_secs(60), claimed(&store, LONG)).await;
        assert_eq!(again.unwrap().lease.id, id);
    });
}
