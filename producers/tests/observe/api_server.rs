//! An API server as far as `observe` asks one: pages of a list, and watches as chunked streams of lines.
//!
//! No Kubernetes runs here. What is sent is the wire format of its API: `PodList` with `continue` and `resourceVersion`,
//! watch events one a line in HTTP/1.1 chunks, `Status` objects for errors.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

/// What a request is answered with.
pub(crate) enum Reply {
    /// A body at once.
    Body(u16, String),
    /// Chunks, and then the stream goes on without another word.
    Silence(Vec<String>),
    /// Chunks, and then the connection is cut, in the middle of the stream.
    Cut(Vec<String>),
    /// Chunks, and the stream's end.
    End(Vec<String>),
}

/// A page of a list.
pub(crate) fn page(pods: &[Value], version: &str, next: Option<&str>) -> Reply {
    let items: Vec<Value> = pods.iter().cloned().map(bare).collect();
    let metadata = json!({"resourceVersion": version, "continue": next.unwrap_or_default()});
    Reply::Body(200, json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}).to_string())
}

/// The items of a list do not say what they are.
fn bare(mut pod: Value) -> Value {
    if let Some(members) = pod.as_object_mut() {
        members.remove("kind");
        members.remove("apiVersion");
    }
    pod
}

/// A line of a watch.
pub(crate) fn event(kind: &str, mut pod: Value, version: &str) -> String {
    pod["metadata"]["resourceVersion"] = json!(version);
    format!("{}\n", json!({"type": kind, "object": pod}))
}

/// The line of a watch that says that its version is gone.
pub(crate) fn expired() -> String {
    let status =
        json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (9)"});
    format!("{}\n", json!({"type": "ERROR", "object": status}))
}

/// A server that answers as its script says.
pub(crate) struct ApiServer {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    /// Answers each request by what `script` makes of its number and its path.
    pub(crate) fn start(mut script: impl FnMut(usize, &str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let request = request(&stream);
                let path = request.split(' ').nth(1).unwrap().to_owned();
                let reply = script(number, &path);
                seen.lock().unwrap().push(request);
                if answer(&mut stream, reply).is_ok_and(|stays| stays) {
                    open.push(stream);
                }
            }
        });
        Self { url, asked }
    }

    /// The requests so far, each with its headers.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn request(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Sends a reply; whether the stream stays open.
fn answer(stream: &mut TcpStream, reply: Reply) -> std::io::Result<bool> {
    let (chunks, ends, stays) = match reply {
        Reply::Body(status, body) => {
            let length = body.len();
            write!(stream, "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")?;
            return Ok(false);
        }
        Reply::Silence(chunks) => (chunks, false, true),
        Reply::Cut(chunks) => (chunks, false, false),
        Reply::End(chunks) => (chunks, true, false),
    };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    for chunk in chunks {
        write!(stream, "{:x}\r\n{chunk}\r\n", chunk.len())?;
        stream.flush()?;
    }
    if ends {
        write!(stream, "0\r\n\r\n")?;
    }
    Ok(stays)
}
