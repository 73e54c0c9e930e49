//! Writes settings as YAML, for `/config`. The secret itself is no setting, only the file that holds it is.

use super::Config;
use super::settings::{SETTINGS, Setting};

impl Config {
    /// Returns all settings.
    pub(crate) fn to_yaml(&self) -> String {
        self.write(|_| true)
    }

    /// Returns the settings that are not at their default.
    pub(crate) fn to_yaml_of_changes(&self) -> String {
        let default = Config::default();
        self.write(|setting| (setting.show)(self) != (setting.show)(&default))
    }

    fn write(&self, wanted: impl Fn(&Setting) -> bool) -> String {
        let mut lines = Vec::new();
        let mut section = "";
        for setting in SETTINGS.iter().filter(|setting| wanted(setting)) {
            let (its_section, name) = setting.key.split_once('.').expect("every key has a section");
            if its_section != section {
                lines.push(format!("{its_section}:"));
                section = its_section;
            }
            // JSON on one line is YAML too (YAML 1.2, section 1.3).
            lines.push(format!("  {name}: {}", (setting.show)(self).to_json()));
        }
        if lines.is_empty() { "{}\n".to_owned() } else { lines.join("\n") + "\n" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_shown_by_section_and_changes_alone() {
        let mut config = Config::default();
        assert_eq!(config.to_yaml_of_changes(), "{}\n");
        config.mesh.copies = 5;
        config.own.seeds = vec!["a:1".to_owned()];
        assert_eq!(config.to_yaml_of_changes(), "node:\n  seeds: [\"a:1\"]\nmesh:\n  copies: 5\n");
        let whole = config.to_yaml();
        assert!(
            SETTINGS.iter().all(|setting| whole.contains(&format!("  {}: ", setting.key.split_once('.').unwrap().1)))
        );
    }
}
