//! What the kernel says a process has cost (proc(5)).

use std::fs;
use std::path::Path;

/// Costs since a process began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: f64,
    /// Bytes that went to the disk's queue.
    pub(crate) written_bytes: u64,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process has a stat");
        let (_, after_name) = stat.rsplit_once(')').expect("the name is in parentheses");
        let field = |at: usize| after_name.split_whitespace().nth(at).and_then(|field| field.parse::<u64>().ok());
        let ticks = field(UTIME).zip(field(STIME)).map(|(user, system)| user + system).expect("times are numbers");
        let io = fs::read_to_string(format!("/proc/{pid}/io")).expect("one's own child tells its input and output");
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).and_then(|text| text.parse().ok());
        Self { cpu_seconds: ticks as f64 / TICKS_PER_SECOND, written_bytes: written.expect("the line is there") }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            written_bytes: self.written_bytes + other.written_bytes,
        }
    }
}

/// Returns the length of all files beneath `directory`.
pub(crate) fn bytes_beneath(directory: &Path) -> u64 {
    // Files come and go while they are counted.
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths.map(|path| if path.is_dir() { bytes_beneath(&path) } else { length(&path) }).sum()
}

/// Where the times are, counted from the field behind the name.
const UTIME: usize = 11;
const STIME: usize = 12;
/// `getconf CLK_TCK` on every Linux that there is.
const TICKS_PER_SECOND: f64 = 100.0;
