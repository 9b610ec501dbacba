//! A client for tests: HTTP/1.1 over a socket, one connection for each request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::lake::{PATIENCE, Stopped, TestLake};

/// A `lakegate serve` on a port that the system chose.
pub struct Served {
    pub process: Option<Stopped>,
    pub address: String,
    /// Kept, so that what it says later has somewhere to go.
    _says: BufReader<ChildStdout>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub is_whole: bool,
}

/// Starts a command that serves, and waits until it says where.
pub fn serve(lake: &TestLake, args: &[&str]) -> Served {
    let mut child: Child = lake.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut says = BufReader::new(child.stdout.take().unwrap());
    let process = Some(Stopped(child));
    let mut line = String::new();
    loop {
        line.clear();
        assert!(says.read_line(&mut line).unwrap() > 0, "it ended before it said where it serves");
        if let Some((_, address)) = line.trim().split_once("http://") {
            return Served {
                process,
                address: address.trim_end_matches(['"', '}']).to_string(),
                _says: says,
            };
        }
    }
}

impl Served {
    /// `lakegate serve` with more arguments, and any number of requests.
    pub fn of(lake: &TestLake, more: &[&str]) -> Self {
        let mut args = vec!["serve", "--listen", "127.0.0.1:0"];
        if !more.contains(&"--per-minute") {
            args.extend(["--per-minute", "0"]);
        }
        args.extend(more);
        serve(lake, &args)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.ask("GET", path, &[("Accept", accept)], b"")
    }

    /// A page, as a browser asks for it.
    pub fn page(&self, path: &str) -> Answer {
        self.get_as(path, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.send(method, path, headers, body);
        let mut reader = BufReader::new(&mut stream);
        let (status, headers) = head(&mut reader);
        let header = |name: &str| headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        let (mut body, mut is_whole) = (Vec::new(), true);
        if header("transfer-encoding").as_deref() == Some("chunked") {
            is_whole = loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    break false;
                }
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                if reader.read_exact(&mut chunk).is_err() {
                    break false;
                }
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break true;
                }
            };
        } else if let Some(length) = header("content-length") {
            body = vec![0; length.parse().unwrap()];
            is_whole = reader.read_exact(&mut body).is_ok();
        }
        Answer { status, headers, body, is_whole }
    }

    /// Sends a request and leaves the answer to be read.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(k, _)| *k == "Host") {
            request += &format!("Host: {}\r\n", self.address);
        }
        for (key, value) in headers {
            request += &format!("{key}: {value}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }

    /// Follows an address that does not end.
    pub fn events(&self, path: &str) -> Events {
        let stream = self.send("GET", path, &[], b"");
        stream.set_read_timeout(Some(PATIENCE + Duration::from_secs(30))).unwrap();
        let mut reader = BufReader::new(stream);
        let (status, headers) = head(&mut reader);
        assert_eq!(status, 200, "{headers:?}");
        Events(reader)
    }
}

/// Status and headers, their names in small letters.
fn head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: `{line}`")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((key, value)) = line.trim_end().split_once(": ") else { return (status, headers) };
        headers.push((key.to_ascii_lowercase(), value.to_string()));
    }
}

/// Server-sent events as they come.
pub struct Events(BufReader<TcpStream>);

impl Events {
    /// The data of the next event; `None` where the server has ended them.
    pub fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(data) = line.trim_end().strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }
}

impl Answer {
    pub fn says(&self, part: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub fn media_type(&self) -> &str {
        self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e} in {} {}", self.status, self.text()))
    }

    /// A problem with this status and code, which says what to do.
    #[track_caller]
    pub fn says_problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.media_type()), (status, "application/problem+json"), "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:lakegate:{code}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|d| !d.is_empty()), "{problem}");
        assert!(problem["help"].as_str().is_some_and(|d| !d.is_empty()), "{problem}");
        self
    }
}
