//! Made-up logs that look like real ones: a web server's and services' text, and services' JSON.

/// A small generator of random numbers (xorshift64*), so that each run sees the same logs.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.roll() >> 11) % limit
    }

    /// A number below `limit`, small ones far more often, as visitors and paths are.
    fn skewed(&mut self, limit: u64) -> u64 {
        let uniform = (self.roll() >> 11) as f64 / (1u64 << 53) as f64;
        ((limit as f64).powf(uniform) - 1.0) as u64
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.skewed(words.len() as u64) as usize]
    }
}

/// Returns a line of text of stream `stream`, at `millis` past the hour.
pub(crate) fn text(dice: &mut Dice, stream: u64, millis: u64) -> String {
    let (minute, second, milli) = (millis / 60_000 % 60, millis / 1000 % 60, millis % 1000);
    match stream % 3 {
        0 => {
            let visitor = dice.skewed(20_000);
            let (status, bytes) = (dice.pick(&["200", "304", "404", "301", "500"]), dice.skewed(80_000));
            let (method, path) = (dice.pick(&["GET", "POST", "PUT"]), dice.pick(PATHS));
            let (id, agent) = (dice.skewed(500_000), AGENTS[(visitor % AGENTS.len() as u64) as usize]);
            let address =
                format!("{}.{}.{}.{}", 11 + visitor % 180, visitor % 251, visitor / 7 % 256, visitor / 3 % 256);
            format!(
                "{address} - - [23/Nov/2026:10:{minute:02}:{second:02} +0000] \"{method} {path}/{id} HTTP/1.1\" \
                 {status} {bytes} \"https://shop.example.com/\" \"{agent}\""
            )
        }
        1 => {
            let (level, class) = (dice.pick(&["INFO", "DEBUG", "WARN", "ERROR"]), dice.pick(CLASSES));
            let (worker, order, took) = (dice.below(16), 4_000_000 + millis / 40 + dice.below(50), dice.skewed(2000));
            format!(
                "2026-11-23 10:{minute:02}:{second:02}.{milli:03} {level:5} [worker-{worker}] {class} - {} order={order} \
                 took={took}ms",
                dice.pick(MESSAGES)
            )
        }
        _ => {
            let (host, pid) = (dice.below(8), 1000 + dice.skewed(3000));
            let (user, port) = (dice.pick(USERS), 1024 + dice.below(60_000));
            format!(
                "Nov 23 10:{minute:02}:{second:02} host-{host} sshd[{pid}]: {} for {user} from 10.{}.{}.{} port {port} ssh2",
                dice.pick(&["Accepted publickey", "Failed password", "Connection closed"]),
                dice.below(4),
                dice.below(16),
                dice.skewed(250)
            )
        }
    }
}

/// Returns a line of JSON of stream `stream`, at `millis` past the hour.
pub(crate) fn json(dice: &mut Dice, stream: u64, millis: u64) -> String {
    let (minute, second, milli) = (millis / 60_000 % 60, millis / 1000 % 60, millis % 1000);
    let (level, class) = (dice.pick(&["info", "debug", "warn", "error"]), dice.pick(CLASSES));
    let (path, id, took) = (dice.pick(PATHS), dice.skewed(500_000), dice.skewed(2000));
    format!(
        "{{\"ts\":\"2026-11-23T10:{minute:02}:{second:02}.{milli:03}Z\",\"level\":\"{level}\",\"logger\":\"{class}\",\
         \"msg\":\"{}\",\"service\":\"shop-{}\",\"http\":{{\"method\":\"{}\",\"path\":\"{path}/{id}\",\"status\":{},\
         \"bytes\":{}}},\"user\":{{\"id\":{},\"agent\":\"{}\"}},\"duration_ms\":{took},\"trace_id\":\"{:016x}{:016x}\",\
         \"span\":\"{:08x}\"}}",
        dice.pick(MESSAGES),
        stream % 12,
        dice.pick(&["GET", "POST", "PUT"]),
        dice.pick(&["200", "304", "404", "301", "500"]),
        dice.skewed(80_000),
        dice.skewed(20_000),
        dice.pick(AGENTS),
        dice.roll(),
        dice.roll(),
        dice.below(1 << 32)
    )
}

const PATHS: &[&str] = &[
    "/api/v1/products",
    "/api/v1/cart",
    "/static/js/app.9f31c2.js",
    "/api/v1/users",
    "/images/banner",
    "/checkout/confirm",
    "/api/v1/search",
    "/login",
    "/api/v2/recommendations",
    "/healthz",
    "/api/v1/orders",
    "/static/css/site.css",
];
const AGENTS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
    "curl/8.10.1",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];
const CLASSES: &[&str] = &[
    "c.e.shop.OrderService",
    "c.e.shop.PaymentGateway",
    "c.e.shop.CartController",
    "c.e.common.cache.RedisCache",
    "c.e.shop.InventoryClient",
    "o.h.engine.jdbc.SqlStatementLogger",
    "c.e.auth.TokenFilter",
];
const MESSAGES: &[&str] = &[
    "request completed",
    "order accepted and queued for payment",
    "cache miss, loading from the database",
    "payment authorised by the provider",
    "stock reserved in the warehouse",
    "retrying after a time-out of the upstream",
    "token refreshed",
    "slow query: select * from orders where customer_id = ? order by created_at desc limit 50",
];
const USERS: &[&str] = &["deploy", "root", "backup", "admin", "ci-runner", "invalid user test"];
