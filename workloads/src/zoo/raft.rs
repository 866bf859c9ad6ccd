//! Raft election of five servers. A candidate asks again for votes in the same term;
//! voters grant again what they have granted; and the candidate counts answers instead
//! of voters. Oracle: one leader a term.

use std::collections::{BTreeMap, BTreeSet};

use ractor::ActorRef;

use super::{MS, Shared, actor, lock, send, shared, tell};

#[derive(Clone, Debug)]
enum Message {
    Peers(Vec<ActorRef<Message>>),
    Election,
    AskAgain(u32),
    RequestVote { term: u32, candidate: usize },
    Vote { term: u32, voter: usize },
}

#[derive(Debug)]
struct Server {
    number: usize,
    fixed: bool,
    peers: Vec<ActorRef<Message>>,
    term: u32,
    voted_for: Option<usize>,
    votes: Vec<usize>,
    is_leader: bool,
    leaders: Shared<BTreeMap<u32, usize>>,
}

const SERVERS: usize = 5;

fn ask(server: &Server) {
    for (number, peer) in server.peers.iter().enumerate() {
        if number != server.number {
            let (term, candidate) = (server.term, server.number);
            send(peer, Message::RequestVote { term, candidate });
        }
    }
}

fn handle(myself: &ActorRef<Message>, message: Message, server: &mut Server) {
    match message {
        Message::Peers(peers) => server.peers = peers,
        Message::Election => {
            server.term += 1;
            server.voted_for = Some(server.number);
            server.votes = vec![server.number];
            ask(server);
            let term = server.term;
            retake::send_after(myself, MS, move || Message::AskAgain(term));
        }
        Message::AskAgain(term) => {
            if server.term == term && !server.is_leader {
                ask(server);
            }
        }
        Message::RequestVote { term, candidate } => {
            if term > server.term {
                server.term = term;
                server.voted_for = None;
            }
            let free = server.voted_for.is_none_or(|voted| voted == candidate);
            if term == server.term && free {
                server.voted_for = Some(candidate);
                let voter = server.number;
                tell(&server.peers[candidate], Message::Vote { term, voter });
            }
        }
        Message::Vote { term, voter } => {
            if term != server.term || server.is_leader {
                return;
            }
            server.votes.push(voter);
            let voters: BTreeSet<usize> = server.votes.iter().copied().collect();
            let votes = if server.fixed {
                voters.len()
            } else {
                server.votes.len()
            };
            if votes > SERVERS / 2 {
                server.is_leader = true;
                let mut leaders = lock(&server.leaders);
                let first = *leaders.entry(term).or_insert(server.number);
                let second = server.number;
                retake::always!(first == second, "{first} and {second} lead in term {term}");
            }
        }
    }
}

pub(super) async fn run(fixed: bool) {
    let leaders = shared(BTreeMap::new());
    let mut servers = Vec::new();
    for number in 0..SERVERS {
        let server = Server {
            number,
            fixed,
            peers: Vec::new(),
            term: 0,
            voted_for: None,
            votes: Vec::new(),
            is_leader: false,
            leaders: leaders.clone(),
        };
        servers.push(actor(&format!("server-{number}"), server, handle).await);
    }
    for server in &servers {
        tell(server, Message::Peers(servers.clone()));
    }
    for candidate in [0, 4] {
        tell(&servers[candidate], Message::Election);
    }
    retake::sleep(10 * MS).await;
    retake::sometimes!(!lock(&leaders).is_empty(), "a leader is elected");
}
