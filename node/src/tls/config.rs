//! From the `tls-*` directives to what handshakes need: certificates, keys, authorities, ciphers.
//!
//! Everything is read anew each time one of them is set, also to what it was: so certificates are renewed while the node runs.
//! What cannot be used changes nothing. The texts of errors are for the log, in Redis's words where it has some.

use super::{ciphers, store, verifier::AnyName};
use crate::config::{Config, Text, TlsAuthClients};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What handshakes need.
#[derive(Debug)]
pub struct Setup {
    /// Of those that come to `tls-port`.
    pub server: Arc<ServerConfig>,
    /// Of ours with a primary; `None` without an authority to judge it by.
    pub client: Option<Arc<ClientConfig>>,
}

/// Reads what a configuration names; `None` where it wants no TLS.
///
/// # Errors
/// What cannot be used, for the log.
pub fn setup(config: &Config) -> Result<Option<Arc<Setup>>, String> {
    if config.tls_port == 0 && !config.tls_replication && !config.tls_cluster {
        return Ok(None);
    }
    let provider = ciphers::provider(&config.tls_ciphers.to_lossy(), &config.tls_ciphersuites.to_lossy())?;
    let own = Identity::read(&config.tls_cert_file, &config.tls_key_file, ["tls-cert-file", "tls-key-file"])?;
    let roots = authorities(config)?;
    if roots.is_none() && (config.tls_auth_clients != TlsAuthClients::No || config.tls_replication || config.tls_cluster) {
        return Err("Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or \
                    tls-auth-clients are enabled!"
            .to_string());
    }
    let (provider, roots) = (Arc::new(provider), roots.map(Arc::new));
    let outgoing = match config.tls_client_cert_file.is_empty() && config.tls_client_key_file.is_empty() {
        true => own.clone(),
        false => Identity::read(
            &config.tls_client_cert_file,
            &config.tls_client_key_file,
            ["tls-client-cert-file", "tls-client-key-file"],
        )?,
    };
    let client = roots.as_ref().map(|roots| client(config, &provider, Arc::clone(roots), outgoing)).transpose()?;
    Ok(Some(Arc::new(Setup { server: Arc::new(server(config, &provider, roots, own)?), client })))
}

fn server(
    config: &Config,
    provider: &Arc<CryptoProvider>,
    roots: Option<Arc<RootCertStore>>,
    own: Identity,
) -> Result<ServerConfig, String> {
    let failed = |error: &dyn std::fmt::Display| format!("Failed to configure TLS: {error}");
    let versions = ciphers::versions(&config.tls_protocols.to_lossy())?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider));
    let builder = builder.with_protocol_versions(&versions).map_err(|error| failed(&error))?;
    let verifier = match (config.tls_auth_clients, roots) {
        (TlsAuthClients::No, _) | (_, None) => WebPkiClientVerifier::no_client_auth(),
        (who, Some(roots)) => {
            let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
            let builder = if who == TlsAuthClients::Optional { builder.allow_unauthenticated() } else { builder };
            builder.build().map_err(|error| failed(&error))?
        }
    };
    let Identity { chain, key, files } = own;
    let mut server =
        builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).map_err(|error| unfit(&files, &error))?;
    server.ignore_client_order = config.tls_prefer_server_ciphers;
    if config.tls_session_caching {
        server.session_storage = store::memory(config.tls_session_cache_size, config.tls_session_cache_timeout);
    } else {
        server.session_storage = store::none();
        server.send_tls13_tickets = 0;
    }
    Ok(server)
}

fn client(
    config: &Config,
    provider: &Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    own: Identity,
) -> Result<Arc<ClientConfig>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("Failed to configure TLS: {error}");
    let versions = ciphers::versions(&config.tls_protocols.to_lossy())?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider));
    let builder = builder.with_protocol_versions(&versions).map_err(|error| failed(&error))?;
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider));
    let verifier = Arc::new(AnyName(verifier.build().map_err(|error| failed(&error))?));
    let Identity { chain, key, files } = own;
    let mut client = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(chain, key)
        .map_err(|error| unfit(&files, &error))?;
    // There is one primary, and it is seldom connected to.
    client.resumption = Resumption::disabled();
    client.enable_sni = false;
    Ok(Arc::new(client))
}

/// A certificate, those between it and the authority, and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// Where they were read: the certificate, the key.
    files: [PathBuf; 2],
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Identity { chain: self.chain.clone(), key: self.key.clone_key(), files: self.files.clone() }
    }
}

impl Identity {
    fn read(cert_file: &Text, key_file: &Text, names: [&str; 2]) -> Result<Self, String> {
        let cert_path = cert_file.as_path().ok_or_else(|| format!("No {} configured!", names[0]))?;
        let key_path = key_file.as_path().ok_or_else(|| format!("No {} configured!", names[1]))?;
        let chain = certificates(cert_path).map_err(|why| format!("Failed to load certificate: {cert_file}: {why}"))?;
        let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| {
            let why = match error {
                PemError::NoItemsFound if is_locked(key_path) => {
                    "it is locked with a password, and such keys are not supported. `openssl pkey -in FILE -out NEW` unlocks it; \
                     then take tls-key-file-pass out of the configuration"
                        .to_string()
                }
                other => said(&other),
            };
            format!("Failed to load private key: {key_file}: {why}")
        })?;
        Ok(Identity { chain, key, files: [cert_path, key_path].map(Path::to_path_buf) })
    }
}

/// Says why a certificate and its key cannot be used.
fn unfit([cert_file, key_file]: &[PathBuf; 2], error: &rustls::Error) -> String {
    match error {
        // What `openssl x509 -req` makes by itself.
        rustls::Error::InvalidCertificate(why) if format!("{why:?}").contains("UnsupportedCertVersion") => format!(
            "Failed to load certificate: {}: it is of X.509 version 1, and only version 3 is supported. `openssl x509 -req` makes              such a one when it is given an extension: -extfile with the line basicConstraints=CA:FALSE",
            cert_file.display()
        ),
        rustls::Error::InvalidCertificate(_) => format!("Failed to load certificate: {}: {error}", cert_file.display()),
        _ => format!("Failed to load private key: {}: {error}", key_file.display()),
    }
}

/// Whether a file holds a key that a password locks, in either of the forms there are.
fn is_locked(path: &Path) -> bool {
    let text = std::fs::read(path).unwrap_or_default();
    [&b"ENCRYPTED PRIVATE KEY"[..], b"4,ENCRYPTED"].iter().any(|mark| memchr::memmem::find(&text, mark).is_some())
}

fn said(error: &PemError) -> String {
    match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "there is none in it".to_string(),
        other => other.to_string(),
    }
}

/// All certificates in a file: at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| said(&error))?;
    if found.is_empty() { Err("there is none in it".to_string()) } else { Ok(found) }
}

/// The certificates of `tls-ca-cert-file` and `tls-ca-cert-dir`; `None` if neither is set.
fn authorities(config: &Config) -> Result<Option<RootCertStore>, String> {
    let (file, folder) = (config.tls_ca_cert_file.as_path(), config.tls_ca_cert_dir.as_path());
    if file.is_none() && folder.is_none() {
        return Ok(None);
    }
    let failed =
        |path: &Path, why: &str| format!("Failed to configure CA certificate(s) file/directory: {}: {why}", path.display());
    let mut paths: Vec<PathBuf> = file.into_iter().map(Path::to_path_buf).collect();
    if let Some(folder) = folder {
        let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error.to_string()))?;
        paths.extend(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_hashed(path)));
    }
    let mut roots = RootCertStore::empty();
    for path in &paths {
        for certificate in certificates(path).map_err(|why| failed(path, &why))? {
            roots.add(certificate).map_err(|error| failed(path, &error.to_string()))?;
        }
    }
    if roots.is_empty() {
        let path = folder.or(file).unwrap_or(Path::new(""));
        return Err(failed(path, "there is none in it; `openssl rehash` names them as they have to be named"));
    }
    Ok(Some(roots))
}

/// Whether a file of `tls-ca-cert-dir` counts: OpenSSL looks for those named by their hash, as `12ab34cd.0`, and for no others.
fn is_hashed(path: &Path) -> bool {
    let (Some(stem), Some(number)) = (path.file_stem(), path.extension()) else { return false };
    let (stem, number) = (stem.as_encoded_bytes(), number.as_encoded_bytes());
    stem.len() == 8 && stem.iter().all(u8::is_ascii_hexdigit) && number.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_port_or_replication_nothing_is_read() {
        let mut config = Config::default();
        config.read_text(b"tls-cert-file /no/such.crt\ntls-key-file /no/such.key").unwrap();
        assert!(setup(&config).unwrap().is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        let refusals = [
            ("tls-port 1", "No tls-cert-file configured!"),
            ("tls-replication yes\ntls-cert-file a", "No tls-key-file configured!"),
            ("tls-port 1\ntls-cert-file /no/such.crt\ntls-key-file b", "Failed to load certificate: /no/such.crt: "),
            ("tls-port 1\ntls-ciphers LOW", "Failed to configure ciphers: LOW"),
        ];
        for (text, why) in refusals {
            let mut config = Config::default();
            config.read_text(text.as_bytes()).unwrap();
            assert!(setup(&config).unwrap_err().starts_with(why), "{text}");
        }
    }

    #[test]
    fn only_hashed_names_in_a_folder_count() {
        for (name, counts) in [("12ab34cd.0", true), ("12ab34cd.17", true), ("ca.crt", false), ("12ab34cd.r0", false)] {
            assert_eq!(is_hashed(Path::new("/etc/ca").join(name).as_path()), counts, "{name}");
        }
    }
}
