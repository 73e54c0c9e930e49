//! The guide tells the truth: what it shows can be read, and what can be written it shows.

use logmesh_sim::scenario::Scenario;

const GUIDE: &str = include_str!("../README.md");

/// A mesh in which every sentence of the table can happen.
const MESH: &str = r#"
name = "Guide"
duration = "1h"
nodes = [{ names = "a1..a3", zone = "a" }, { names = "b1..b3", zone = "b" }, { names = "c1", later = true }]
"#;

fn read(text: &str) -> Result<Scenario, String> {
    Scenario::read("README.md", text, &[]).map_err(|mistakes| mistakes.to_string())
}

#[test]
fn every_scenario_in_the_guide_can_be_read() {
    let snippets: Vec<&str> = GUIDE.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!snippets.is_empty());
    for snippet in snippets {
        if let Err(told) = read(snippet) {
            panic!("{told}");
        }
    }
}

#[test]
fn every_sentence_in_the_guide_can_happen() {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `at ")?.split_once('`'));
    let sentences: Vec<String> = rows.map(|(sentence, _)| format!("at {sentence}")).collect();
    assert!(sentences.len() > 20, "only {} sentences were found", sentences.len());
    for sentence in sentences {
        // Some need that somebody went down before.
        let before = ["start a1", "forget a1"].iter().any(|what| sentence.ends_with(what));
        let before = if before { "\"at 30s crash a1\", " } else { "" };
        if let Err(told) = read(&format!("{MESH}timeline = [{before}\"{sentence}\"]")) {
            panic!("{told}");
        }
    }
}

#[test]
fn the_guide_shows_the_error_that_comes() {
    let shown = GUIDE.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let text = format!("{MESH}timeline = [\n\n  \"at 10m crash a4\",\n]");
    let told = Scenario::read("rack.toml", &text, &[]).unwrap_err().to_string();
    assert_eq!(told.trim(), shown.trim());
}

#[test]
fn every_word_that_begins_a_sentence_is_in_the_guide() {
    // The error for an unknown word lists them all.
    let told = read(&format!("{MESH}timeline = [\"at 1m xylophone a1\"]")).unwrap_err();
    let listed = told.split("there are ").nth(1).unwrap();
    let words: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
    assert!(words.len() > 15, "{told}");
    for word in words {
        assert!(GUIDE.contains(&format!("| `at 1m {word}")), "the guide does not show `{word}`");
    }
}
