//! `logmesh run`: reads the settings and becomes a node until it is told to stop.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::{Exit, Failure};
use crate::config::{Config, ConfigError, Loaded, LogFormat, Typed};

/// Runs a node.
#[derive(Debug, Args)]
#[command(after_help = ELSEWHERE)]
pub(super) struct Run {
    #[command(flatten)]
    flags: Flags,
}

/// The settings that can be given as flags. All are text here: `config` gives them their meaning, whatever their source.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Flags {
    /// Where everything is kept [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where the HTTP API listens [default: 127.0.0.1:3100]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// Where peers are listened for, TCP and UDP [default: 127.0.0.1:7946]
    #[arg(long, value_name = "ADDRESS")]
    mesh: Option<String>,
    /// The address peers are told, if not that of --mesh
    #[arg(long, value_name = "ADDRESS")]
    advertise: Option<String>,
    /// The mesh address of a node to join by; may be given several times
    #[arg(long = "seed", value_name = "HOST:PORT")]
    seeds: Vec<String>,
    /// The file with the mesh secret (see `logmesh keygen`)
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    /// What people call this node [default: the host's name]
    #[arg(long)]
    name: Option<String>,
    /// The rack, room or data centre that fails as one
    #[arg(long)]
    zone: Option<String>,
    /// This node's share of the data, relative to the others [default: 1]
    #[arg(long)]
    weight: Option<String>,
    /// How many nodes hold each record; equal on all nodes [default: 3]
    #[arg(long)]
    copies: Option<String>,
    /// A file of settings, as deploy/logmesh.toml lists them
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which events are logged: error, warn, info, debug, trace [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Take over the place of a lost node, so that no other data moves
    #[arg(long, value_name = "NODE")]
    replace: Option<String>,
}

impl Run {
    /// Runs until SIGTERM or SIGINT.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = Loaded::load(&self.flags.typed())?.admit()?;
        start_log(&config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|source| Failure::File { what: "cannot start the runtime".to_owned(), source })?;
        runtime.block_on(crate::shell::run(config))?;
        Ok(Exit::Done)
    }
}

impl Flags {
    /// Returns what was typed, here and in the environment.
    pub(super) fn typed(self) -> Typed {
        let seeds = (!self.seeds.is_empty()).then(|| self.seeds.join(","));
        let flags = [
            ("node.data", self.data),
            ("node.http", self.http),
            ("node.mesh", self.mesh),
            ("node.advertise", self.advertise),
            ("node.seeds", seeds),
            ("node.secret_file", self.secret_file),
            ("node.name", self.name),
            ("node.zone", self.zone),
            ("node.weight", self.weight),
            ("mesh.copies", self.copies),
            ("node.log", self.log),
            ("node.replace", self.replace),
        ];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let text = |os: std::ffi::OsString| os.into_string().ok();
        let environment = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        Typed { flags, environment, file: self.config }
    }
}

fn start_log(config: &Config) -> Result<(), Failure> {
    // What libraries say beside our own words is for those who ask for it; a directive typed later wins.
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.own.log)).map_err(|error| {
        Failure::Config(ConfigError::Invalid {
            key: "node.log",
            origin: config.own.log.clone(),
            why: error.to_string(),
        })
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.own.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

const QUIET: &str = "chitchat=error,libp2p_swarm=warn,libp2p_tcp=warn,yamux=error";
const ELSEWHERE: &str = "\
Each flag can also be given as LOGMESH_<NAME> in the environment or in the file that --config names; flags beat the \
environment, which beats the file. There are more settings than flags: `logmesh config --reference` lists them all.";
