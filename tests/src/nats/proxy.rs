//! A line between clients and a server that loses what the server says: acknowledgements, and receipts.

use std::{
    io::{Read, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::frames::Frames;

/// A proxy of one server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    server: SocketAddr,
    /// A client that says this hears nothing more.
    last_words: Mutex<Option<&'static str>>,
    /// Messages on subjects that begin like this are lost.
    lost_subjects: Mutex<Option<&'static str>>,
    /// How many were.
    lost: AtomicUsize,
    is_over: AtomicBool,
    /// Both ends of every connection.
    ends: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on a free port, for the server on that port of loopback.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let line = Arc::new(Line {
            server,
            last_words: Mutex::default(),
            lost_subjects: Mutex::default(),
            lost: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            ends: Mutex::default(),
        });
        let accepting = Arc::clone(&line);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                accepting.join(client);
            }
        });
        Self { address, line }
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// From now on a client that says these words is heard, and hears nothing more on its connection.
    pub fn lose_answers_to(&self, words: &'static str) {
        *self.line.last_words.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }

    /// From now on messages to clients on subjects that begin like this are lost, and nothing else is.
    pub fn lose_messages_on(&self, subjects: &'static str) {
        *self.line.lost_subjects.lock().unwrap_or_else(PoisonError::into_inner) = Some(subjects);
    }

    /// How many messages were lost.
    pub fn lost(&self) -> usize {
        self.line.lost.load(Ordering::SeqCst)
    }

    /// Cuts every connection. New ones work both ways.
    pub fn cut(&self) {
        *self.line.last_words.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.line.lost_subjects.lock().unwrap_or_else(PoisonError::into_inner) = None;
        for end in self.line.ends.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            close(&end);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.is_over.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the thread that accepts; it may be gone already.
        match TcpStream::connect(self.address) {
            Ok(_) | Err(_) => {}
        }
    }
}

impl Line {
    /// Carries a connection. One to a server that is away ends at once.
    fn join(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.server) else { return };
        let ends = || -> std::io::Result<[TcpStream; 4]> {
            Ok([client.try_clone()?, server.try_clone()?, client.try_clone()?, server.try_clone()?])
        };
        let Ok([from_client, to_server, kept_client, kept_server]) = ends() else { return };
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).extend([kept_client, kept_server]);
        let (line, is_deaf) = (Arc::clone(self), Arc::new(AtomicBool::new(false)));
        let (deafened, losing) = (Arc::clone(&is_deaf), Arc::clone(self));
        std::thread::spawn(move || {
            let mut said = Vec::new();
            carry(from_client, to_server, |bytes| {
                said.extend_from_slice(bytes);
                if line.are_last_words(&said) {
                    deafened.store(true, Ordering::SeqCst);
                }
                // Words may come in two pieces.
                said.drain(..said.len().saturating_sub(LONGEST_WORDS));
                bytes.to_vec()
            });
        });
        std::thread::spawn(move || {
            let mut frames = Frames::default();
            carry(server, client, |bytes| {
                let heard = frames.whole(bytes, |subject| !losing.is_lost(subject));
                if is_deaf.load(Ordering::SeqCst) { Vec::new() } else { heard }
            });
        });
    }

    /// Whether a message is lost, and counts it then.
    fn is_lost(&self, subject: &str) -> bool {
        let lost = *self.lost_subjects.lock().unwrap_or_else(PoisonError::into_inner);
        let is_lost = lost.is_some_and(|lost| subject.starts_with(lost));
        self.lost.fetch_add(usize::from(is_lost), Ordering::SeqCst);
        is_lost
    }

    fn are_last_words(&self, said: &[u8]) -> bool {
        let words = *self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        words.is_some_and(|words| said.windows(words.len()).any(|some| some == words.as_bytes()))
    }
}

/// More than any words that are looked for.
const LONGEST_WORDS: usize = 64;

/// Carries what `passes` leaves of the bytes until one side ends.
fn carry(mut from: TcpStream, mut to: TcpStream, mut passes: impl FnMut(&[u8]) -> Vec<u8>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&passes(&buffer[..count])).is_err() {
            break;
        }
    }
    close(&from);
    close(&to);
}

/// The other side may have been faster.
fn close(end: &TcpStream) {
    match end.shutdown(Shutdown::Both) {
        Ok(()) | Err(_) => {}
    }
}
