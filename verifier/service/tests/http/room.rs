//! Jobs that write much, on a disk that has not room for all.

use std::process::Command;

use super::*;

/// Files that take no room, each of which a job reads that would write more than half of what is free.
fn models(folder: &Path) {
    let status = rustix::fs::statvfs(folder).unwrap();
    let free = status.f_bavail * status.f_frsize;
    for name in ["one.gguf", "two.gguf"] {
        let path = folder.join(name);
        write(&path, "");
        let file = File::options().write(true).open(path);
        file.unwrap().set_len(free / 10 * 6).unwrap();
    }
}

#[test]
fn a_conversion_waits_for_the_room_of_another() {
    let folder = tempfile::tempdir().unwrap();
    models(folder.path());
    let data = folder.path().join("aprove-data");
    std::fs::create_dir(&data).unwrap();
    let [go, begun] = ["go", "begun"].map(|name| data.join(name));
    let pipe = Command::new("mkfifo").args([&go, &begun]).status();
    assert!(pipe.unwrap().success());
    // A conversion says that it has begun, and waits until it may end; anything else ends at once.
    let script = "case \"$*\" in *' convert '*) echo > ../../../begun; read go < ../../../go;; esac\nexit 3\n";
    let lines = "jobs = 2\nmin_free_disk = 0\n[roots]\nmodels = \".\"\n";
    let address = serve_script(folder.path(), lines, script);
    let submit = |op: &str, name: &str, wait: u32| {
        let job = json!({"op": op, "inputs": [{"path": format!("models/{name}")}]});
        post(address, &format!("/v1/jobs?wait={wait}"), &job).json()
    };
    submit("convert", "one.gguf", 0);
    std::fs::read(&begun).unwrap();
    let second = submit("convert", "two.gguf", 0)["id"].clone();
    let second = format!("/v1/jobs/{}", second.as_str().unwrap());
    // What writes nothing does not wait behind it.
    assert_eq!(submit("check", "one.gguf", 60)["state"], "done");
    let waiting = ask(address, "GET", &second, &[], b"").json();
    assert_eq!(
        (&waiting["state"], &waiting["attempt"]),
        (&json!("queued"), &json!(0))
    );
    write(&go, "\n");
    std::fs::read(&begun).unwrap();
    write(&go, "\n");
    let done = ask(address, "GET", &format!("{second}?wait=60"), &[], b"").json();
    assert_eq!(
        (&done["state"], &done["attempt"]),
        (&json!("done"), &json!(1))
    );
}
