//! Log lines that look like real ones: skewed choices, repeated skeletons, and some parts that never repeat.

use std::fmt::Write;

/// What lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A web server's access log, about 150 bytes a line.
    Text,
    /// A service's JSON lines, about 230 bytes a line.
    Json,
}

/// Lines of one kind, the same for the same number.
pub(crate) struct Lines {
    kind: Kind,
    state: u64,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl Lines {
    pub(crate) fn new(kind: Kind, number: u64) -> Self {
        Self { kind, state: (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// Returns the next line, for a record of the nanosecond `at`.
    pub(crate) fn next_line(&mut self, at: u64) -> String {
        match self.kind {
            Kind::Text => self.access(at),
            Kind::Json => self.service(at),
        }
    }

    fn access(&mut self, at: u64) -> String {
        let seconds = at / 1_000_000_000;
        let (method, status) = (self.skewed(&METHODS), self.skewed(&STATUSES));
        let (path, agent) = (self.skewed(&PATHS), self.skewed(&AGENTS));
        let (host, item) = (self.below(4_000), self.below(50_000));
        let (size, referrer) = (self.below(60_000), self.skewed(&REFERRERS));
        format!(
            "10.{}.{}.{} - - [23/Nov/2026:{:02}:{:02}:{:02} +0000] \"{method} {path}{item} HTTP/1.1\" {status} {size} \"{referrer}\" \"{agent}\"",
            host % 3,
            host / 256,
            host % 256,
            seconds / 3_600 % 24,
            seconds / 60 % 60,
            seconds % 60,
        )
    }

    fn service(&mut self, at: u64) -> String {
        let (level, message) = (self.skewed(&LEVELS), self.skewed(&MESSAGES));
        let (service, route) = (self.skewed(&SERVICES), self.skewed(&PATHS));
        let (millis, user) = (self.below(90_000), self.below(30_000));
        let mut trace = String::new();
        for _ in 0..2 {
            write!(trace, "{:016x}", self.draw()).expect("text takes all");
        }
        format!(
            "{{\"ts\":{}.{:06},\"level\":\"{level}\",\"service\":\"{service}\",\"msg\":\"{message}\",\"route\":\"{route}\",\"trace_id\":\"{trace}\",\"user\":\"u-{user}\",\"duration_ms\":{}.{:02},\"status\":{}}}",
            at / 1_000_000_000,
            at / 1_000 % 1_000_000,
            millis / 100,
            millis % 100,
            self.skewed(&STATUSES),
        )
    }

    /// Takes the first most often, each further one half as often as the one before, as real choices roughly are.
    fn skewed(&mut self, of: &[&'static str]) -> &'static str {
        of[(self.draw().trailing_zeros() as usize).min(of.len() - 1)]
    }

    fn below(&mut self, bound: u64) -> u64 {
        // The lesser of two draws: small numbers are more frequent.
        (self.draw() % bound).min(self.draw() % bound)
    }

    /// xorshift64* (Vigna 2016).
    fn draw(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

const METHODS: [&str; 4] = ["GET", "POST", "HEAD", "DELETE"];
const STATUSES: [&str; 7] = ["200", "304", "404", "302", "500", "503", "429"];
const PATHS: [&str; 8] = [
    "/shop/item/",
    "/static/img/",
    "/api/v2/cart/",
    "/shop/search?q=",
    "/api/v2/users/",
    "/checkout/",
    "/help/article/",
    "/admin/report/",
];
const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)",
    "curl/8.14.1",
    "Go-http-client/2.0",
    "kube-probe/1.34",
];
const REFERRERS: [&str; 3] = ["-", "https://shop.example/", "https://search.example/"];
const LEVELS: [&str; 4] = ["info", "debug", "warn", "error"];
const MESSAGES: [&str; 6] = [
    "request handled",
    "cache miss, asking the database",
    "payment accepted",
    "retrying after a connection was reset by the peer",
    "session expired",
    "stock is low",
];
const SERVICES: [&str; 6] = ["frontend", "cart", "checkout", "payment", "stock", "mail"];
