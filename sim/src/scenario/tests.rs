//! What the reader of scenarios takes and what it refuses.

use super::*;

const SMALL: &str = r#"
name = "Small"
duration = "30m"
nodes = [{ names = "a1..a3", zone = "a" }, { names = ["b1", "b2"], zone = "b" }, { names = "c1", later = true }]
"#;

fn with_timeline(sentences: &[&str]) -> String {
    let lines: Vec<String> = sentences.iter().map(|sentence| format!("  \"{sentence}\",\n")).collect();
    format!("{SMALL}timeline = [\n{}]\n", lines.concat())
}

fn mistakes(text: &str) -> String {
    Scenario::read("x.toml", text, &[]).unwrap_err().to_string()
}

#[test]
fn a_scenario_is_read_whole() {
    let text = with_timeline(&[
        "at 1m cut zone a from zone b for 5m",
        "at 10m stop a1..a3, b1 for 20s, one by one every 1m",
        "at 6m flap a1 from b1, b2 every 20s for 1m",
        "at 20m join c1",
        "at 21m load 10x on zone a for 1m",
        "at 22m lose 5% between zone a and zone b for 30s",
    ]);
    let scenario = Scenario::read("x.toml", &text, &[]).unwrap();
    assert_eq!(scenario.nodes.len(), 6);
    assert_eq!(scenario.timeline.len(), 1 + 4 + 4);
    let first = &scenario.timeline[0];
    assert_eq!((first.act.clone(), first.until), (Act::Cut(vec![0, 1, 2], vec![3, 4]), Some(Duration::from_secs(360))));
    let stops: Vec<u64> =
        scenario.timeline.iter().filter(|step| step.sentence == 1).map(|step| step.at.as_secs()).collect();
    assert_eq!(stops, [600, 660, 720, 780]);
    assert_eq!(scenario.calm_from(), Duration::from_secs(22 * 60 + 30));
    assert_eq!(scenario.sentences[1].text, "at 10m stop a1..a3, b1 for 20s, one by one every 1m");
}

#[test]
fn a_mistake_names_line_column_and_key_and_suggests_the_right_one() {
    for (text, expected) in [
        (
            format!("{SMALL}coppies = 2"),
            "x.toml:5:1: there is no key `coppies`\n  |\n5 | coppies = 2\n  | ^^^^^^^\n  = did you mean `copies`?\n",
        ),
        (
            with_timeline(&["at 10m crash a4"]),
            "x.toml:6:17: timeline[0]: there is no node `a4`\n  |\n6 |   \"at 10m crash a4\",\n  |                 ^^\n  = did you mean `a1`?\n",
        ),
    ] {
        assert_eq!(mistakes(&text), expected);
    }
    for (sentence, expected) in [
        ("at -5m crash a1", "x.toml:6:7: timeline[0]: a time cannot be negative"),
        (
            "at 5m crahs a1",
            "nothing is called `crahs`\n  |\n6 |   \"at 5m crahs a1\",\n  |          ^^^^^\n  = did you mean `crash`?",
        ),
        ("at 5m cut zone a from zone bb for 1m", "there is no zone `bb`"),
        ("at 5m cut a from b1", "did you mean `zone a`?"),
        ("at 5m cut zone a from a1", "a node is on both sides"),
        ("at 5m cut zone a frm b1", "`from` is wanted here, not `frm`"),
        ("at 5m flap a1 from b1 every 5s", "`flap` needs an end"),
        ("at 5m heal for 5m", "`heal` takes no `for`"),
        ("at 40m crash a1", "this goes on until 40m, and the run is over after 30m"),
        ("at 29m crash a1 for 2m", "this goes on until 31m"),
        ("at 5m start a1", "`a1` is up at 5m"),
        ("at 5m crash c1", "`c1` has not joined at 5m"),
        ("at 5m forget a1", "only who is down can be forgotten"),
        ("at 5m crash", "here a node, `zone` and its name, or `all` is missing"),
        ("at 5m crash a1 now", "`now` is too much here"),
        ("at 5m slow a1 ten", "`ten` is not a factor such as `10x`"),
        ("at 5m load 0.5x for 1m", "less than 1x"),
        ("at 5m freeze a1", "`freeze` needs an end"),
        ("at 5m lose 5% between zone a and zone b, one by one every 1m", "`lose` cannot go one by one"),
    ] {
        let told = mistakes(&with_timeline(&[sentence]));
        assert!(told.contains(expected), "{sentence}:\n{told}");
        assert!(told.starts_with("x.toml:6:"), "{told}");
    }
}

#[test]
fn two_sentences_may_not_befall_the_same_links_at_once() {
    let told = |second| Scenario::read("x.toml", &with_timeline(&["at 5m cut zone a from zone b for 5m", second]), &[]);
    for second in ["at 6m lose 5% between b1 and a2 for 1m", "at 9m flap a1 from b1 every 5s for 10m"] {
        let told = told(second).unwrap_err().to_string();
        assert!(told.contains("x.toml:7:3: timeline[1]: timeline[0] concerns some of the same links"), "{told}");
    }
    assert!(told("at 10m cut a1 from b1 for 1m").is_ok() && told("at 6m cut a1 from a2 for 1m").is_ok());
}

#[test]
fn wrong_values_are_told_with_what_is_wanted() {
    for (line, expected) in [
        ("copies = 0", "x.toml:5:10: copies: a whole number from 1 to 255 is wanted"),
        ("copies = \"3\"", "not a text"),
        (
            "settle = 5",
            "settle: a text is wanted, not a bare number\n  |\n5 | settle = 5\n  |          ^\n  = such as \"10m\"",
        ),
        ("[workload]\nrate = \"fast\"", "workload.rate: `fast` is not a rate"),
        ("[workload]\nto = \"zone q\"", "workload.to: there is no zone `q`"),
        ("[settings]\nrepair_intervall = \"1s\"", "did you mean `repair_interval`?"),
        ("[[links]]\nbetween = [\"zone a\"]", "two ends are wanted"),
        ("[[links]]\nlatency = \"1ms\"", "`between` is missing"),
        ("[network]\nloss = \"2\"", "network.loss: `2` is not a share"),
        ("[workload]\nrate = \"10000/s\"", "batches would be written"),
        ("x = [", "x.toml:"),
    ] {
        let told = mistakes(&format!("{SMALL}{line}\n"));
        assert!(told.contains(expected), "{line}:\n{told}");
    }
    let told =
        mistakes("duration = \"1m\"\nnodes = [{ names = [\"a\", \"a\"] }, { names = \"for\" }, { zone = \"z\" }]");
    for expected in ["`name` is missing", "two nodes `a`", "no word of the timeline", "`names` is missing"] {
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn changes_from_the_command_line_are_checked_as_the_file_is() {
    let set =
        |change: &str| Scenario::read("x.toml", SMALL, &[change.to_owned()]).map_err(|mistakes| mistakes.to_string());
    assert_eq!(set("copies=all").unwrap().config.copies, 6);
    assert_eq!(set("repair_interval = 1m").unwrap().config.repair_interval, Duration::from_secs(60));
    assert_eq!(set("rate=5/s").unwrap().work.rate, 5.0);
    assert_eq!(set("segment_batches=9").unwrap().config.segment_batches_max, 9);
    assert_eq!(set("duration=2m").unwrap().lasts, Duration::from_secs(120));
    let text = with_timeline(&["at 5m crash a1"]);
    let both = |one: &str| Scenario::read("x.toml", &text, &["duration=2m".into(), one.into()]);
    assert_eq!(both("timeline=none").unwrap().timeline, []);
    assert!(both("copies=2").unwrap_err().to_string().contains("the timeline goes on until 5m"));
    for (change, expected) in [
        ("timeline=mine", "can only be left out"),
        ("copis=2", "there is no setting `copis`"),
        ("copies=0", "1 to 255, or `all`"),
        ("repair_interval=fast", "repair_interval: `fast` is no time"),
        ("copies", "a key, `=` and a value"),
        ("seal_bytes=much", "`much` is not a size"),
        ("seal_bytes='", "seal_bytes"),
    ] {
        let told = set(change).unwrap_err();
        assert!(told.contains(expected), "{change}:\n{told}");
    }
}

#[test]
fn times_are_shown_as_they_are_written() {
    for text in ["1h30m", "10m", "1m5s", "250ms", "0s", "2d"] {
        assert_eq!(course::shown(unit::duration(text).unwrap()), text);
    }
}

mod properties {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    proptest! {
        #[test]
        fn noise_in_a_sentence_never_panics(sentence in "(at|for|cut|zone|a1|, ?|from|5m|10x|all|one by|é|every|\\.\\.| |-|[a-z0-9]{1,3}){0,12}") {
            let text = with_timeline(&[&sentence.replace(['"', '\\'], "")]);
            if let Err(mistakes) = Scenario::read("x.toml", &text, &[]) {
                prop_assert!(!mistakes.to_string().is_empty());
            }
        }
    }
}
