//! Writes the reference of every setting, which `deploy/logmesh.toml` is.

use super::Config;
use super::settings::{SETTINGS, Setting};

/// Returns a file that names every setting with its purpose and default, all commented out.
pub(crate) fn reference() -> String {
    let defaults = Config::default();
    let mut lines: Vec<String> = HEAD.lines().map(str::to_owned).collect();
    let mut section = "";
    for setting in SETTINGS {
        let (its_section, name) = setting.key.split_once('.').expect("every key has a section");
        if its_section != section {
            lines.extend([String::new(), String::new()]);
            lines.extend(section_purpose(its_section).lines().map(|line| format!("# {line}")));
            lines.push(format!("[{its_section}]"));
            section = its_section;
        }
        lines.push(String::new());
        lines.extend(setting.purpose.iter().map(|line| format!("#{line}")));
        lines.push(ways(setting));
        lines.push(format!("#{name} = {}", (setting.show)(&defaults).to_toml()));
    }
    lines.join("\n") + "\n"
}

fn ways(setting: &Setting) -> String {
    let flag = if setting.flag { format!("{} or ", setting.flag_name()) } else { String::new() };
    format!("# ({flag}{})", setting.variable())
}

fn section_purpose(section: &str) -> &'static str {
    SECTIONS.iter().find(|(name, _)| *name == section).map_or("", |(_, purpose)| purpose)
}

const HEAD: &str = "\
# Every setting of Logmesh with its default. Nothing here needs to be set.
#
# Give this file with `logmesh run --config FILE`. Flags beat the environment, which beats the file, which beats the
# default; `logmesh config` prints what is in effect and where it came from. Durations are written 250ms, 30s, 5m, 24h
# or 14d, sizes 4096, 256KiB, 8MiB or 1GiB. An empty text is as good as none.
#
# Written by `logmesh config --reference > deploy/logmesh.toml`; a test keeps it equal to the code.";

const SECTIONS: &[(&str, &str)] = &[
    ("node", "This node's own matters."),
    (
        "mesh",
        "What all nodes of a mesh must agree on. A node whose values differ is refused,
so change them on all nodes at once, with the nodes stopped.",
    ),
    ("replication", "How this node passes on and repairs copies."),
    ("store", "How this node keeps what it holds."),
    ("limits", "What a push may hold. A record beyond is refused by name, the others of the same push are kept."),
    ("query", "What a query may ask for."),
];

#[cfg(test)]
mod tests {
    use super::super::layers::{Loaded, Typed};
    use super::*;

    #[test]
    fn the_reference_file_is_equal_to_the_code() {
        let file = include_str!("../../../deploy/logmesh.toml");
        assert!(file == reference(), "write it anew: logmesh config --reference > deploy/logmesh.toml");
    }

    #[test]
    fn the_reference_read_without_its_comment_marks_is_the_default() {
        let reference = reference();
        let assigned = |line: &&str| !line.starts_with("# ") && *line != "#";
        let text: Vec<&str> = reference.lines().filter(assigned).map(|line| line.trim_start_matches('#')).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text.join("\n")).unwrap();
        let typed = Typed { file: Some(file.path().to_owned()), ..Typed::default() };
        let (read, plain) = (Loaded::load(&typed).unwrap(), Loaded::load(&Typed::default()).unwrap());
        assert_eq!(read.admit().unwrap(), plain.admit().unwrap());
    }

    #[test]
    fn every_section_has_a_purpose() {
        assert!(SETTINGS.iter().all(|setting| !section_purpose(setting.key.split_once('.').unwrap().0).is_empty()));
    }
}
