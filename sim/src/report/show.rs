//! Figures as people read them.

/// Returns a count with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a time given in seconds.
pub fn seconds(seconds: f64) -> String {
    let rounded = seconds.round() as u64;
    match seconds {
        s if s <= 0.0 => "0 s".into(),
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 0.1 => format!("{} ms", significant(s * 1e3)),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 60.0 => format!("{} s", significant(s)),
        s if s < 3_600.0 => format!("{} min{}", rounded / 60, rest(rounded % 60, "s")),
        _ => format!("{} h{}", rounded / 3_600, rest(rounded % 3_600 / 60, "min")),
    }
}

fn rest(number: u64, unit: &str) -> String {
    if number == 0 { String::new() } else { format!(" {number} {unit}") }
}

/// Returns a number of bytes.
pub fn bytes(bytes: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut size = bytes;
    let mut unit = 0;
    while size >= 1_000.0 && unit + 1 < units.len() {
        size /= 1_000.0;
        unit += 1;
    }
    format!("{} {}", significant(size), units[unit])
}

/// Returns a share. What is not all of it is never shown as 100 %, and what is not nothing not as 0 %.
pub fn share(share: f64) -> String {
    match share * 100.0 {
        p if share >= 1.0 => format!("{p:.0} %"),
        p if p > 99.99 => "> 99.99 %".into(),
        p if p >= 99.0 => format!("{p:.2} %"),
        p if p > 0.0 && p < 0.01 => "< 0.01 %".into(),
        p if p > 0.0 && p < 1.0 => format!("{p:.2} %"),
        p => format!("{p:.1} %"),
    }
}

/// Returns a number with two or three digits that matter.
pub fn significant(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 || n.fract() == 0.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_as_people_read_them() {
        assert_eq!([count(7), count(1_234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
        let times = [0.0, 2.3e-4, 0.0143, 0.25, 12.0, 75.0, 3_600.0, 5_400.0].map(seconds);
        assert_eq!(times, ["0 s", "230 µs", "14.3 ms", "250 ms", "12 s", "1 min 15 s", "1 h", "1 h 30 min"]);
        assert_eq!([bytes(999.0), bytes(1_536.0), bytes(2e9)], ["999 B", "1.54 kB", "2 GB"]);
        assert_eq!(
            [share(1.0), share(0.999999), share(0.5), share(0.0), share(1e-6)],
            ["100 %", "> 99.99 %", "50.0 %", "0.0 %", "< 0.01 %"]
        );
    }
}
