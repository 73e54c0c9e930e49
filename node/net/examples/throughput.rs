//! Prints how fast frames with bodies of 256 KiB go from one node to another on the loopback interface, both in this process.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use logmesh_net::{Frame, Identity, Net, SendError, Settings};

const FRAMES: usize = 8_192;
const BODY_BYTES: usize = 256 << 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = || Settings::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    let (from, to) = (Identity::generate(), Identity::generate());
    let (sender, _incoming) = Net::start(from.clone(), settings()).await?;
    let (receiver, mut incoming) = Net::start(to.clone(), settings()).await?;
    sender.set_members([(to.node(), receiver.local_addr())].into());
    receiver.set_members([(from.node(), sender.local_addr())].into());
    let body = Bytes::from(vec![7; BODY_BYTES]);
    let (wall, cpu) = (Instant::now(), cpu_seconds()?);
    let sending = tokio::spawn(async move {
        let mut full = tokio::time::interval(Duration::from_millis(1));
        for _ in 0..FRAMES {
            let frame = Frame { head: Bytes::from_static(b"push"), bodies: vec![body.clone()] };
            while sender.try_send(to.node(), frame.clone()) == Err(SendError::Full) {
                full.tick().await;
            }
        }
        sender
    });
    for _ in 0..FRAMES {
        incoming.frames.recv().await.ok_or("the net has stopped")?;
    }
    let megabytes = (FRAMES * BODY_BYTES) as f64 / 1e6;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    println!("{:.0} MB/s, {:.1} CPU s/GB, both ends together", megabytes / wall, cpu / megabytes * 1e3);
    drop(sending.await?);
    Ok(())
}

/// Returns the CPU time of this process (proc_pid_stat(5), fields 14 and 15, in hundredths of a second).
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().ok_or("no fields")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap_or(0_u64)).sum();
    Ok(ticks as f64 / 100.0)
}
