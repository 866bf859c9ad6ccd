//! Faults of the network: what happens to packets, what is recorded, replayed, kept and left
//! out when a failure is made small.

use std::collections::BTreeSet;
use std::time::Duration;

use retake_sim::explore::Explorer;
use retake_sim::{Fault, FaultPlan, Run, Sim, net};
use retake_testkit::MS;
use retake_testkit::faulted::{
    each_changes_the_run_and_is_replayed, each_is_reported_and_changes_nothing, faults, injected,
    kept, said,
};
use retake_traces::record::Record;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SECOND: Duration = Duration::from_secs(1);
/// Requests of the client, one each 100 ms.
const REQUESTS: u8 = 20;

/// For each request: the milliseconds until its answer came, or why none came.
type Answers = Vec<Result<u64, String>>;

/// A client asks a server, which sends back what it gets, on one connection as long as it
/// holds. A packet takes 2 ms.
async fn echo() -> Answers {
    net::start(net::Network::new().latency(2 * MS..=2 * MS));
    let listener = net::TcpListener::bind("0.0.0.0:80").await.unwrap();
    retake::spawn_named("server", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            retake::spawn_named("connection", async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    let _ = stream.write_all(&byte).await;
                }
            });
        }
    });
    net::on("client", client()).await
}

async fn client() -> Answers {
    let mut stream = None;
    let mut answers = Vec::new();
    for number in 0..REQUESTS {
        let start = retake::now();
        let answer = retake::timeout(SECOND, ask(&mut stream, number)).await;
        let answer = match answer {
            Ok(Ok(())) => Ok(start.elapsed().as_millis() as u64),
            Ok(Err(error)) => Err(error.kind().to_string()),
            Err(_) => Err("no answer".to_owned()),
        };
        if answer.is_err() {
            stream = None;
        }
        answers.push(answer);
        retake::sleep(100 * MS).await;
    }
    answers
}

async fn ask(stream: &mut Option<net::TcpStream>, number: u8) -> std::io::Result<()> {
    if stream.is_none() {
        *stream = Some(net::TcpStream::connect("server:80").await?);
    }
    let stream = stream.as_mut().expect("it was set");
    stream.write_all(&[number]).await?;
    let mut byte = [0];
    stream.read_exact(&mut byte).await?;
    retake::always!(byte[0] == number, "the answer to another request");
    Ok(())
}

fn run(seed: u64, faults: Vec<Fault>) -> (Run<Answers>, Vec<Record>) {
    retake_testkit::faulted::run(seed, faults, echo)
}

fn answers(seed: u64, texts: &[&str]) -> Answers {
    let (run, _) = run(seed, faults(texts));
    assert_eq!(run.warnings, Vec::<String>::new(), "{texts:?}");
    run.expect_passed()
}

/// Whether an answer took longer than one without faults, or is missing.
fn is_late(answer: &Result<u64, String>) -> bool {
    *answer != Ok(4) && *answer != Ok(8)
}

#[test]
fn without_faults_each_answer_comes_in_time() {
    let answers = answers(1, &[]);
    // The first one has to connect.
    assert_eq!(answers[0], Ok(8));
    assert!(answers[1..].iter().all(|it| *it == Ok(4)), "{answers:?}");
}

#[test]
fn a_cut_link_brings_nothing_until_its_time_one_way_or_both() {
    for link in ["client -> server", "server -> client", "server - client"] {
        let fault = format!("cut {link} @1s until 1500ms");
        let (run, records) = run(1, faults(&[&fault]));
        let expected = format!("FAULT: {link} is cut until 1.500000000 s");
        assert_eq!(injected(&records), [expected]);
        assert!(said(&records, "meets a cut link") > 0, "{link}");
        let answers = run.expect_passed();
        let late: Vec<&u64> = answers.iter().flatten().filter(|it| **it > 8).collect();
        assert_eq!(late.len(), 1, "{link}: {answers:?}");
        assert!((400..1000).contains(late[0]), "{link}: {answers:?}");
        assert!(answers.iter().all(Result::is_ok), "{link}: {answers:?}");
    }
    let answers = answers(1, &["cut client -> server @1s"]);
    assert!(answers[..9].iter().all(Result::is_ok), "{answers:?}");
    let missing = answers.iter().filter(|it| it.is_err()).count();
    assert!(missing >= 10, "{answers:?}");
}

#[test]
fn a_reset_connection_ends_for_both_and_the_next_one_works() {
    for fault in ["reset client - server @1s", "reset server -> client @1s"] {
        let (run, records) = run(1, faults(&[fault]));
        assert_eq!(injected(&records).len(), 1);
        assert_eq!(said(&records, "becomes a reset of its connection"), 1);
        let answers = run.expect_passed();
        let errors: Vec<&String> = answers.iter().filter_map(|it| it.as_ref().err()).collect();
        assert_eq!(errors, ["connection reset"], "{answers:?}");
        assert!(answers[12..].iter().all(Result::is_ok), "{answers:?}");
    }
}

#[test]
fn lost_packets_are_sent_again() {
    let answers = answers(1, &["lose packets 20% @0s"]);
    let slow = answers.iter().flatten().filter(|it| **it >= 200).count();
    assert!(slow >= 3, "{answers:?}");
    for link in ["", "on server -> client "] {
        let all = format!("lose packets 100% {link}@1s until 1100ms");
        let answers = self::answers(1, &[&all]);
        assert!(answers.iter().all(Result::is_ok), "{link}: {answers:?}");
    }
}

#[test]
fn delayed_packets_take_longer_between_the_times_of_the_fault() {
    let answers = answers(1, &["delay packets by 30ms @500ms until 1s"]);
    assert!(!answers[..4].iter().any(is_late), "{answers:?}");
    let slow = answers.iter().filter(|it| **it == Ok(64)).count();
    assert!((2..=4).contains(&slow), "{answers:?}");
    assert_eq!(answers[15..], [Ok(4), Ok(4), Ok(4), Ok(4), Ok(4)]);
    let one_way = self::answers(1, &["delay packets by 30ms on client -> server @500ms"]);
    assert_eq!(one_way[19], Ok(34));
    let some = self::answers(1, &["delay packets by 30ms rate 20% @0s"]);
    let took: BTreeSet<u64> = some[1..].iter().flatten().copied().collect();
    assert!(took.contains(&4) && took.contains(&34), "{took:?}");
}

#[test]
fn doubled_and_overtaken_packets_change_no_answer() {
    for (fault, what) in [
        ("duplicate packets 50% @0s", "comes twice"),
        ("reorder packets 30% @0s", "may be overtaken"),
    ] {
        for seed in 0..10 {
            let (run, records) = run(seed, faults(&[fault]));
            assert!(said(&records, what) > 3, "{fault}");
            let answers = run.expect_passed();
            assert!(answers.iter().all(Result::is_ok), "{fault}: {answers:?}");
        }
    }
}

#[test]
fn a_heal_lets_all_packets_through() {
    let answers = answers(1, &["cut client - server @1s", "heal @1500ms"]);
    let late = answers.iter().filter(|it| is_late(it)).count();
    assert_eq!(late, 1, "{answers:?}");
}

#[test]
fn a_cut_of_any_link_is_recorded_with_the_hosts_of_its_first_packet() {
    let (_, records) = run(1, faults(&["cut * -> * @1s until 1200ms"]));
    let expected = "FAULT: client -> server is cut until 1.200000000 s";
    assert_eq!(injected(&records), [expected]);
}

#[test]
fn a_fault_that_meets_no_packet_is_reported_and_changes_nothing() {
    let cases = [
        "cut client -> sever @1s => the network has no host `sever`: did you mean `server`?",
        "delay packets by 1ms @9s => it affected no packet from then on",
        "duplicate packets 0.0001% @0s => it affected no packet from then on",
    ];
    each_is_reported_and_changes_nothing(&cases, echo);
    let sim = Sim::new().faults(faults(&["cut a - b @1s"]));
    let alone = sim.run(|| async {});
    let why = "fault `cut a - b @1s` was not injected: the run has no network";
    assert_eq!(alone.warnings, [why]);
}

#[test]
fn a_loss_that_is_injected_later_needs_a_network_that_sends_again() {
    let scenario = |network: net::Network| {
        move || {
            let network = network.clone();
            async move {
                net::start(network);
                retake_sim::inject("lose packets 50% @0s".parse().unwrap());
                let listener = net::TcpListener::bind("0.0.0.0:80").await.unwrap();
                retake::spawn(async move {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    stream.write_all(b"hello").await.unwrap();
                });
                let reads = net::on("client", async {
                    let mut stream = net::TcpStream::connect("server:80").await.unwrap();
                    let mut text = String::new();
                    stream.read_to_string(&mut text).await.unwrap();
                    text
                });
                reads.await
            }
        }
    };
    let run = |network| {
        let run = Sim::new().seed(1).run(scenario(network));
        (
            run.warnings.join("; "),
            run.stats.faults,
            run.expect_passed(),
        )
    };
    let resends = run(net::Network::new().resends());
    assert_eq!(resends, (String::new(), 1, "hello".to_owned()));
    let (warnings, faults, text) = run(net::Network::new());
    let why = "start it with `Network::resends`";
    assert!(warnings.contains(why), "{warnings}");
    assert_eq!((faults, &*text), (0, "hello"));
}

/// One for each kind.
const KINDS: [&str; 6] = [
    "cut client -> server @1s until 1200ms",
    "reset client - server @1s",
    "lose packets 10% @0s",
    "delay packets by 30ms rate 50% @1s",
    "duplicate packets 30% on client - server @0s",
    "reorder packets 30% on * -> server @500ms",
];

#[test]
fn each_kind_is_in_the_trace_changes_the_run_and_is_replayed() {
    each_changes_the_run_and_is_replayed(&KINDS, echo);
    let kinds = faults(&KINDS);
    let verbs: BTreeSet<&str> = kinds.iter().map(|it| it.action.verb()).collect();
    let of_network = retake_sim::kinds::verbs()
        .filter(|verb| verb.contains("packets") || ["cut", "reset"].contains(verb));
    assert_eq!(verbs, of_network.collect(), "a kind has no line above");
}

async fn in_time() {
    let answers = echo().await;
    let is_late = |answer: &Result<u64, String>| answer.as_ref().is_ok_and(|it| *it > 100);
    retake::always!(!answers.iter().any(is_late), "an answer is late");
}

#[test]
fn a_fault_that_decides_is_kept_and_others_are_left_out() {
    let texts = [
        "duplicate packets 20% @0s",
        "delay packets by 3ms @0s",
        "cut server -> client @1s until 1300ms",
        "break till quota @0s",
        "clock +5s @10ms",
    ];
    let kept = kept(0..2, &texts, in_time);
    // It begins with the first packet that it has lost.
    assert!(kept.starts_with("cut server -> client @1"), "{kept}");
    assert!(kept.ends_with("s until 1300ms"), "{kept}");
}

#[test]
fn a_swarm_lets_the_network_of_a_scenario_fail() {
    let answers = async || {
        let answers = echo().await;
        retake::sometimes!(answers.iter().any(is_late), "an answer is late or missing");
        retake::healed().await;
    };
    let plan: FaultPlan = serde_json::from_str(r#"{"swarm": {"kinds": ["network"]}}"#).unwrap();
    let campaign = Explorer::new("echo").seeds(0..40).faults(plan).run(answers);
    assert_eq!(campaign.failures.len(), 0);
    assert!(campaign.faults > 20, "{} faults", campaign.faults);
    assert!(campaign.goals["an answer is late or missing"] > 5);
}
