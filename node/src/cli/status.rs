//! `logmesh status`: the members, what is owed to whom, and how repair is doing, as one node sees it.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::client::{Client, ClientError, Target};
use super::output::{Colour, Paint, human_bytes, human_count, human_duration, printable, table};
use super::{Exit, Failure};

/// Shows the mesh as one node sees it.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    target: Target,
    /// Print the node's answer as it came
    #[arg(long)]
    json: bool,
    /// Exit with 1 unless all is well: every member live, every disk writable, nothing owed, every segment in full copies
    #[arg(long)]
    check: bool,
}

/// What `GET /logmesh/v1/status` answers. What a node of another version leaves out is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Mesh {
    node: String,
    name: String,
    version: String,
    ready: bool,
    copies: u64,
    /// `running`, `leaving`, `left` or `stopping`.
    pub(super) state: String,
    disk: Disk,
    members: Vec<Member>,
    segments: Segments,
    repair: Repair,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Disk {
    free_bytes: u64,
    state: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Member {
    node: String,
    name: String,
    state: String,
    #[serde(rename = "self")]
    own: bool,
    address: String,
    zone: String,
    weight: u64,
    version: String,
    since_seconds: Option<f64>,
    owed_batches: u64,
    owed_bytes: u64,
    disk: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Segments {
    count: u64,
    batches: u64,
    under_copied: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Repair {
    rounds: u64,
    in_sync: u64,
    last_round_seconds_ago: Option<f64>,
    batches_received: u64,
    bytes_received: u64,
    damaged_batches: u64,
}

impl Status {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let client = self.target.client(ANSWER_TIMEOUT);
        let answer = client.get("/logmesh/v1/status", &[], &[])?.accepted(&client)?;
        let mesh: Mesh = answer.json(&client)?;
        let mut out = io::stdout().lock();
        if self.json {
            out.write_all(&answer.body)?;
            writeln!(out)?;
        } else {
            out.write_all(mesh.show(Paint::stdout()).as_bytes())?;
        }
        Ok(if self.check && !mesh.is_well() { Exit::Failed } else { Exit::Done })
    }
}

impl Mesh {
    /// Asks a node how its mesh is.
    pub(super) fn ask(client: &Client) -> Result<Self, ClientError> {
        client.get("/logmesh/v1/status", &[], &[])?.accepted(client)?.json(client)
    }

    /// Counts the batches that members other than `self` have still to be given, as this node sees it.
    pub(super) fn owed_batches(&self) -> u64 {
        self.remaining().map(|member| member.owed_batches).sum()
    }

    fn remaining(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.state != "departed")
    }

    fn is_well(&self) -> bool {
        let fine = |member: &Member| member.state == "live" && member.disk == "writable" && member.owed_batches == 0;
        self.ready && self.disk.state == "writable" && self.segments.under_copied == 0 && self.remaining().all(fine)
    }

    fn show(&self, paint: Paint) -> String {
        let state = if self.ready { self.state.clone() } else { format!("{}, not ready", self.state) };
        let disk = if self.disk.state == "writable" { "" } else { " (FULL: takes no pushes)" };
        let mut text = format!(
            "{} {} (version {}): {state}, {} free{disk}\n\n",
            printable(&self.name),
            paint.paint(Colour::Dim, &printable(&self.node)),
            printable(&self.version),
            human_bytes(self.disk.free_bytes),
        );
        text.push_str(&self.show_members(paint));
        let under = self.show_copies(paint);
        let Segments { count, batches, .. } = self.segments;
        text.push_str(&format!("\nsegments  {} with {} batches, {under}\n", human_count(count), human_count(batches)));
        text.push_str(&format!("repair    {}\n", self.repair.show(paint)));
        text
    }

    /// A mesh that is too small for `copies` has nothing to catch up with, and yet less than was asked for.
    fn show_copies(&self, paint: Paint) -> String {
        let (copies, members) = (self.copies, self.remaining().count());
        let too_small = usize::try_from(copies).is_ok_and(|copies| members < copies);
        let said = match self.segments.under_copied {
            0 if !too_small => return format!("all in full copies ({copies} wanted)"),
            0 => format!("on every one of {members} members; {copies} are needed for all copies"),
            count => format!("{} in fewer than {copies} copies", human_count(count)),
        };
        paint.paint(Colour::Yellow, &said)
    }

    fn show_members(&self, paint: Paint) -> String {
        let head = ["NAME", "NODE", "STATE", "SINCE", "ZONE", "WEIGHT", "ADDRESS", "VERSION", "DISK", "OWED"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.members.iter().map(|member| member.row(paint)));
        table(&rows)
    }
}

impl Member {
    fn row(&self, paint: Paint) -> Vec<String> {
        let colour = match self.state.as_str() {
            "live" => Colour::Green,
            "away" => Colour::Red,
            _ => Colour::Yellow,
        };
        let since = self.since_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let owed = match self.owed_batches {
            0 => "nothing".to_owned(),
            batches => format!("{} batches, {}", human_count(batches), human_bytes(self.owed_bytes)),
        };
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { printable(text) };
        let short = self.node.get(self.node.len().saturating_sub(8)..).unwrap_or(&self.node);
        vec![
            format!("{}{}", or_dash(&self.name), if self.own { "*" } else { "" }),
            or_dash(short),
            paint.paint(colour, &printable(&self.state)),
            since.map_or_else(|| "-".to_owned(), human_duration),
            or_dash(&self.zone),
            self.weight.to_string(),
            or_dash(&self.address),
            or_dash(&self.version),
            or_dash(&self.disk),
            owed,
        ]
    }
}

impl Repair {
    fn show(&self, paint: Paint) -> String {
        let ago = self.last_round_seconds_ago.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let last = ago.map_or_else(|| "none yet".to_owned(), |ago| format!("last {} ago", human_duration(ago)));
        let damaged = match self.damaged_batches {
            0 => "nothing damaged".to_owned(),
            count => paint.paint(Colour::Red, &format!("{} damaged batches", human_count(count))),
        };
        format!(
            "{} rounds, {} in sync, {last}; {} batches received ({}); {damaged}",
            human_count(self.rounds),
            human_count(self.in_sync),
            human_count(self.batches_received),
            human_bytes(self.bytes_received),
        )
    }
}

/// A node that cannot say how it is within this time is not well.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn mesh() -> Mesh {
        let json = r#"{"node":"12D3KooWabcdefgh","name":"a","version":"0.1.0","ready":true,"copies":2,"state":"running",
            "disk":{"free_bytes":1073741824,"state":"writable"},"members":[
            {"node":"12D3KooWabcdefgh","name":"a","state":"live","self":true,"address":"127.0.0.1:7946","zone":"",
             "weight":1,"version":"0.1.0","since_seconds":12.3,"owed_batches":0,"owed_bytes":0,"disk":"writable"},
            {"node":"12D3KooWzzzzzzzz","name":"b","state":"live","self":false,"address":"127.0.0.1:7947","zone":"r1",
             "weight":1,"version":"0.1.0","since_seconds":null,"owed_batches":0,"owed_bytes":0,"disk":"writable"}],
            "segments":{"count":1,"batches":2,"under_copied":0,"bytes":5},
            "repair":{"rounds":1,"in_sync":1,"last_round_seconds_ago":2.0,"batches_received":1,"bytes_received":1,
            "damaged_batches":0}}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_person_can_read_it() {
        let shown = mesh().show(Paint::plain());
        let expected = "\
a 12D3KooWabcdefgh (version 0.1.0): running, 1.0 GiB free

NAME  NODE      STATE  SINCE  ZONE  WEIGHT  ADDRESS         VERSION  DISK      OWED
a*    abcdefgh  live   12.3s  -     1       127.0.0.1:7946  0.1.0    writable  nothing
b     zzzzzzzz  live   -      r1    1       127.0.0.1:7947  0.1.0    writable  nothing

segments  1 with 2 batches, all in full copies (2 wanted)
repair    1 rounds, 1 in sync, last 2.0s ago; 1 batches received (1 B); nothing damaged
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn all_is_well_only_if_all_is() {
        type Change = fn(&mut Mesh);
        let changes: &[Change] = &[
            |mesh| mesh.ready = false,
            |mesh| mesh.disk.state = "full".to_owned(),
            |mesh| mesh.members[1].state = "away".to_owned(),
            |mesh| mesh.members[1].disk = "full".to_owned(),
            |mesh| mesh.members[1].owed_batches = 1,
            |mesh| mesh.segments.under_copied = 1,
        ];
        assert!(mesh().is_well());
        for (at, change) in changes.iter().enumerate() {
            let mut mesh = mesh();
            change(&mut mesh);
            assert!(!mesh.is_well(), "change {at}");
        }
        let mut departed = mesh();
        departed.members[1].state = "departed".to_owned();
        assert!(departed.is_well());
    }

    #[test]
    fn too_few_members_for_all_copies_are_told() {
        let lonely = Mesh { copies: 3, ..mesh() };
        assert!(lonely.show(Paint::plain()).contains("on every one of 2 members; 3 are needed for all copies"));
    }

    #[test]
    fn an_answer_of_another_version_is_shown_as_far_as_it_goes() {
        let mesh: Mesh = serde_json::from_str(r#"{"node":"é","members":[{"node":"ééééééééé"}],"new":1}"#).unwrap();
        assert!(mesh.show(Paint::plain()).contains("not ready"));
    }
}
