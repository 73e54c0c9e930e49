//! Prints how long five nodes with default settings take to meet, to spread 3,000 facts, and to notice that one is gone.

use std::net::SocketAddr;
use std::time::Instant;

use logmesh_gossip::{Gossip, Secret, Settings, Snapshot};
use logmesh_protocol::id::{Boot, NodeId};

async fn until(gossip: &Gossip, holds: impl Fn(&Snapshot) -> bool) -> Result<(), Box<dyn std::error::Error>> {
    gossip.watch().wait_for(|snapshot| holds(snapshot)).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut nodes: Vec<Gossip> = Vec::new();
    let began = Instant::now();
    for number in 0..5 {
        let node = NodeId::from_bytes([number; 32]);
        let seeds = nodes.first().map(|first| first.local_addr().to_string()).into_iter().collect();
        let defaults = Settings::new(node, Boot::from_bytes([number; 16]), Secret::development());
        nodes.push(Gossip::start(Settings { bind, advertise: bind, seeds, ..defaults }).await?);
    }
    for node in &nodes {
        until(node, |seen| seen.peers.iter().filter(|peer| peer.live).count() == 4).await?;
    }
    println!("all live in each other's eyes after {:?}", began.elapsed());
    let began = Instant::now();
    for fact in 0..3_000 {
        nodes[0].set_fact(&format!("head/{fact}"), format!("{fact}"))?;
    }
    for node in &nodes[1..] {
        until(node, |seen| seen.peers.iter().any(|peer| peer.facts.len() == 3_000)).await?;
    }
    println!("3,000 facts everywhere after {:?}", began.elapsed());
    let (began, before) = (Instant::now(), nodes[0].counters());
    for _ in 0..5 {
        drop(nodes.pop());
        let (began, left) = (Instant::now(), nodes.len());
        for node in &nodes {
            until(node, |seen| seen.peers.iter().filter(|peer| peer.live).count() == left - 1).await?;
        }
        println!("of {left} left, all noticed the last one's going after {:?}", began.elapsed());
        if left == 2 {
            break;
        }
    }
    let (after, seconds) = (nodes[0].counters(), began.elapsed().as_secs_f64());
    println!("the first sent {:.0} bytes a second", (after.bytes_out - before.bytes_out) as f64 / seconds);
    Ok(())
}
