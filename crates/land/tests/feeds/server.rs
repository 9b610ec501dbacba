//! A server that answers with exactly the bytes that a test gives it.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What is done with a request.
pub enum Reply {
    /// These bytes, then the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes, and then nothing for ever.
    Stall(Vec<u8>),
}

pub struct Server {
    pub port: u16,
    log: watch::Sender<Vec<Asked>>,
    /// Requests under way now, and the most at a time.
    under_way: Arc<Mutex<(usize, usize)>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    pub async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = watch::channel(Vec::new()).0;
        let under_way = Arc::new(Mutex::new((0, 0)));
        let (answer, logging, counting) = (Arc::new(answer), log.clone(), under_way.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), logging.clone(), counting.clone()));
            }
        });
        Self { port, log, under_way, accepting }
    }

    /// Answers one request after the other; the last answer stays.
    pub async fn script(replies: Vec<Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().map(Some).collect::<Vec<_>>());
        Self::start(move |_| {
            let mut replies = replies.lock().unwrap();
            let at = replies.iter().position(Option::is_some).expect("more was asked than the test foresaw");
            replies[at].take().unwrap()
        })
        .await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.log.borrow().clone()
    }

    pub fn targets(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.target).collect()
    }

    /// Until so many requests have come.
    pub async fn until_asked(&self, n: usize) {
        self.log.subscribe().wait_for(|log| log.len() >= n).await.unwrap();
    }

    pub fn most_at_a_time(&self) -> usize {
        self.under_way.lock().unwrap().1
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<dyn Fn(&Asked) -> Reply + Send + Sync>,
    log: watch::Sender<Vec<Asked>>,
    under_way: Arc<Mutex<(usize, usize)>>,
) {
    let Some(asked) = read(&mut stream).await else { return };
    {
        let mut counts = under_way.lock().unwrap();
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
    }
    let reply = answer(&asked);
    log.send_modify(|log| log.push(asked));
    // Others get their turn, so that requests at a time are seen as such.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    under_way.lock().unwrap().0 -= 1;
    match reply {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await; // the client may have seen enough
            let _ = stream.shutdown().await;
        }
        Reply::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_string(), first.next()?.to_string());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
        .collect();
    let length: usize =
        headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[end..end + length].to_vec()).unwrap();
    Some(Asked { method, target, headers, body })
}

/// A whole answer: a status, lines of headers, a body of its true length.
pub fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    Reply::Bytes(whole(status, headers, body))
}

pub fn whole(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len()).into_bytes();
    for line in headers.lines() {
        bytes.extend(line.as_bytes());
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

pub fn ok(body: impl AsRef<[u8]>) -> Reply {
    answer("200 OK", "", body)
}

/// An answer in chunks; `ends` is whether the last one says that it is the last.
pub fn chunked(headers: &str, chunks: &[&[u8]], ends: bool) -> Reply {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n".to_vec();
    for line in headers.lines() {
        bytes.extend(line.as_bytes());
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"\r\n");
    for chunk in chunks {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend(*chunk);
        bytes.extend(b"\r\n");
    }
    if ends {
        bytes.extend(b"0\r\n\r\n");
    }
    Reply::Bytes(bytes)
}
