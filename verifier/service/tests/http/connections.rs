//! Clients that take their time.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::*;

/// Asks on a connection that is kept; what comes back first.
fn ask_on(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut bytes = [0; 4096];
    let read = stream.read(&mut bytes)?;
    Ok(String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned())
}

#[test]
fn a_connection_is_kept_for_longer_than_a_head_may_take() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "request_seconds = 1\n");
    let mut kept = TcpStream::connect(address).unwrap();
    kept.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    assert!(ask_on(&mut kept).unwrap().starts_with("HTTP/1.1 200"));
    // This one is cut off, and would be later than the other.
    assert_eq!(half(address).read(&mut [0]).unwrap(), 0);
    assert!(ask_on(&mut kept).unwrap().starts_with("HTTP/1.1 200"));

    let folder = tempfile::tempdir().unwrap();
    let lines = "request_seconds = 1\nidle_seconds = 1\n";
    let mut kept = TcpStream::connect(serve(folder.path(), lines)).unwrap();
    kept.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    assert!(ask_on(&mut kept).unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(kept.read(&mut [0]).unwrap(), 0);
}

/// Half of a head; what comes back is not waited for without end.
fn half(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").unwrap();
    stream
}

#[test]
fn a_head_that_does_not_end_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "request_seconds = 1\n");
    let mut silent = TcpStream::connect(address).unwrap();
    silent
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    for stream in [&mut half(address), &mut silent] {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn a_connection_too_many_waits_for_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "request_seconds = 1\nmax_connections = 1\n";
    let address = serve(folder.path(), lines);
    let mut first = half(address);
    assert_eq!(ask(address, "GET", "/healthz", &[], b"").status, 200);
    // Which came only after the first was cut off.
    first.set_nonblocking(true).unwrap();
    let error = first.read(&mut [0]).err().map(|error| error.kind());
    assert_ne!(error, Some(ErrorKind::WouldBlock));
}

#[test]
fn a_body_that_does_not_come_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "request_seconds = 1\n");
    let json = ["Content-Type: application/json"];
    let mut stream = client::open(&address.to_string(), "POST", "/v1/jobs", &json, 100).unwrap();
    stream.write_all(b"{").unwrap();
    let refused = client::reply(stream).unwrap();
    assert_eq!(refused.code(), (408, "body-incomplete".to_owned()));
}
