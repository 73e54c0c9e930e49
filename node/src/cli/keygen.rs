//! `logmesh keygen`: makes a mesh secret. It must never overwrite one, nor leave one readable to others.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;
use logmesh_gossip::Secret;

use super::{Exit, Failure};

/// Makes a mesh secret.
#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// Write it to this new file, readable to its owner only
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Keygen {
    /// Writes a fresh secret to the file, or to the standard output.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let line = format!("{}\n", Secret::generate().reveal());
        let Some(path) = self.out else {
            io::stdout().lock().write_all(line.as_bytes())?;
            return Ok(Exit::Done);
        };
        let failed = |source| Failure::File { what: format!("cannot make {}", path.display()), source };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_private_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let keygen = || Keygen { out: Some(path.clone()) }.run();
        assert!(matches!(keygen(), Ok(Exit::Done)));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.parse::<Secret>().is_ok());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(keygen(), Err(Failure::File { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
