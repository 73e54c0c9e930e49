//! Those who do not belong to the mesh: nodes without its secret or with other settings, and bytes that mean nothing.
//! They see nothing, change nothing, and cost nothing but a counter. And what hinders a node's start is said plainly.

#![expect(clippy::unwrap_used, reason = "all of this file is tests, not only the functions so marked")]

#[allow(dead_code, unused_imports, reason = "each test uses its part of the harness")]
mod harness;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use harness::{
    Client, Mesh, NodePlan, Protocol, SOON, count, eventually, find_all, free_address, one_at_a_time, records,
};

#[test]
fn a_node_without_the_secret_sees_nothing_and_joins_nothing() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let kept = records(10);
    Protocol::LokiJson.push_well(&mesh.client(0), "kept", &kept);
    let other = mesh.directory().join("other");
    fs::write(&other, format!("{}\n", "5a".repeat(32))).unwrap();
    for (name, secret_file) in [("other-secret", Some(other)), ("no-secret", None)] {
        let refused = || mesh.client(0).metric("logmesh_gossip_refused").unwrap();
        let before = refused();
        let mut plan = mesh.plan(name);
        plan.secret_file = secret_file;
        let mut stranger = plan.start();
        eventually(SOON, "the mesh refuses datagrams", || (refused() > before + 3.0).then_some(()));
        stranger.wait_ready();
        Protocol::LokiJson.push_well(&stranger.client(), "strange", &records(1));

        assert_eq!(names(&stranger.client()), [name]);
        assert!(find_all(&stranger.client(), KEPT).lines.is_empty(), "{name} sees the mesh's records");
        for at in 0..2 {
            assert_eq!(names(&mesh.client(at)), ["a", "b"]);
            let found = find_all(&mesh.client(at), KEPT);
            assert!(found.complete && found.lines.len() == 10, "{:?}", found.warnings);
            assert!(find_all(&mesh.client(at), r#"{app="strange"}"#).lines.is_empty());
        }
        stranger.assert_no_panic();
    }
}

#[test]
fn a_node_with_other_mesh_wide_settings_is_refused_with_a_reason() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let stranger = mesh.plan("different").set("LOGMESH_COPIES", "2").start();
    for node in [&mesh.nodes[0], &mesh.nodes[1], &stranger] {
        eventually(SOON, "the log says that settings differ", || {
            node.log().lines().any(|line| line.contains("ERROR") && line.contains("settings")).then_some(())
        });
    }
    assert_eq!(mesh.client(0).metric("logmesh_peers_refused_settings"), Some(1.0));
    assert_eq!(names(&mesh.client(0)), ["a", "b"]);
    assert_eq!(names(&stranger.client()), ["different"]);
    stranger.assert_no_panic();
}

#[test]
fn garbage_on_every_port_changes_nothing() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(2, &[]);
    let kept = records(10);
    Protocol::LokiJson.push_well(&mesh.client(0), "kept", &kept);
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let node = &mesh.nodes[0];
    let refused = |name| mesh.client(0).metric(name).unwrap();
    let refused_before = refused("logmesh_gossip_refused");
    // The first rounds fill caches and arenas; what must not grow is what comes after.
    (0..GARBAGE_ROUNDS).for_each(|_| send_garbage(node.plan.http, node.plan.mesh, &mut noise));
    let resident = node.memory("VmRSS");
    (0..3 * GARBAGE_ROUNDS).for_each(|_| send_garbage(node.plan.http, node.plan.mesh, &mut noise));
    let grown = node.memory("VmRSS").saturating_sub(resident);
    println!("grown by {} KiB of {} KiB", grown >> 10, resident >> 10);
    assert!(grown < GROWTH_BYTES_MAX, "grown by {} KiB", grown >> 10);
    assert!(refused("logmesh_gossip_refused") > refused_before, "datagrams are counted");
    assert!(refused("logmesh_net_refused") > 0.0, "connections are counted");
    for at in 0..2 {
        assert_eq!(names(&mesh.client(at)), ["a", "b"]);
        let found = find_all(&mesh.client(at), KEPT);
        assert!(found.complete && found.lines.len() == 10, "{:?}", found.warnings);
        assert_eq!(count(&mesh.client(at), KEPT), 10);
    }
}

#[test]
fn bodies_that_make_no_sense_are_refused_in_words() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let mut noise = Noise(42);
    for protocol in Protocol::ALL.into_iter().filter(|protocol| *protocol != Protocol::Lines) {
        let whole = protocol.encode("broken", &records(20));
        for at in [1, whole.len() / 2, whole.len() - 1] {
            check_refused(&mesh.client(0), protocol, &whole[..at]);
        }
        check_refused(&mesh.client(0), protocol, &noise.bytes(4_000));
    }
    let gzip = [("content-encoding", "gzip"), ("content-type", "application/json")];
    let reply = mesh.client(0).post("/loki/api/v1/push", &gzip, &noise.bytes(4_000)).unwrap();
    assert_eq!(reply.status, 400, "{}", reply.text());
    for (query, status) in [("{app=", 400), (r#"{app="x"} | nonsense("#, 400), ("", 400), (r#"{app=~"("}"#, 400)] {
        let reply = mesh.client(0).get_with("/loki/api/v1/query_range", &[("query", query)]).unwrap();
        assert_eq!(reply.status, status, "{query:?}: {}", reply.text());
        assert!(reply.text().len() > 10, "{query:?}: {}", reply.text());
    }
}

#[test]
fn what_hinders_a_start_is_said() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let taken_tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken_udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (tcp, udp) = (taken_tcp.local_addr().unwrap(), taken_udp.local_addr().unwrap());
    let with = |name: &str, change: &dyn Fn(&mut NodePlan)| {
        let mut plan = mesh.plan(name);
        change(&mut plan);
        plan
    };
    let file = |name: &str, text: &str| {
        let path = mesh.directory().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let short = file("short-secret", "abc\n");
    let in_use = mesh.nodes[0].plan.data.clone();
    let cases = [
        (with("http-taken", &|plan| plan.http = tcp), tcp.to_string(), "--http"),
        (with("mesh-tcp-taken", &|plan| plan.mesh = tcp), tcp.to_string(), "--mesh"),
        (with("mesh-udp-taken", &|plan| plan.mesh = udp), udp.to_string(), "--mesh"),
        (with("data-in-use", &|plan| plan.data = in_use.clone()), in_use.display().to_string(), "use"),
        (with("data-a-file", &|plan| plan.data = short.clone()), short.display().to_string(), "director"),
        (with("short", &|plan| plan.secret_file = Some(short.clone())), short.display().to_string(), "keygen"),
        (with("gone", &|plan| plan.secret_file = Some("/nonexistent/s".into())), "/nonexistent/s".to_owned(), "keygen"),
        (with("open", &|plan| open_without_secret(plan)), "0.0.0.0".to_owned(), "keygen"),
        (
            with("setting", &|plan| plan.settings.push(("LOGMESH_COPIES".into(), "many".into()))),
            "many".to_owned(),
            "LOGMESH_COPIES",
        ),
    ];
    for (plan, subject, advice) in cases {
        let name = plan.name.clone();
        let mut node = plan.start();
        let status = node.wait_exit(SOON);
        let log = node.log();
        assert!(!status.success(), "{name}: {log}");
        assert!(log.contains(&subject) && log.contains(advice), "{name}: neither {subject:?} nor {advice:?} in: {log}");
        node.assert_no_panic();
    }
    Protocol::LokiJson.push_well(&mesh.client(0), "kept", &records(1));
}

#[test]
fn an_unreachable_seed_hinders_nothing_and_is_said() {
    let _turn = one_at_a_time();
    let mesh = Mesh::start(1, &[]);
    let nobody = free_address().to_string();
    let mut plan = mesh.plan("alone");
    plan.seeds = vec![nobody.clone(), "no-such-host.invalid:7946".to_owned()];
    let mut node = plan.start();
    eventually(SOON, "the node serves", || node.client().try_json("/logmesh/v1/status"));
    // It takes records at once; what they are together with the mesh's it can only tell when it knows the mesh, or has given up.
    Protocol::LokiJson.push_well(&node.client(), "kept", &records(1));
    node.wait_ready();
    assert_eq!(count(&node.client(), KEPT), 1);
    eventually(SOON, "the log names the seeds", || {
        node.log().lines().any(|line| line.contains("ERROR") && line.contains("no seed answered")).then_some(())
    });
    node.assert_no_panic();
}

fn open_without_secret(plan: &mut NodePlan) {
    plan.secret_file = None;
    plan.mesh.set_ip(Ipv4Addr::UNSPECIFIED.into());
    plan.arguments.extend(["--advertise".to_owned(), "10.1.2.3:7946".to_owned()]);
}

fn check_refused(client: &Client, protocol: Protocol, body: &[u8]) {
    let reply = client.post(&protocol.path("broken"), &[("content-type", protocol.content_type())], body).unwrap();
    assert_eq!(reply.status, 400, "{protocol:?}, {} bytes: {}", body.len(), reply.text());
    assert!(reply.text().len() > 10, "{protocol:?}: {:?}", reply.text());
}

/// One round of everything that means nothing.
fn send_garbage(http: SocketAddr, mesh: SocketAddr, noise: &mut Noise) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for length in [0, 1, 12, 24, 40, 41, 100, 1_200, 9_000, 65_507] {
        // A full buffer at the receiver loses datagrams; that is its right.
        let _ = socket.send_to(&noise.bytes(length), mesh);
    }
    for port in [http, mesh] {
        for head in GARBAGE_HEADS {
            let garbage = [head.as_bytes(), &noise.bytes(3_000)].concat();
            say(port, &garbage);
            say(port, head.as_bytes());
        }
    }
}

/// Says that, says no more, and takes whatever comes until the other side hangs up or is quiet.
fn say(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    // The other side may hang up in the middle.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.take(64 << 10).read_to_end(&mut Vec::new());
}

fn names(client: &Client) -> Vec<String> {
    let members = client.json("/logmesh/v1/members");
    let members = members.as_array().unwrap().iter();
    let mut names: Vec<String> = members.map(|member| member["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Bytes without meaning, the same in each run (xorshift64*, Vigna 2016).
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    }
}

const KEPT: &str = r#"{app="kept"}"#;
/// What a stranger may begin with, in HTTP and in libp2p's multistream-select and Noise.
const GARBAGE_HEADS: [&str; 9] = [
    "",
    "GET / HTTP/9.9\r\n\r\n",
    "POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "POST /otlp/v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 4000000\r\n\r\n",
    "GET /loki/api/v1/query_range?query=%ff%00%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "\u{13}/multistream/1.0.0\n",
    "\u{13}/multistream/1.0.0\n\u{7}/noise\n",
    "\u{13}/multistream/1.0.0\n\u{7}/noise\n\u{ff}\u{ff}",
];
const GARBAGE_ROUNDS: usize = 4;
/// What a quiet node breathes by.
const GROWTH_BYTES_MAX: u64 = 24 << 20;
