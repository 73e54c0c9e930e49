//! Clients that send too much, and a disk with too little: refused in good order, never a dead node.
//!
//! `LOGMESH_INTAKE_MIB=1024` makes the memory test the long run. The test of a full disk needs root, for a small tmpfs.

#![expect(clippy::unwrap_used, reason = "all of this file is tests, not only the functions so marked")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::{
    Client, LATE, Mesh, Protocol, Record, SOON, count, eventually, find_all, is_root, one_at_a_time, records,
    size_from_env, skip,
};

#[test]
fn a_request_of_a_gibibyte_gets_a_413() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    for chunked in [false, true] {
        let answer = send_gibibyte(mesh.nodes[0].plan.http, chunked);
        assert!(answer.starts_with("HTTP/1.1 413"), "chunked {chunked}: {answer}");
    }
    let high = mesh.nodes[0].memory("VmHWM");
    assert!(high < MEMORY_BYTES_MAX, "{} MiB at most", high >> 20);
    Protocol::LokiJson.push_well(&mesh.client(0), "kept", &records(1));
    assert_eq!(count(&mesh.client(0), KEPT), 1);
}

#[test]
fn a_small_body_that_unpacks_to_a_large_one_gets_a_413() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let piece = vec![b' '; 1 << 20];
    (0..1024).for_each(|_| gzip.write_all(&piece).unwrap());
    let body = gzip.finish().unwrap();
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    for path in ["/loki/api/v1/push", "/otlp/v1/logs", "/logmesh/v1/lines?app=x"] {
        let reply = mesh.client(0).post(path, &headers, &body).unwrap();
        assert_eq!(reply.status, 413, "{path}: {}", reply.text());
    }
    // Snappy says its length at the front: 4 GiB - 1, and nothing behind it.
    let lie = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
    let reply = mesh.client(0).post("/loki/api/v1/push", &[("content-type", "application/x-protobuf")], &lie).unwrap();
    assert!([400, 413].contains(&reply.status), "{} {}", reply.status, reply.text());
    let high = mesh.nodes[0].memory("VmHWM");
    assert!(high < MEMORY_BYTES_MAX, "{} MiB at most", high >> 20);
}

#[test]
fn memory_does_not_grow_with_what_is_taken_in() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let wanted = size_from_env("LOGMESH_INTAKE_MIB", 128) << 20;
    let mut taken = 0;
    std::thread::scope(|scope| {
        let pushers: Vec<_> = (0..4)
            .map(|number| {
                scope.spawn({
                    let client = mesh.client(0);
                    move || push_bytes(&client, &format!("intake-{number}"), wanted / 4)
                })
            })
            .collect();
        taken = pushers.into_iter().map(|pusher| pusher.join().expect("all pushes are taken")).sum::<u64>();
    });
    assert_eq!(count(&mesh.client(0), r#"{app=~"intake-.*"}"#), taken);
    let high = mesh.nodes[0].memory("VmHWM");
    println!("{} MiB of lines taken, {} MiB of memory at most", wanted >> 20, high >> 20);
    assert!(high < MEMORY_BYTES_MAX, "{} MiB at most", high >> 20);
}

#[test]
fn large_pushes_at_the_same_time_wait_or_are_told_to() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let line = "a line that packs well, since it is always the same but for what follows ".repeat(2);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..LARGE_PUSH_RECORDS).for_each(|number| writeln!(gzip, "{line}{number}").unwrap());
    let body = gzip.finish().unwrap();
    let told_to_wait = AtomicU64::new(0);
    let push = || {
        let headers = [("content-encoding", "gzip")];
        let reply = mesh.client(0).post("/logmesh/v1/lines?app=kept", &headers, &body).unwrap();
        assert!([204, 429, 503].contains(&reply.status), "{} {}", reply.status, reply.text());
        if reply.status == 204 {
            return Some(());
        }
        assert!(reply.header("retry-after").is_some(), "{}", reply.text());
        told_to_wait.fetch_add(1, Ordering::Relaxed);
        None
    };
    std::thread::scope(|scope| {
        for _ in 0..LARGE_PUSHES {
            scope.spawn(|| eventually(LATE, "a large push is taken in the end", push));
        }
    });
    let high = mesh.nodes[0].memory("VmHWM");
    println!(
        "{LARGE_PUSHES} pushes of {} MiB, told to wait {} times, {} MiB of memory at most",
        (LARGE_PUSH_RECORDS * 150) >> 20,
        told_to_wait.into_inner(),
        high >> 20
    );
    assert_eq!(count(&mesh.client(0), KEPT), LARGE_PUSHES * LARGE_PUSH_RECORDS);
    assert!(high < MEMORY_BYTES_MAX, "{} MiB at most", high >> 20);
}

#[test]
fn a_full_disk_refuses_pushes_serves_reads_and_recovers() {
    let _turn = one_at_a_time();
    let directory = tempfile::tempdir().unwrap();
    let disk = match SmallDisk::mount(directory.path()) {
        Ok(disk) => disk,
        Err(why) => return skip(&why),
    };
    let mesh = Mesh::start(0, &[]);
    let mut plan = mesh.plan("a").set("LOGMESH_STORE_DISK_RESERVE", "16MiB");
    plan.data = disk.0.join("data");
    let mut node = plan.start();
    node.wait_ready();
    let kept = records(100);
    Protocol::LokiJson.push_well(&node.client(), "kept", &kept);

    let ballast = disk.0.join("ballast");
    disk.fill_but(&ballast, 8 << 20);
    let reply = eventually(SOON, "a push is refused", || {
        let reply = Protocol::LokiJson.push(&node.client(), "more", &records(1), "").unwrap();
        (reply.status != 204).then_some(reply)
    });
    assert_eq!(reply.status, 507, "{}", reply.text());
    assert!(reply.header("retry-after").is_some());
    assert_eq!(node.client().json("/logmesh/v1/status")["disk"]["state"], "full");
    find_all(&node.client(), KEPT).assert_has(lines(&kept));

    fs::remove_file(&ballast).unwrap();
    eventually(LATE, "pushes are taken again", || {
        let reply = Protocol::LokiJson.push(&node.client(), "kept", &records(1), "").unwrap();
        (reply.status == 204).then_some(())
    });
    node.kill9();
    node.restart();
    find_all(&node.client(), KEPT).assert_has(lines(&kept));
    node.assert_no_panic();
}

/// A tmpfs of 128 MiB, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(beneath: &Path) -> Result<Self, String> {
        if !is_root() {
            return Err("a small tmpfs needs root".to_owned());
        }
        let path = beneath.join("disk");
        fs::create_dir(&path).map_err(|error| error.to_string())?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=128m", "tmpfs"]).arg(&path).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self(path)),
            Ok(output) => Err(format!("mount: {}", String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => Err(format!("mount: {error}")),
        }
    }

    /// Fills it with one file until only `left` bytes are free.
    fn fill_but(&self, file: &Path, left: u64) {
        let output = Command::new("df").args(["--output=avail", "-B1"]).arg(&self.0).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let free: u64 = text.lines().nth(1).and_then(|line| line.trim().parse().ok()).expect("df tells what is free");
        let mut file = fs::File::create(file).unwrap();
        std::io::copy(&mut std::io::repeat(1).take(free.saturating_sub(left)), &mut file).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the node may be ending yet.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Sends a gibibyte to the push route as fast as it is taken. Returns the first bytes of the answer.
fn send_gibibyte(address: std::net::SocketAddr, chunked: bool) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", 1 << 30) };
    let head =
        format!("POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..1024 {
        let framed = if chunked { [b"100000\r\n", piece.as_slice(), b"\r\n"].concat() } else { piece.clone() };
        // A node may answer and close before all is sent; the answer counts.
        if stream.write_all(&framed).is_err() {
            break;
        }
    }
    let mut answer = vec![0; 64];
    let length = stream.read(&mut answer).unwrap_or(0);
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// Pushes about so many bytes of lines, 1 MiB a request. Returns how many records that were.
fn push_bytes(client: &Client, app: &str, bytes: u64) -> u64 {
    let (mut pushed, mut taken) = (0, 0);
    while pushed < bytes {
        let some = records(PUSH_RECORDS);
        pushed += some.iter().map(|record| record.line.len() as u64).sum::<u64>();
        let reply = Protocol::LokiProtobuf.push(client, app, &some, "").unwrap();
        match reply.status {
            204 => taken += some.len() as u64,
            // Being told to wait is in order; being told so for ever is not, and ends in the harness's patience.
            429 | 503 => {
                assert!(reply.header("retry-after").is_some(), "{}", reply.text());
                taken += push_patiently(client, app, &some);
            }
            other => panic!("{other}: {}", reply.text()),
        }
    }
    taken
}

fn push_patiently(client: &Client, app: &str, records: &[Record]) -> u64 {
    eventually(SOON, "a refused push is taken", || {
        let reply = Protocol::LokiProtobuf.push(client, app, records, "").unwrap();
        (reply.status == 204).then_some(records.len() as u64)
    })
}

fn lines(records: &[Record]) -> impl Iterator<Item = &str> {
    records.iter().map(|record| record.line.as_str())
}

const KEPT: &str = r#"{app="kept"}"#;
const MEMORY_BYTES_MAX: u64 = 512 << 20;
const PUSH_RECORDS: usize = 14_000;
/// About 60 MiB of lines, which is under the limit of one push and well over it for eight.
const LARGE_PUSH_RECORDS: u64 = 400_000;
const LARGE_PUSHES: u64 = 8;
