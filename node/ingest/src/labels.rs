//! The labels of a stream as a client sends them, checked into [`Labels`], and the name of the service that they are given.

use logmesh_protocol::record::Labels;
use thiserror::Error;

use crate::limits::Limits;

/// Checks a stream's labels and gives them the name of their service. Pairs with an empty value are as good as absent.
pub(crate) fn check(mut pairs: Vec<(String, String)>, limits: &Limits) -> Result<Labels, LabelFlaw> {
    pairs.sort_unstable();
    if let Some(doubled) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(LabelFlaw::Doubled(doubled[0].0.clone()));
    }
    for (name, value) in &pairs {
        if name.len() > limits.label_name_bytes_max {
            return Err(LabelFlaw::NameBytes { bytes: name.len(), max: limits.label_name_bytes_max });
        }
        if !is_name(name) {
            return Err(LabelFlaw::Name(name.clone()));
        }
        if value.len() > limits.label_value_bytes_max {
            let (name, max) = (name.clone(), limits.label_value_bytes_max);
            return Err(LabelFlaw::ValueBytes { name, bytes: value.len(), max });
        }
    }
    let labels = Labels::new(pairs);
    match labels.len() {
        0 => Err(LabelFlaw::None),
        names if names > limits.label_names_max => Err(LabelFlaw::Names { names, max: limits.label_names_max }),
        _ => Ok(with_service_name(labels, limits)),
    }
}

/// Returns the labels with `service_name`, which no limit counts: what the first of `discover_service_name` says that is
/// there, or `unknown_service` (Loki documentation, "Understand labels"). Labels that have one keep it.
pub(crate) fn with_service_name(labels: Labels, limits: &Limits) -> Labels {
    let names = &limits.discover_service_name;
    if names.is_empty() || labels.value(SERVICE_NAME).is_some() {
        return labels;
    }
    let found = names.iter().find_map(|name| labels.value(name)).unwrap_or(UNKNOWN_SERVICE).to_owned();
    let sent = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Labels::new(sent.chain([(SERVICE_NAME.to_owned(), found)]))
}

/// Tells whether `name` is a name as LogQL spells it: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub(crate) fn is_name(name: &str) -> bool {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'_');
    // Without an early exit the loop takes many bytes at once.
    name.starts_with(|first: char| !first.is_ascii_digit()) && name.bytes().fold(true, |all, byte| all & in_name(byte))
}

/// Why a stream's labels cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum LabelFlaw {
    #[error("it has no label with a value; a stream needs at least one")]
    None,
    #[error("it has {names} labels, more than label_names_max ({max}); move some to structured metadata")]
    Names { names: usize, max: usize },
    #[error("a label's name has {bytes} bytes, more than label_name_bytes_max ({max})")]
    NameBytes { bytes: usize, max: usize },
    #[error("label {name} has a value of {bytes} bytes, more than label_value_bytes_max ({max})")]
    ValueBytes { name: String, bytes: usize, max: usize },
    #[error("{0:?} is not a label name; letters, digits and _ make one, and no digit begins it")]
    Name(String),
    #[error("label {0} comes twice")]
    Doubled(String),
    #[error("its labels are not a selector such as {{app=\"web\"}}: at byte {at}: expected {wanted}")]
    Selector { at: usize, wanted: &'static str },
    #[error("its labels are not UTF-8")]
    NotUtf8,
    #[error("the request has more than streams_max ({max}) streams; send it in smaller requests")]
    Streams { max: usize },
}

/// The label by which Grafana's Logs Drilldown finds streams.
pub(crate) const SERVICE_NAME: &str = "service_name";
/// Its value where nothing says what the service is.
pub(crate) const UNKNOWN_SERVICE: &str = "unknown_service";

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn labels_are_checked_against_every_limit() {
        let limits = Limits {
            label_names_max: 2,
            label_name_bytes_max: 4,
            label_value_bytes_max: 4,
            discover_service_name: Vec::new(),
            ..Limits::default()
        };
        let refused = |pairs: &[(&str, &str)], flaw: LabelFlaw| assert_eq!(check(owned(pairs), &limits), Err(flaw));
        refused(&[], LabelFlaw::None);
        refused(&[("a", "")], LabelFlaw::None);
        refused(&[("a", "1"), ("b", "1"), ("c", "1")], LabelFlaw::Names { names: 3, max: 2 });
        refused(&[("abcde", "1")], LabelFlaw::NameBytes { bytes: 5, max: 4 });
        refused(&[("a", "12345")], LabelFlaw::ValueBytes { name: "a".into(), bytes: 5, max: 4 });
        refused(&[("a", "1"), ("a", "2")], LabelFlaw::Doubled("a".into()));
        for name in ["", "9", "a.b", "a-b", "é", "a "] {
            refused(&[(name, "1")], LabelFlaw::Name(name.into()));
        }
        let kept = check(owned(&[("b_2", "4444"), ("_A", "1"), ("c", "")]), &limits).unwrap();
        assert_eq!(kept.to_string(), r#"{_A="1", b_2="4444"}"#);
    }

    #[test]
    fn streams_are_given_the_name_of_their_service() {
        let limits = Limits { label_names_max: 2, ..Limits::default() };
        for (sent, service) in [
            (&[("job", "j"), ("app", "a")][..], "a"),
            (&[("job", "j"), ("service", "s")], "s"),
            (&[("job", "j"), ("pod", "p")], "j"),
            (&[("service", ""), ("workload", "w")], "w"),
            (&[("pod", "p")], "unknown_service"),
            (&[("app", "a"), ("service_name", "mine")], "mine"),
            (&[("app", "a"), ("service_name", "")], "a"),
        ] {
            let labels = check(owned(sent), &limits).unwrap();
            assert_eq!(labels.value("service_name"), Some(service), "{sent:?}");
            assert!(sent.iter().all(|(name, value)| value.is_empty() || labels.value(name) == Some(*value)));
        }
        let off = Limits { discover_service_name: Vec::new(), ..Limits::default() };
        assert_eq!(check(owned(&[("app", "a")]), &off).unwrap().to_string(), r#"{app="a"}"#);
        let own = Limits { discover_service_name: vec!["team".to_owned()], ..Limits::default() };
        let labels = check(owned(&[("app", "a"), ("team", "t")]), &own).unwrap();
        assert_eq!(labels.value("service_name"), Some("t"));
        assert_eq!(check(Vec::new(), &limits), Err(LabelFlaw::None), "a stream needs a label of its own");
    }
}
