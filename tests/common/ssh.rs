//! A real sshd of the test's own, on the loopback or wherever it is told to listen.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::process::until;
use super::{missing, system, tool};

/// A server with keys and configuration in a directory of its own; it ends with the test.
pub struct Sshd {
    child: Child,
    directory: tempfile::TempDir,
    address: String,
    port: u16,
}

impl Sshd {
    /// None, with a line that says so, where a program is missing.
    pub fn start() -> Option<Self> {
        Self::start_at("127.0.0.1", Command::new("/usr/bin/env"))
    }

    /// Listens at an address; `within` is a command that runs others, such as `ip netns exec`.
    pub fn start_at(address: &str, mut within: Command) -> Option<Self> {
        for program in ["rsync", "ssh", "ssh-keygen"] {
            tool(program)?;
        }
        let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"]
            .iter()
            .find(|path| Path::new(path).is_file());
        let Some(sshd) = sshd else {
            missing("sshd");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("hlarchive-sshd-").tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for key in ["host", "key"] {
            let words = ["-q", "-t", "ed25519", "-N", "", "-f"];
            system(Command::new("ssh-keygen").args(words).arg(at(key)));
        }
        fs::rename(at("key.pub"), at("authorized")).unwrap();
        fs::set_permissions(at("authorized"), fs::Permissions::from_mode(0o600)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host_key = fs::read_to_string(at("host.pub")).unwrap();
        fs::write(at("known"), format!("[{address}]:{port} {host_key}")).unwrap();
        let config = format!(
            "ListenAddress {address}:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nMaxStartups 100\n",
            at("host").display(),
            at("authorized").display()
        );
        fs::write(at("config"), config).unwrap();
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let child = within
            .arg(sshd)
            .args(["-D", "-E"])
            .arg(at("log"))
            .arg("-f")
            .arg(at("config"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, directory, address: address.to_owned(), port };
        let log = server.directory.path().join("log");
        until("sshd to listen", &mut || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains("Server listening on"))
        });
        Some(server)
    }

    /// The remote shell that reaches it.
    pub fn ssh(&self) -> String {
        let at = |name: &str| self.directory.path().join(name).display().to_string();
        format!(
            "ssh -F none -p {} -i {} -o IdentitiesOnly=yes -o BatchMode=yes \
             -o UserKnownHostsFile={} -o StrictHostKeyChecking=yes -o LogLevel=ERROR",
            self.port,
            at("key"),
            at("known")
        )
    }

    /// A path there, as sync takes it.
    pub fn at(&self, path: &Path) -> String {
        format!("{}:{}", self.address, path.display())
    }

    /// Whether anybody is connected now.
    pub fn is_reachable(&self) -> bool {
        TcpStream::connect((self.address.as_str(), self.port)).is_ok()
    }

    /// Forgets the key that opens it.
    pub fn change_locks(&self) {
        fs::write(self.directory.path().join("authorized"), "").unwrap();
    }

    /// The directory of keys and logs.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
