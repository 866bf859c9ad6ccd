//! Faults of network, disk and machine.

use super::*;

/// What clients of a bad network got: the status and receipt of each answer, and
/// when each signal's client gave up.
type Got = (
    Vec<(u16, Option<u64>)>,
    std::collections::BTreeMap<String, u64>,
);

/// A network with latency.
fn delayed() -> net::Network {
    net::Network::new().latency(MS..=9 * MS)
}

async fn load_over(network: net::Network, clients: usize) -> (Stage, Got) {
    let stage = start_on(network, small(), SystemConfig::default()).await;
    (stage, load_on(clients).await)
}

/// Ask on a connection of its own; none if it is cut off.
async fn ask_over(id: String) -> Option<(u16, Option<u64>)> {
    let stream = TcpStream::connect("server:8080").await.ok()?;
    let mut client = Client(stream, Vec::new());
    client.write(push("acme", &id, 50.0)).await;
    let (status, body) = client.read().await?;
    let body: Value = serde_json::from_str(&body).ok()?;
    Some((status, body["receipt"].as_u64()))
}

async fn load_on(clients: usize) -> Got {
    let clients = (0..clients).map(|number| {
        retake::spawn(net::on("client", async move {
            let (mut answers, mut deadlines) = (Vec::new(), Vec::new());
            for message in 0..10 {
                let id = format!("{number}-{message}");
                // A body may take as long as the work.
                let deadline = retake::unix_time() + 25 * SECOND;
                deadlines.push((id.clone(), deadline.as_nanos() as u64));
                if let Ok(Some(answer)) = retake::timeout(30 * SECOND, ask_over(id)).await {
                    answers.push(answer);
                }
            }
            (answers, deadlines)
        }))
    });
    let mut got = Got::default();
    for (answers, deadlines) in all(clients).await {
        got.0.extend(answers);
        got.1.extend(deadlines);
    }
    got
}

#[test]
fn over_a_network_that_delays_loses_and_is_cut_what_is_answered_holds() {
    let mut statuses = 0;
    for seed in 0..10 {
        let run = Sim::new().seed(seed).run(|| async {
            let cut = |from: &str, to: &str, start: u32| net::Cut {
                from: from.to_owned(),
                to: to.to_owned(),
                start: start * SECOND,
                end: (start + 3) * SECOND,
            };
            let network = net::Network::new()
                .latency(MS..=50 * MS)
                .loss(0.02)
                .cut(cut("client", "server", 1))
                .cut(cut("server", "client", 6));
            let (stage, (answers, deadlines)) = load_over(network, 8).await;
            retake::sleep(60 * SECOND).await;
            let store = stage.system.store();
            let violations = [
                invariants::answers(store, &answers),
                invariants::late_work(&store.all(), &deadlines),
                invariants::drained(stage.ingress.depth().0),
                invariants::shedding(0, stage.ingress.depth().1, small().requests_max),
                invariants::ledger(store),
            ];
            assert_eq!(violations.concat(), []);
            answers.len()
        });
        statuses += run.expect_passed();
    }
    assert!((400..=800).contains(&statuses), "{statuses} of 800 answers");
}

/// Each fault of the network by itself, while it lasts: it has an effect, and what is answered
/// holds all the same. A client that was cut off asks again and is taken once.
#[test]
fn over_a_network_that_doubles_reorders_or_resets_a_request_is_taken_once() {
    let networks = [
        (delayed().duplicates(0.3), false),
        (delayed().overtakes(0.2), false),
        (delayed().resets(0.1), true),
        (delayed().resets(1.0).faults_until(Duration::ZERO), false),
    ];
    for (network, cuts_off) in networks {
        let mut cut_off = 0;
        for seed in 0..5 {
            let network = network.clone();
            let run = Sim::new().seed(seed).run(move || {
                let network = network.clone();
                async move {
                    let stage = start_on(network, small(), SystemConfig::default()).await;
                    let asking = retake::spawn(net::on("client", async move {
                        let (mut answers, mut cut_off) = (Vec::new(), 0);
                        for number in 0..20 {
                            loop {
                                match ask_over(format!("m-{number}")).await {
                                    Some(answer) => break answers.push(answer),
                                    None => cut_off += 1,
                                }
                            }
                        }
                        (answers, cut_off)
                    }));
                    let (answers, cut_off) = asking.await.unwrap();
                    assert!(answers.iter().all(|(status, _)| *status == 200));
                    let store = stage.system.store();
                    assert_eq!(invariants::answers(store, &answers), []);
                    assert_eq!(invariants::ledger(store), []);
                    for number in 0..20 {
                        assert_eq!(store.of_signal(&format!("m-{number}")).len(), 1);
                    }
                    cut_off
                }
            });
            cut_off += run.expect_passed();
        }
        assert_eq!(cut_off > 0, cuts_off, "{network:?}: {cut_off}");
    }
}

/// Faults of network and disk are events: they leave the schedule's hash as it is.
#[test]
fn each_fault_of_network_and_disk_is_told_in_the_trace_and_replayed() {
    let cut = net::Cut {
        from: "server".to_owned(),
        to: "client".to_owned(),
        start: 20 * MS,
        end: SECOND,
    };
    let networks = [
        ("meets a cut link", delayed().cut(cut)),
        ("is lost", delayed().loss(0.1)),
        ("comes twice", delayed().duplicates(0.3)),
        ("may be overtaken", delayed().overtakes(0.2)),
        ("becomes a reset", delayed().resets(0.2)),
    ];
    let disks = [
        ("disk: PowerCut at", DiskFault::PowerCut),
        ("disk: Error at", DiskFault::Error),
        ("disk: ShortWrite at", DiskFault::ShortWrite),
        ("disk: OutOfSpace at", DiskFault::OutOfSpace),
        ("disk: LostSync at", DiskFault::LostSync),
    ];
    let networks = networks.map(|(text, network)| (text, network, None));
    let disks = disks.map(|(text, fault)| (text, delayed(), Some((fault, 12))));
    for (text, network, fault) in networks.into_iter().chain(disks) {
        let run = |strategy: Strategy, story| {
            let (sink, network) = (MemorySink::new(), network.clone());
            let sim = Sim::new().seed(2).strategy(strategy).story(story);
            let run = sim.trace(sink.clone()).run(move || {
                let network = network.clone();
                async move {
                    let disk = SimulatedDisk::new();
                    if let Some((fault, operation)) = fault {
                        disk.fail_at(operation, fault);
                    }
                    let system = SystemConfig {
                        durability: Durability::Fsync(Arc::new(disk)),
                        ..SystemConfig::default()
                    };
                    let _stage = start_on(network, small(), system).await;
                    let asking = retake::spawn(net::on("client", async {
                        for number in 0..10 {
                            let _ = retake::timeout(SECOND, ask_over(number.to_string())).await;
                        }
                    }));
                    asking.await.unwrap();
                }
            });
            (run.event_hash, sink.records())
        };
        let (hash, recorded) = run(Strategy::Random, true);
        let is_recorded =
            |record: &Record| matches!(record, Record::Event(it) if it.text.contains(text));
        assert!(recorded.iter().any(is_recorded), "{text}");
        let schedule = Schedule::read(recorded.iter().cloned().map(Ok)).unwrap();
        let (_, replayed) = run(Strategy::Replay(Arc::new(schedule)), true);
        if let Some(divergence) = compare(("recorded", "replayed"), &recorded, &replayed) {
            panic!("{text}: {divergence}");
        }
        assert_eq!(run(Strategy::Random, false).0, hash, "{text}");
    }
}

/// The machine loses its power under load, and a new process takes over its files.
#[test]
fn what_was_answered_survives_a_crash_of_the_machine() {
    let mut answered = 0;
    for seed in 0..20 {
        let run = Sim::new().seed(seed).run(move || async move {
            let mut config = fs::FsConfig::default();
            config.block_size(64).sync_probability(0.1);
            let machine = file_system(config);
            let system = || SystemConfig {
                durability: Durability::GroupCommit {
                    disk: log_on(&machine),
                    delay: 2 * MS,
                    batch: 8,
                },
                ..SystemConfig::default()
            };
            let stage = start_on(delayed().loss(0.01), small(), system()).await;
            let crash = {
                let machine = machine.clone();
                retake::spawn(async move {
                    retake::sleep(Duration::from_millis(40 + 17 * seed)).await;
                    machine.crash();
                })
            };
            let (answers, _) = load_on(8).await;
            crash.await.unwrap();
            stage.system.stop().await;

            let successor = System::start(system()).await.unwrap();
            let store = successor.store();
            assert_eq!(invariants::answers(store, &answers), []);
            assert_eq!(invariants::ledger(store), []);
            answers.iter().filter(|(status, _)| *status == 200).count()
        });
        answered += run.expect_passed();
    }
    assert!(
        (100..1600).contains(&answered),
        "{answered} of 1600 signals"
    );
}

#[test]
fn mutants_of_the_ingress_are_caught() {
    let run = Sim::new().run(|| async {
        let (stage, (answers, deadlines)) = load_over(net::Network::new(), 1).await;
        let mut client = connect().await;
        let refused = client.ask(push("nobody", "m", 1.0)).await;
        (stage.system.store().clone(), answers, deadlines, refused)
    });
    let (store, answers, deadlines, refused) = run.expect_passed();
    let taken = answers[0].1;
    let refusal = refused.1["receipt"].as_u64();
    assert_eq!(invariants::answers(&store, &answers), []);
    assert_eq!(invariants::answers(&store, &[(403, refusal)]), []);
    // 32: no receipt; one that is not there; a refusal; something else for a refusal.
    for wrong in [(200, None), (200, Some(999)), (200, refusal), (403, taken)] {
        assert_eq!(numbers(&invariants::answers(&store, &[wrong])), [32]);
    }
    // 33: shed too early; too many.
    assert_eq!(invariants::shedding(3, 4, 4), []);
    assert_eq!(numbers(&invariants::shedding(3, 3, 4)), [33]);
    assert_eq!(numbers(&invariants::shedding(0, 5, 4)), [33]);
    // 34: after the deadline.
    let early = deadlines.keys().map(|id| (id.clone(), 0)).collect();
    let late = numbers(&invariants::late_work(&store.all(), &early));
    assert_eq!(late, [34; 10]);
    // 35: something is left.
    assert_eq!(invariants::drained(0), []);
    assert_eq!(numbers(&invariants::drained(1)), [35]);
}
