//! Network namespaces on one bridge, which can be cut into two sides. The tests' own process sits on the bridge too and
//! reaches all of them, whatever is cut.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

/// Namespaces that are gone when this is dropped.
pub(crate) struct Namespaces {
    /// Makes names and addresses differ from those of another run on this machine.
    run: u32,
    count: usize,
}

impl Namespaces {
    /// Makes `count` namespaces. Returns why it cannot be done on this machine.
    pub(crate) fn make(count: usize) -> Result<Self, String> {
        if !is_root() {
            return Err("network namespaces need root".to_owned());
        }
        run("nft list tables")?;
        let made = Self { run: std::process::id(), count };
        let bridge = made.bridge();
        run(&format!("ip link add {bridge} type bridge"))?;
        run(&format!("ip addr add {}/24 dev {bridge}", made.host()))?;
        run(&format!("ip link set {bridge} up"))?;
        for at in 0..count {
            made.make_one(at)?;
        }
        Ok(made)
    }

    /// Returns how many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the name of the namespace `at`.
    pub(crate) fn name(&self, at: usize) -> String {
        format!("logmesh-{}-{at}", self.run)
    }

    /// Returns the address inside the namespace `at`.
    pub(crate) fn address(&self, at: usize) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 77, self.third(), u8::try_from(at + 1).expect("few namespaces")))
    }

    /// Lets nothing pass between the first `first` namespaces and the others: packets vanish, as on a broken line.
    pub(crate) fn cut(&self, first: usize) {
        for at in 0..self.count {
            let beyond = (0..self.count).filter(|other| (*other < first) != (at < first));
            let beyond: Vec<String> = beyond.map(|other| self.address(other).to_string()).collect();
            let rule = format!("ip saddr {{ {} }} drop", beyond.join(", "));
            self.nft(at, "add table inet cut");
            self.nft(at, "add chain inet cut in { type filter hook input priority 0 ; }");
            self.nft(at, &format!("add rule inet cut in {rule}"));
        }
    }

    /// Lets everything pass again.
    pub(crate) fn heal(&self) {
        (0..self.count).for_each(|at| self.nft(at, "delete table inet cut"));
    }

    /// Returns how many bytes went over the wires so far, each counted where it was sent, with all headers.
    pub(crate) fn wire_bytes(&self) -> u64 {
        let sent = |at| {
            let path = format!("/sys/class/net/{}/statistics/rx_bytes", self.outer(at));
            let text = std::fs::read_to_string(path).expect("the link is there");
            text.trim().parse::<u64>().expect("bytes are a number")
        };
        (0..self.count).map(sent).sum()
    }

    fn nft(&self, at: usize, command: &str) {
        let name = self.name(at);
        let output = Command::new("ip").args(["netns", "exec", &name, "nft", command]).output().expect("nft is there");
        assert!(output.status.success(), "nft {command}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn make_one(&self, at: usize) -> Result<(), String> {
        let (name, bridge) = (self.name(at), self.bridge());
        let (outer, address) = (self.outer(at), self.address(at));
        run(&format!("ip netns add {name}"))?;
        run(&format!("ip link add {outer} type veth peer name eth0 netns {name}"))?;
        run(&format!("ip link set {outer} master {bridge}"))?;
        run(&format!("ip link set {outer} up"))?;
        run(&format!("ip -n {name} addr add {address}/24 dev eth0"))?;
        run(&format!("ip -n {name} link set eth0 up"))?;
        run(&format!("ip -n {name} link set lo up"))
    }

    /// Returns the name of the bridge's end of the link of `at`.
    fn outer(&self, at: usize) -> String {
        format!("lm{}v{at}", self.run)
    }

    fn bridge(&self) -> String {
        format!("lm{}b", self.run)
    }

    fn host(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.third(), 254)
    }

    fn third(&self) -> u8 {
        (self.run % 251) as u8
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for at in 0..self.count {
            // The link inside goes with its namespace; what was never made is no loss.
            let _ = run(&format!("ip netns del {}", self.name(at)));
        }
        let _ = run(&format!("ip link del {}", self.bridge()));
    }
}

/// Tells whether the tests run as root.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

fn run(command: &str) -> Result<(), String> {
    let mut words = command.split(' ');
    let program = words.next().expect("a command has a program");
    let output = Command::new(program).args(words).output().map_err(|error| format!("{command}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
