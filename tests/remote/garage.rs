//! Garage servers for the tests: on the loopback, in a directory of their own, gone with the
//! process that started them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::common::process::until;
use crate::common::{system, tool};

pub const KEY: &str = "GK00112233445566778899aabb";
pub const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub const BUCKET: &str = "archive";

/// One server.
pub struct Garage {
    program: PathBuf,
    config: PathBuf,
    /// Where it answers S3 requests.
    pub address: String,
    rpc: u16,
    /// Waits for the end of its standard input, and then ends the server.
    _keeper: Child,
    /// The server's own process.
    pub process: i32,
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where Garage is: on the PATH, or where cargo puts what it installs.
fn program() -> Option<PathBuf> {
    let own = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    let installed = own.or_else(home).map(|home| home.join("bin/garage"));
    installed.filter(|file| file.is_file()).or_else(|| tool("garage"))
}

impl Garage {
    /// Starts one. `replication` copies are kept of each object.
    fn start(program: &Path, replication: u32, arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("hlarchive-garage-").tempdir().unwrap();
        let directory = directory.keep();
        let (s3, rpc) = (free_port(), free_port());
        let place = directory.display();
        let config = directory.join("garage.toml");
        let text = format!(
            "metadata_dir = \"{place}/meta\"\ndata_dir = \"{place}/data\"\ndb_engine = \"sqlite\"\n\
             replication_factor = {replication}\nrpc_bind_addr = \"127.0.0.1:{rpc}\"\n\
             rpc_public_addr = \"127.0.0.1:{rpc}\"\nrpc_secret = \"{}\"\n[s3_api]\n\
             s3_region = \"garage\"\napi_bind_addr = \"127.0.0.1:{s3}\"\n\
             root_domain = \".s3.garage\"\n",
            "07".repeat(32)
        );
        fs::write(&config, text).unwrap();
        let script = "\"$0\" -c \"$1/garage.toml\" server $2 $3 >\"$1/log\" 2>&1 & echo $!\n\
                      read -r _; kill -9 $!; wait; rm -rf \"$1\"";
        let mut keeper = Command::new("/bin/sh")
            .args(["-c", script])
            .args([program, &directory])
            .args(arguments)
            .env("GARAGE_DEFAULT_ACCESS_KEY", KEY)
            .env("GARAGE_DEFAULT_SECRET_KEY", SECRET)
            .env("GARAGE_DEFAULT_BUCKET", BUCKET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let garage = Self {
            program: program.to_owned(),
            config,
            address: format!("127.0.0.1:{s3}"),
            rpc,
            _keeper: keeper,
            process: line.trim().parse().unwrap(),
        };
        until("Garage to answer", &mut || garage.answers());
        garage
    }

    /// Whether it answers requests, be it with a refusal.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return false };
        let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        asked.is_ok() && stream.read_to_end(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 ")
    }

    /// Runs `garage` with these words; what it printed.
    #[track_caller]
    pub fn tell(&self, words: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&self.config).args(words);
        String::from_utf8_lossy(&system(&mut command)).into_owned()
    }

    /// Makes a further bucket that [`KEY`] may use.
    pub fn make_bucket(&self, name: &str) {
        self.tell(&["bucket", "create", name]);
        self.tell(&["bucket", "allow", "--read", "--write", "--owner", name, "--key", KEY]);
    }
}

/// The server that all tests share, each below a prefix of its own; none where Garage is not
/// installed, and a line says so.
pub fn shared() -> Option<&'static Garage> {
    static SHARED: OnceLock<Option<Garage>> = OnceLock::new();
    let start = || Some(Garage::start(&program()?, 1, &["--single-node", "--default-bucket"]));
    SHARED.get_or_init(start).as_ref()
}

/// Three servers that keep every object three times, and answer while two of them live.
pub fn cluster() -> Option<[Garage; 3]> {
    let program = program()?;
    let nodes = [(); 3].map(|()| Garage::start(&program, 3, &[]));
    let first = &nodes[0];
    let ids = nodes.each_ref().map(|node| node.tell(&["node", "id", "-q"]).trim().to_owned());
    for (node, id) in nodes.iter().zip(&ids).skip(1) {
        let id = id.split('@').next().unwrap();
        first.tell(&["node", "connect", &format!("{id}@127.0.0.1:{}", node.rpc)]);
    }
    for id in &ids {
        let id = id.split('@').next().unwrap();
        first.tell(&["layout", "assign", "-z", "here", "-c", "1G", id]);
    }
    first.tell(&["layout", "apply", "--version", "1"]);
    first.tell(&["key", "import", "--yes", "-n", "test", KEY, SECRET]);
    first.make_bucket(BUCKET);
    Some(nodes)
}
