//! Wants a socket, which no agent gets: the standard library's TCP imports `wasi:sockets`, and the host must refuse to deploy it
//! with the name of that import.

use std::net::TcpStream;

use bailiwick_sdk::{Agent, Failure, Host, Message, Outcome, export_agent};

#[derive(Default)]
struct Greedy;

impl Agent for Greedy {
    fn handle(&mut self, _host: &impl Host, _message: Message) -> Outcome {
        let refused = |error: std::io::Error| Failure::reject(error.to_string());
        TcpStream::connect(("127.0.0.1", 80)).map_err(refused)?;
        Ok(None)
    }
}

export_agent!(Greedy);
