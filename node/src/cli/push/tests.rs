//! Sends to a made-up node that answers by a script.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    push: Push,
}

/// One request as the made-up node saw it: its first line and its body.
type Seen = (String, String);

/// What came of a push: its end, what it printed, and what the node saw.
type Pushed = (Result<Exit, Failure>, String, Vec<Seen>);

/// Pushes `text` as one file to a node that gives `answers` one after another, each on a connection of its own.
fn push(arguments: &[&str], text: &str, answers: &'static [&'static str]) -> Pushed {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let node = thread::spawn(move || answers.iter().map(|answer| serve(&listener, answer)).collect());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    let push = Line::try_parse_from([&["push", path, "--to", &url], arguments].concat()).unwrap().push;
    let mut out = Vec::new();
    let outcome = push.run_to(&mut out);
    (outcome, String::from_utf8(out).unwrap(), node.join().unwrap())
}

fn serve(listener: &TcpListener, answer: &str) -> Seen {
    let mut stream = BufReader::new(listener.accept().unwrap().0);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let length =
        head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let (status, said) = answer.split_once('|').unwrap_or((answer, ""));
    let (status, headers) = status.split_once(';').unwrap_or((status, "x: y"));
    let length = said.len();
    let reply =
        format!("HTTP/1.1 {status}\r\n{headers}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}");
    stream.get_mut().write_all(reply.as_bytes()).unwrap();
    (head.swap_remove(0), String::from_utf8(body).unwrap())
}

#[test]
fn lines_are_sent_with_their_labels() {
    let arguments = ["--label", "app=a b", "-l", "x=1", "--copies", "2"];
    let (outcome, said, seen) = push(&arguments, "one\ntwo\n", &["204 No Content;logmesh-copies: 2"]);
    assert!(matches!(outcome, Ok(Exit::Done)), "{outcome:?}");
    assert!(said.starts_with("2 records accepted (8 B)") && said.ends_with("held by at least 2 nodes\n"), "{said}");
    assert_eq!(seen, [("POST /logmesh/v1/lines?app=a%20b&x=1&copies=2 HTTP/1.1".to_owned(), "one\ntwo\n".to_owned())]);
}

#[test]
fn what_the_node_cannot_take_now_is_sent_again() {
    let answers =
        &["503 Busy;retry-after: 0|wait", "507 Full;retry-after: 0|full", "429 Slow;retry-after: 0", "204 Ok"];
    let (outcome, _, seen) = push(&[], "one\n", answers);
    assert!(matches!(outcome, Ok(Exit::Done)), "{outcome:?}");
    assert_eq!(seen.iter().filter(|(_, body)| body == "one\n").count(), 4);
}

#[test]
fn sending_again_has_an_end() {
    let (outcome, _, _) = push(&["--retry-for", "1s"], "one\n", &["507 Full;retry-after: 30|the disk is full"]);
    let error = outcome.expect_err("the node never took it");
    assert_eq!(error.code(), Exit::Failed);
    assert!(error.to_string().contains("the disk is full"), "{error}");
}

#[test]
fn bad_records_are_told_and_good_ones_kept() {
    let answers = &["400 Bad;logmesh-copies: 2|1 record was rejected, all others were kept: line 2: too old"];
    let (outcome, said, _) = push(&["--json"], "a\nb\nc\n", answers);
    assert!(matches!(outcome, Ok(Exit::Failed)), "{outcome:?}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["accepted"], &said["rejected"], &said["copies"]), (&2.into(), &1.into(), &2.into()), "{said}");
}

#[test]
fn a_push_refused_whole_is_an_error() {
    let (outcome, _, _) = push(&[], "a\n", &["400 Bad|the stream cannot be taken"]);
    let error = outcome.expect_err("nothing was taken");
    assert!(error.to_string().contains("the stream cannot be taken"), "{error}");
}

#[test]
fn a_node_that_is_not_there_has_its_own_exit_code() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a\n").unwrap();
    let line = ["push", file.path().to_str().unwrap(), "--to", &free.to_string()];
    let error = Line::try_parse_from(line).unwrap().push.run_to(&mut Vec::new()).expect_err("nobody listens");
    assert_eq!(error.code(), Exit::Unreachable);
}

#[test]
fn labels_are_checked_before_anything_is_sent() {
    assert_eq!(parse_label("app=a=b"), Ok(("app".to_owned(), "a=b".to_owned())));
    assert_eq!(parse_label("_x9="), Ok(("_x9".to_owned(), String::new())));
    for bad in ["app", "=x", "9a=x", "a-b=x", "é=x", "copies=2", "strict=1"] {
        assert!(parse_label(bad).is_err(), "{bad} was taken");
    }
}

#[test]
fn a_node_says_how_many_it_rejected() {
    for (said, expected) in [
        ("3 records were rejected, all others were kept: line 4: too long", Some(3)),
        ("1 record was rejected, all others were kept: line 4: too long", Some(1)),
        ("3 lambs were rejected", None),
        ("the body is no UTF-8", None),
        ("", None),
    ] {
        assert_eq!(rejected_count(said), expected, "{said}");
    }
}

#[test]
fn the_tally_keeps_the_fewest_copies_and_few_reasons() {
    let mut tally = Tally::default();
    tally.accept(1, 10, None);
    tally.accept(2, 20, Some(3));
    tally.accept(3, 30, Some(2));
    for _ in 0..2 * REASONS_MAX {
        tally.reject(1, "bad".to_owned());
    }
    assert_eq!((tally.accepted, tally.bytes, tally.copies), (6, 60, Some(2)));
    assert_eq!((tally.rejected, tally.reasons.len()), (20, REASONS_MAX));
}
