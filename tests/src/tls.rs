//! TLS for tests: an authority and its certificates, made by `openssl`, and a client whose records arrive in as many pieces as a
//! test wants.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{REPLY_TIMEOUT, encode};
use crate::server::{Builder, free_port, fresh_dir};

/// Which kind of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// P-256.
    Ec,
    /// 2048 bits.
    Rsa,
}

/// A folder with an authority (`ca.crt`) and certificates it has signed: `server` and `client`, each with `.crt` and `.key`.
pub struct Authority {
    dir: PathBuf,
    keys: Keys,
}

impl Authority {
    /// Makes one.
    #[track_caller]
    pub fn new(keys: Keys) -> Authority {
        let authority = Authority { dir: fresh_dir(format!("tls-{}", free_port())), keys };
        let extensions = "[v3]\nbasicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost\n";
        fs::write(authority.file("extensions"), extensions).expect("write the extensions");
        authority.openssl(
            &[
                "req",
                "-x509",
                "-days",
                "30",
                "-subj",
                &format!("/CN=authority {}", authority.dir.display().to_string().replace('/', ".")),
                "-out",
                "ca.crt",
                "-keyout",
                "ca.key",
            ],
            true,
        );
        ["server", "client"].iter().for_each(|name| authority.issue(name));
        authority
    }

    /// Makes a certificate, also in the place of another.
    #[track_caller]
    pub fn issue(&self, name: &str) {
        self.sign(name, &["-extfile", "extensions", "-extensions", "v3"]);
    }

    /// Makes a certificate of X.509 version 1.
    #[track_caller]
    pub fn issue_v1(&self, name: &str) {
        self.sign(name, &[]);
    }

    #[track_caller]
    fn sign(&self, name: &str, extensions: &[&str]) {
        let [subject, request, key, cert] =
            [format!("/CN={name}"), format!("{name}.csr"), format!("{name}.key"), format!("{name}.crt")];
        self.openssl(&["req", "-subj", &subject, "-out", &request, "-keyout", &key], true);
        let sign = ["x509", "-req", "-days", "30", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
        self.openssl(&[&sign[..], extensions, &["-in", &request, "-out", &cert]].concat(), false);
    }

    /// Locks a key with a password.
    #[track_caller]
    pub fn lock(&self, name: &str, password: &str) -> PathBuf {
        let (from, to) = (format!("{name}.key"), format!("{name}-locked.key"));
        self.openssl(&["pkey", "-aes256", "-passout", &format!("pass:{password}"), "-in", &from, "-out", &to], false);
        self.file(&to)
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The same as text.
    pub fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// Has a server listen for TLS, with `server.crt`, and judge by this authority; its port for that comes back as well.
    pub fn secure(&self, builder: Builder) -> (Builder, u16) {
        let port = free_port();
        let builder = builder.set("tls-port", port).set("tls-cert-file", self.path("server.crt"));
        (builder.set("tls-key-file", self.path("server.key")).set("tls-ca-cert-file", self.path("ca.crt")), port)
    }

    /// What redis-cli needs, as the holder of the certificate of this name, or of none.
    pub fn cli_args(&self, name: Option<&str>) -> Vec<String> {
        let mut args: Vec<String> = ["--tls", "--cacert", &self.path("ca.crt")].map(String::from).into();
        if let Some(name) = name {
            let (cert, key) = (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key")));
            args.extend(["--cert", &cert, "--key", &key].map(String::from));
        }
        args
    }

    /// `openssl`; with `key`, it makes a key on the way.
    #[track_caller]
    fn openssl(&self, args: &[&str], key: bool) {
        let keys: &[&str] = match (key, self.keys) {
            (false, _) => &[],
            (true, Keys::Ec) => &["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            (true, Keys::Rsa) => &["-nodes", "-newkey", "rsa:2048"],
        };
        let output = Command::new("openssl").args(args).args(keys).current_dir(&self.dir).output();
        let output = output.expect("openssl is not installed: apt-get install --no-install-recommends openssl");
        assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A client's configuration, as the holder of the certificate of this name, or of none.
    pub fn client_config(&self, name: Option<&str>, tls13: bool) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(read_certificate(&self.file("ca.crt"))).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let version = if tls13 { &TLS13 } else { &TLS12 };
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).expect("a version");
        let builder = builder.with_root_certificates(roots);
        Arc::new(match name {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let key = PrivateKeyDer::from_pem_file(self.file(&format!("{name}.key"))).expect("a key");
                let chain = vec![read_certificate(&self.file(&format!("{name}.crt")))];
                builder.with_client_auth_cert(chain, key).expect("a key that fits")
            }
        })
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.dir).ok();
    }
}

fn read_certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).expect("a certificate")
}

/// A socket that sends no more than so many bytes at a time.
pub struct Chopped {
    stream: TcpStream,
    max: usize,
}

impl Read for Chopped {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf)
    }
}

impl Write for Chopped {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(&buf[..buf.len().min(self.max)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A client over TLS.
pub struct SecureClient(pub StreamOwned<ClientConnection, Chopped>);

impl SecureClient {
    /// Connects; what it sends goes out in pieces of no more than `max` bytes.
    #[track_caller]
    pub fn connect(port: u16, config: &Arc<ClientConfig>, max: usize) -> SecureClient {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connect");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(REPLY_TIMEOUT)).expect("a timeout");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::clone(config), name).expect("a client");
        SecureClient(StreamOwned::new(tls, Chopped { stream, max }))
    }

    /// Sends one command.
    pub fn send(&mut self, words: &[&str]) -> io::Result<()> {
        self.0.write_all(&encode(words))?;
        self.0.flush()
    }

    /// Sends one command and reads as many bytes as `reply` has, which they must be.
    #[track_caller]
    pub fn expect(&mut self, words: &[&str], reply: &str) {
        self.send(words).unwrap_or_else(|error| panic!("send {words:?}: {error}"));
        let text = self.read_exact(reply.len()).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        assert_eq!(String::from_utf8_lossy(&text), reply, "{words:?}");
    }

    /// Reads so many bytes.
    pub fn read_exact(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        &self.0.sock.stream
    }
}
