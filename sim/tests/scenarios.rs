//! The ready scenarios: each comes out as it says.

use std::fs;
use std::path::Path;
use std::time::Duration;

use logmesh_sim::report::{Figures, NodeState, Recording};
use logmesh_sim::scenario::{Scenario, play};

fn scenario(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(format!("{name}.toml"));
    let text = fs::read_to_string(&path).expect("a ready scenario can be read");
    Scenario::read(&path.display().to_string(), &text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Plays a scenario and expects what is to be expected of each: promises kept, converged, nothing said wrongly.
fn played(scenario: &Scenario) -> (Recording, Figures) {
    let run = play(scenario, &mut |_| {});
    assert_eq!(run.outcome.broken, Vec::<String>::new(), "{}", run.summary());
    assert!(run.outcome.converged_after_s.is_some(), "{}", run.summary());
    let figures = Figures::of(&run);
    assert!(figures.answers_wrong == 0 && figures.accepted > 0 && figures.answers > 0, "{}", run.summary());
    (run, figures)
}

/// Leaves out of a scenario what happens later.
fn shortened(mut scenario: Scenario, lasts: Duration) -> Scenario {
    scenario.lasts = lasts;
    scenario.timeline.retain(|step| step.until.unwrap_or(step.at) <= lasts);
    scenario
}

#[test]
fn every_ready_scenario_is_tested_here() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let tests = include_str!("scenarios.rs");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        scenario(&name);
        assert!(tests.contains(&format!("scenario(\"{name}\")")), "{name} has no test");
        count += 1;
    }
    assert!(count >= 12, "only {count} scenarios were found");
}

#[test]
fn a_rolling_restart_refuses_nobody_and_loses_nothing() {
    let (run, figures) = played(&scenario("rolling-restart"));
    assert_eq!((figures.refused, figures.lost), (0, 0), "{}", run.summary());
    assert!(figures.complete_share() > Some(0.9), "{}", run.summary());
}

#[test]
fn both_sides_of_a_split_brain_write_and_say_what_they_lack() {
    let (run, figures) = played(&scenario("split-brain"));
    assert_eq!((figures.refused, figures.lost), (0, 0), "{}", run.summary());
    assert!(figures.answers_complete < figures.answers && figures.restored_after_s.is_some(), "{}", run.summary());
}

#[test]
fn a_dark_rack_comes_back_and_is_paid() {
    let (run, figures) = played(&scenario("rack-loss"));
    assert_eq!(figures.lost, 0, "{}", run.summary());
    assert!(
        run.nodes[0].state.contains(&NodeState::Down) && figures.restored_after_s < Some(120.0),
        "{}",
        run.summary()
    );
}

#[test]
fn a_burnt_rack_takes_nothing_with_it_that_had_copies_elsewhere() {
    let (run, figures) = played(&scenario("rack-burns"));
    assert_eq!(run.nodes[0].state.last(), Some(&NodeState::Absent));
    assert!(figures.lost <= LOST_WITH_A_RACK && figures.restored_after_s.is_some(), "{}", run.summary());
}

#[test]
fn a_new_disk_is_filled_again_and_rot_is_mended() {
    let (run, figures) = played(&scenario("disk-loss"));
    assert!(figures.lost <= 1 && figures.restored_after_s.is_some(), "{}", run.summary());
}

#[test]
fn a_slow_node_refuses_nobody() {
    let (run, figures) = played(&scenario("slow-node"));
    assert_eq!((figures.refused, figures.lost), (0, 0), "{}", run.summary());
}

#[test]
fn a_ten_fold_burst_is_taken_whole() {
    let mut scenario = scenario("ten-fold-burst");
    // A fifth of the work tells the same, sooner.
    scenario.work.rate = 1.0;
    let (run, figures) = played(&scenario);
    assert!(figures.accepted > 4_000, "{}", run.summary());
    assert_eq!((figures.refused, figures.lost), (0, 0), "{}", run.summary());
}

#[test]
fn a_flapping_link_costs_no_write() {
    let (run, figures) = played(&scenario("flapping-link"));
    assert_eq!((figures.refused, figures.lost), (0, 0), "{}", run.summary());
}

#[test]
fn two_regions_go_on_without_each_other() {
    let (run, figures) = played(&scenario("two-region-wan"));
    assert_eq!((figures.refused, figures.lost), (0, 0), "{}", run.summary());
}

#[test]
fn a_mesh_grows_while_it_works() {
    let (run, figures) = played(&scenario("grow"));
    assert_eq!((figures.refused, figures.lost), (0, 0), "{}", run.summary());
    assert_eq!(run.nodes[19].state.first(), Some(&NodeState::Absent));
    assert!(*run.nodes[19].disk_bytes.last().unwrap() > 0, "{}", run.summary());
}

#[test]
fn a_leaver_and_a_lost_node_take_nothing_with_them() {
    let (run, figures) = played(&scenario("decommission"));
    assert!(figures.lost <= 1, "{}", run.summary());
    assert!([0, 5].iter().all(|node| run.nodes[*node].state.last() == Some(&NodeState::Absent)), "{}", run.summary());
}

#[test]
fn a_hundred_nodes_in_peace_refuse_and_lose_nothing() {
    let mut scenario = shortened(scenario("hundred-nodes"), Duration::from_secs(90));
    scenario.timeline.clear();
    let (run, figures) = played(&scenario);
    assert_eq!((figures.refused, figures.lost), (0, 0), "{}", run.summary());
}

#[test]
#[ignore = "takes minutes: cargo test -p logmesh-sim --test scenarios -- --ignored"]
fn a_thousand_nodes_meet() {
    let mut scenario = shortened(scenario("thousand-nodes"), Duration::from_secs(20));
    scenario.settles = Duration::from_secs(20);
    let run = play(&scenario, &mut |_| {});
    assert_eq!(run.outcome.broken, Vec::<String>::new(), "{}", run.summary());
    assert_eq!(run.nodes.iter().filter(|node| node.state.last() == Some(&NodeState::Up)).count(), 1_000);
}

#[test]
fn equal_seeds_give_equal_recordings() {
    let scenario = shortened(scenario("rolling-restart"), Duration::from_secs(150));
    let [one, other] = [play(&scenario, &mut |_| {}), play(&scenario, &mut |_| {})];
    assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&other).unwrap());
    let another = play(&Scenario { seed: 2, ..scenario }, &mut |_| {});
    assert_ne!(one.outcome.trace, another.outcome.trace);
}

#[test]
fn a_report_stands_alone_and_is_closed() {
    let scenario = shortened(scenario("rolling-restart"), Duration::from_secs(150));
    let page = play(&scenario, &mut |_| {}).to_html();
    for outside in ["http:", "https:", " src=", "url(", "@import", "<link"] {
        assert!(!page.contains(outside), "the report asks for something outside: {outside}");
    }
    for element in ["section", "svg", "div", "script", "style", "header", "output", "canvas"] {
        let (opened, closed) =
            (page.matches(&format!("<{element}")).count(), page.matches(&format!("</{element}>")).count());
        assert!(opened == closed && opened > 0, "{element}: {opened} opened, {closed} closed");
    }
}

/// What had been acknowledged within the last moment before and had no copy outside of the rack.
const LOST_WITH_A_RACK: u64 = 3;
