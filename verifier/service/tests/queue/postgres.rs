//! A server of PostgreSQL for one test, in a folder of its own, which ends with it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use service::store::Store;

pub(crate) struct Server {
    folder: tempfile::TempDir,
    process: Child,
}

impl Server {
    /// Starts one; Debian's programs lie beside each other in a folder of their version.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(path));
        }
        run(program("initdb")
            .args(["--no-sync", "--auth=trust", "--username=postgres", "-D"])
            .arg(path.join("data"))
            .stdout(Stdio::null()));
        let mut process = program("postgres")
            .arg("-D")
            .arg(path.join("data"))
            .arg("-k")
            .arg(path)
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("ready to accept connections") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended");
        }
        // Somebody has to read what it says, else it waits.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { folder, process }
    }

    /// A store in an empty database.
    pub(crate) async fn store(&self, name: &str) -> Store {
        Store::postgres(&self.database(name)).await.unwrap()
    }

    /// Where an empty database is.
    pub(crate) fn database(&self, name: &str) -> String {
        run(program("createdb")
            .arg("-h")
            .arg(self.folder.path())
            .args(["-U", "postgres", name]));
        let host = self.folder.path().display();
        format!("postgres:///{name}?host={host}&user=postgres")
    }

    /// The program that runs these statements, and prints the last answer bare.
    pub(crate) fn psql(&self, name: &str, statements: &str) -> Command {
        let mut command = program("psql");
        command
            .arg("-h")
            .arg(self.folder.path())
            .args(["-U", "postgres", "-qtA", "-d", name, "-c", statements]);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A program of the newest version, as a user that the server accepts.
fn program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let paths = versions.map(|entry| entry.unwrap().path().join("bin").join(name));
    let path: PathBuf = paths.max().unwrap();
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ])
        .arg(path);
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_with_the_reason() {
    let refused = Store::postgres("postgres://u:secret@127.0.0.1:1/x").await;
    let said = refused.unwrap_err().to_string();
    assert!(
        said.starts_with("the database at 127.0.0.1:1 does not answer: Connection refused"),
        "{said}"
    );
}
