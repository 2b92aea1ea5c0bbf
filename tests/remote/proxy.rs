//! A proxy between the command and the server: it counts requests, and spoils one of them or
//! all from one on.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// How requests go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// From the chosen one on, every connection is closed without an answer.
    Gone,
    /// From the chosen one on, no answer comes, and the connection stays open.
    Silent,
    /// The server does what it was asked, and from the chosen one on nobody learns of it.
    Unheard,
    /// Half of the answer's body comes, once.
    Half,
    /// A bit of the answer's body changes, once.
    Changed,
    /// The same, but in the last part of it.
    ChangedLate,
    /// A bit of what is sent changes, once.
    ChangedOnItsWay,
}

/// All of them.
pub const FAULTS: [Fault; 6] = [
    Fault::Gone,
    Fault::Silent,
    Fault::Unheard,
    Fault::Half,
    Fault::Changed,
    Fault::ChangedOnItsWay,
];

type Call = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    /// Method and path of every request.
    requests: Vec<(String, String)>,
    fault: Option<(usize, Fault)>,
    call: Option<(usize, Call)>,
    /// Connections that wait in vain.
    silent: Vec<TcpStream>,
}

/// A proxy in front of one server.
pub struct Proxy {
    /// Where it listens.
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    pub fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state: Arc<Mutex<State>> = Arc::default();
        let (server, shared) = (server.to_owned(), Arc::clone(&state));
        // It ends with the process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, state) = (server.clone(), Arc::clone(&shared));
                thread::spawn(move || drop(serve(client, &server, &state)));
            }
        });
        Self { address, state }
    }

    /// From now on the `at`th request is spoiled, counted from 0.
    pub fn spoil(&self, at: usize, fault: Fault) {
        *self.state.lock().unwrap() = State { fault: Some((at, fault)), ..State::default() };
    }

    /// Calls this when the `at`th request has come, before it is passed on.
    pub fn call(&self, at: usize, call: impl FnOnce() + Send + 'static) {
        let call: Option<(usize, Call)> = Some((at, Box::new(call)));
        *self.state.lock().unwrap() = State { call, ..State::default() };
    }

    /// The requests since the last time; from now on nothing is spoiled.
    pub fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.state.lock().unwrap()).requests
    }
}

/// Passes one request on, and the answer back. Each connection serves one.
fn serve(mut client: TcpStream, server: &str, state: &Mutex<State>) -> io::Result<()> {
    let (head, mut body) = read_request(&mut client)?;
    let (fault, call) = {
        let mut state = state.lock().unwrap();
        let number = state.requests.len();
        let mut words = head.split(' ').map(str::to_owned);
        state.requests.push((words.next().unwrap_or_default(), words.next().unwrap_or_default()));
        let fault = state.fault.and_then(|(at, fault)| match fault {
            Fault::Gone | Fault::Silent | Fault::Unheard => (number >= at).then_some(fault),
            _ => (number == at).then_some(fault),
        });
        let call = state.call.take_if(|(at, _)| *at == number);
        if fault == Some(Fault::Silent) {
            state.silent.push(client);
            return Ok(());
        }
        (fault, call)
    };
    if let Some((_, call)) = call {
        call();
    }
    if fault == Some(Fault::Gone) {
        return client.shutdown(Shutdown::Both);
    }
    if fault == Some(Fault::ChangedOnItsWay) {
        flip(&mut body, 0, 2);
    }
    let mut upstream = TcpStream::connect(server)?;
    let (line, rest) = head.split_once("\r\n").unwrap_or_default();
    upstream.write_all(format!("{line}\r\nConnection: close\r\n{rest}").as_bytes())?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    let body_at = end_of_head(&answer).unwrap_or(answer.len());
    match fault {
        Some(Fault::Unheard) => return client.shutdown(Shutdown::Both),
        Some(Fault::Half) => answer.truncate(body_at + (answer.len() - body_at) / 2),
        Some(Fault::Changed) => flip(&mut answer, body_at, 2),
        Some(Fault::ChangedLate) => flip(&mut answer, body_at, 5),
        _ => {}
    }
    client.write_all(&answer)?;
    client.shutdown(Shutdown::Write)
}

/// Changes a bit where the last of so many parts begins of what begins at `from`.
fn flip(bytes: &mut [u8], from: usize, parts: usize) {
    let at = from + (bytes.len() - from) * (parts - 1) / parts;
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn read_request(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    let end = loop {
        if let Some(end) = end_of_head(&bytes) {
            break end;
        }
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..count]);
    };
    let body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut rest = vec![0; length.unwrap_or(0).saturating_sub(body.len())];
    client.read_exact(&mut rest)?;
    Ok((head, [body, rest].concat()))
}
