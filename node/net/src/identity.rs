//! The key that makes a node itself, kept in its data directory. It must never be readable by others or printed.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use libp2p::identity::{Keypair, ed25519};
use logmesh_protocol::id::NodeId;
use thiserror::Error;

use crate::peer_id::node_of;

/// The Ed25519 key of a node.
#[derive(Clone)]
pub struct Identity {
    keypair: Keypair,
    node: NodeId,
}

impl Identity {
    /// Returns a new identity that is not kept anywhere.
    pub fn generate() -> Self {
        Self::new(ed25519::Keypair::generate())
    }

    /// Reads the key in the file `path`, or makes one there with mode 0600 if there is no such file.
    pub fn load_or_create(path: &Path) -> Result<Identity, IdentityError> {
        match File::open(path) {
            Ok(file) => Self::load(path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(source) => Err(IdentityError::io(path, source)),
        }
    }

    /// Returns the node that this is.
    pub fn node(&self) -> NodeId {
        self.node
    }

    pub(crate) fn keypair(&self) -> Keypair {
        self.keypair.clone()
    }

    fn new(pair: ed25519::Keypair) -> Self {
        let keypair = Keypair::from(pair);
        let node = node_of(&keypair.public().to_peer_id()).expect("an Ed25519 key makes a node");
        Self { keypair, node }
    }

    fn load(path: &Path, file: File) -> Result<Identity, IdentityError> {
        refuse_readable_by_others(path, &file)?;
        let mut bytes = Vec::with_capacity(FILE_BYTES + 1);
        let limit = FILE_BYTES as u64 + 1;
        file.take(limit).read_to_end(&mut bytes).map_err(|source| IdentityError::io(path, source))?;
        let corrupt = || IdentityError::Corrupt { path: path.to_owned() };
        let [VERSION, secret @ ..] = &mut bytes[..] else { return Err(corrupt()) };
        let secret = ed25519::SecretKey::try_from_bytes(secret).map_err(|_| corrupt())?;
        Ok(Self::new(ed25519::Keypair::from(secret)))
    }

    /// Writes the key to a file beside `path` first, so that a crash never leaves half a key under the name.
    fn create(path: &Path) -> Result<Identity, IdentityError> {
        let pair = ed25519::Keypair::generate();
        let written = || -> io::Result<()> {
            let fresh = path.with_extension("key.new");
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&fresh)?;
            file.write_all(&[&[VERSION], pair.secret().as_ref()].concat())?;
            file.sync_all()?;
            // A link fails if the name was taken meanwhile, where a rename would replace another start's key.
            std::fs::hard_link(&fresh, path)?;
            std::fs::remove_file(&fresh)?;
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
        };
        written().map_err(|source| IdentityError::io(path, source))?;
        Ok(Self::new(pair))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.node)
    }
}

#[cfg(unix)]
fn refuse_readable_by_others(path: &Path, file: &File) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt;

    let mode = file.metadata().map_err(|source| IdentityError::io(path, source))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(IdentityError::Exposed { path: path.to_owned(), mode: mode & 0o777 });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_: &Path, _: &File) -> Result<(), IdentityError> {
    Ok(())
}

/// Why a node has no identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The file cannot be read or made.
    #[error("cannot use {path} as this node's key ({source})")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file does not hold a key.
    #[error("{path} is not a node's key; restore it, or move it away to begin as a new node")]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read or write the file.
    #[error("{path} holds this node's key and is open to others (mode {mode:03o}); chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl IdentityError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

const VERSION: u8 = 1;
/// Version and the 32 bytes of an Ed25519 secret key.
const FILE_BYTES: usize = 33;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_stays_itself_from_start_to_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        let first = Identity::load_or_create(&path).unwrap();
        assert_eq!(Identity::load_or_create(&path).unwrap().node(), first.node());
        assert_ne!(Identity::generate().node(), first.node());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        Identity::load_or_create(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        for bad in [&good[..0], &good[..20], &good[1..], &[&good[..], b"x"].concat(), &[&[9], &good[1..]].concat()] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(Identity::load_or_create(&path), Err(IdentityError::Corrupt { .. })), "{bad:?}");
            assert_eq!(std::fs::read(&path).unwrap(), bad);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        Identity::load_or_create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
