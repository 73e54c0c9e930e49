//! Cuts what is read into pieces of whole lines. Memory is bounded by the piece, whatever is read; what arrives slowly
//! (`tail -f | logmesh push`) is not held back until a piece is full.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Whole lines, as they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The lines with their ends; the last one of a source may lack it.
    pub(super) bytes: Vec<u8>,
    /// How many of them are not empty: those become records.
    pub(super) lines: u64,
}

/// The pieces of one source, read by a thread of its own.
pub(super) struct Pieces {
    reads: Receiver<io::Result<Vec<u8>>>,
    pending: Vec<u8>,
    quiet: Duration,
    /// Lines longer than [`LINE_BYTES_MAX`], which are left out.
    pub(super) lines_left_out: u64,
    leaving_out: bool,
    ended: bool,
}

impl Pieces {
    /// Starts to read `source`. What was read is given out after `quiet` even if it is little.
    pub(super) fn read(source: impl Read + Send + 'static, quiet: Duration) -> Self {
        let (sender, reads) = sync_channel(READS_WAITING_MAX);
        thread::spawn(move || read_all(source, |read| sender.send(read).is_ok()));
        Self { reads, pending: Vec::new(), quiet, lines_left_out: 0, leaving_out: false, ended: false }
    }

    /// Returns the next piece, or nothing at the end of the source.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if self.pending.len() >= PIECE_BYTES || self.ended {
                if let Some(piece) = self.cut() {
                    return Ok(Some(piece));
                }
                if self.ended {
                    return Ok(None);
                }
            }
            match self.reads.recv_timeout(self.quiet) {
                Ok(read) => self.add(&read?),
                Err(RecvTimeoutError::Disconnected) => self.ended = true,
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(piece) = self.cut() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    fn add(&mut self, mut read: &[u8]) {
        if self.leaving_out {
            let Some(end) = read.iter().position(|byte| *byte == b'\n') else { return };
            self.leaving_out = false;
            read = &read[end + 1..];
        }
        self.pending.extend_from_slice(read);
        let tail = self.pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if self.pending.len() - tail > LINE_BYTES_MAX {
            self.pending.truncate(tail);
            self.leaving_out = true;
            self.lines_left_out += 1;
        }
    }

    /// Takes the whole lines that have come; at the end of the source also the rest.
    fn cut(&mut self) -> Option<Piece> {
        let end = match self.pending.iter().rposition(|byte| *byte == b'\n') {
            _ if self.ended => self.pending.len(),
            Some(end) => end + 1,
            None => return None,
        };
        let rest = self.pending.split_off(end);
        let bytes = std::mem::replace(&mut self.pending, rest);
        let empty = |line: &[u8]| line.is_empty() || line == b"\r";
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !empty(line)).count();
        (!bytes.is_empty()).then_some(Piece { bytes, lines: u64::try_from(lines).unwrap_or(u64::MAX) })
    }
}

/// Hands on what can be read until the end, an error, or nobody listens any more.
fn read_all(mut source: impl Read, mut hand_on: impl FnMut(io::Result<Vec<u8>>) -> bool) {
    loop {
        let mut buffer = vec![0; READ_BYTES];
        match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                buffer.truncate(length);
                if !hand_on(Ok(buffer)) {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                hand_on(Err(error));
                return;
            }
        }
    }
}

/// A piece is given out once it has so many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// A longer line is left out and counted: no node takes it, and it must not fill the memory.
const LINE_BYTES_MAX: usize = 16 << 20;

const READ_BYTES: usize = 256 << 10;

const READS_WAITING_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces_of(source: impl Read + Send + 'static) -> (Vec<Piece>, u64) {
        let mut pieces = Pieces::read(source, Duration::from_secs(3600));
        let mut all = Vec::new();
        while let Some(piece) = pieces.next().unwrap() {
            all.push(piece);
        }
        (all, pieces.lines_left_out)
    }

    #[test]
    fn pieces_are_whole_lines_and_nothing_is_lost() {
        let text: Vec<u8> = (0..200_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let (pieces, left_out) = pieces_of(io::Cursor::new(text.clone()));
        assert!(pieces.len() >= 2, "{} bytes in one piece", text.len());
        assert!(pieces.iter().all(|piece| piece.bytes.ends_with(b"\n")));
        assert_eq!(pieces.iter().map(|piece| piece.lines).sum::<u64>(), 200_000);
        assert_eq!(pieces.concat_bytes(), text);
        assert_eq!(left_out, 0);
    }

    #[test]
    fn a_last_line_needs_no_end_and_empty_lines_are_no_records() {
        let (pieces, _) = pieces_of(&b"a\n\n\r\nb"[..]);
        assert_eq!(pieces, [Piece { bytes: b"a\n\n\r\nb".to_vec(), lines: 2 }]);
        assert_eq!(pieces_of(&b""[..]).0, []);
    }

    #[test]
    fn an_endless_line_is_left_out_and_its_neighbours_are_kept() {
        let long = io::repeat(b'x').take(40 << 20);
        let (pieces, left_out) = pieces_of((&b"before\n"[..]).chain(long).chain(&b"\nafter\n"[..]));
        assert_eq!(pieces.concat_bytes(), b"before\nafter\n");
        assert_eq!(left_out, 1);
    }

    #[test]
    fn what_comes_slowly_is_not_held_back() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut pieces = Pieces::read(reader, Duration::from_millis(1));
        io::Write::write_all(&mut writer, b"whole\nhal").unwrap();
        // The pipe stays open: only the time that passes can bring this out.
        assert_eq!(pieces.next().unwrap().unwrap().bytes, b"whole\n");
        io::Write::write_all(&mut writer, b"f\n").unwrap();
        assert_eq!(pieces.next().unwrap().unwrap().bytes, b"half\n");
        drop(writer);
        assert_eq!(pieces.next().unwrap(), None);
    }

    #[test]
    fn a_source_that_breaks_is_told() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let mut pieces = Pieces::read((&b"a\n"[..]).chain(Broken), Duration::from_secs(3600));
        assert!(pieces.next().is_err());
    }

    trait ConcatBytes {
        fn concat_bytes(&self) -> Vec<u8>;
    }

    impl ConcatBytes for Vec<Piece> {
        fn concat_bytes(&self) -> Vec<u8> {
            self.iter().flat_map(|piece| piece.bytes.clone()).collect()
        }
    }
}
