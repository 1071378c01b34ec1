//! The ciphers that may be named in `tls-ciphers` and `tls-ciphersuites`, and the protocols of `tls-protocols`.
//!
//! Redis hands these texts to OpenSSL, which knows a language of its own for them (`HIGH:!aNULL`). Here they are lists of names,
//! OpenSSL's or those of the standard: what a list leaves out is not offered. Anything else is refused, never passed over.

use crate::logging::warning;
use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

/// OpenSSL's names of the suites of TLS 1.2.
const NAMES_OF_TLS12: &[(CipherSuite, &str)] = &[
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305"),
];

/// The names of the suites of TLS 1.3, which OpenSSL calls as the standard does.
const NAMES_OF_TLS13: &[(CipherSuite, &str)] = &[
    (CipherSuite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"),
    (CipherSuite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"),
    (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"),
];

/// The cryptography to use: `ciphers` is `tls-ciphers`, `suites` is `tls-ciphersuites`; empty means all there are.
///
/// # Errors
/// What cannot be used, for the log.
pub fn provider(ciphers: &str, suites: &str) -> Result<CryptoProvider, String> {
    let provider = ring::default_provider();
    let of_tls12 = chosen(&provider, ciphers, NAMES_OF_TLS12).map_err(|why| format!("Failed to configure ciphers: {why}"))?;
    let of_tls13 =
        chosen(&provider, suites, NAMES_OF_TLS13).map_err(|why| format!("Failed to configure ciphersuites: {why}"))?;
    Ok(CryptoProvider { cipher_suites: of_tls13.into_iter().chain(of_tls12).collect(), ..provider })
}

/// The suites that a list names, in its order.
fn chosen(provider: &CryptoProvider, list: &str, names: &[(CipherSuite, &str)]) -> Result<Vec<SupportedCipherSuite>, String> {
    let suite = |wanted: CipherSuite| provider.cipher_suites.iter().copied().find(|suite| suite.suite() == wanted);
    if list.is_empty() {
        return Ok(names.iter().filter_map(|(wanted, _)| suite(*wanted)).collect());
    }
    let words = list.split([':', ',', ' ']).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let is_named = |(id, name): &&(CipherSuite, &str)| *name == word || format!("{id:?}") == word;
            let known = names.iter().find(is_named).and_then(|(wanted, _)| suite(*wanted));
            known.ok_or_else(|| {
                let all: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
                format!("{list}: '{word}' is none of the names known here: {}", all.join(":"))
            })
        })
        .collect()
}

/// The protocols that `tls-protocols` names; empty means all there are.
///
/// # Errors
/// What cannot be used, for the log.
pub fn versions(list: &str) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    if list.is_empty() {
        return Ok(vec![&TLS13, &TLS12]);
    }
    let mut versions = Vec::new();
    for word in list.split_ascii_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.3" => versions.push(&TLS13),
            "tlsv1.2" => versions.push(&TLS12),
            "tlsv1" | "tlsv1.1" => warning(&format!("{word} is specified in tls-protocols but not supported: it is not safe.")),
            _ => {
                return Err("Invalid tls-protocols specified. Use a combination of 'TLSv1.2' and 'TLSv1.3'.".to_string());
            }
        }
    }
    if versions.is_empty() {
        return Err(format!("None of tls-protocols '{list}' is supported. Use 'TLSv1.2', 'TLSv1.3' or both."));
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suites(ciphers: &str, suites: &str) -> Result<Vec<CipherSuite>, String> {
        provider(ciphers, suites).map(|provider| provider.cipher_suites.iter().map(|suite| suite.suite()).collect())
    }

    #[test]
    fn a_list_leaves_out_what_it_does_not_name_and_keeps_its_order() {
        assert_eq!(suites("", "").unwrap().len(), 9);
        let of_tls13 = suites("", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256").unwrap();
        assert_eq!(of_tls13[..2], [CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, CipherSuite::TLS13_AES_128_GCM_SHA256]);
        assert_eq!(of_tls13.len(), 2 + 6);
        assert_eq!(suites("ECDHE-RSA-AES128-GCM-SHA256", "").unwrap().len(), 3 + 1);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for list in ["HIGH", "DEFAULT:!MEDIUM", "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA", "TLS_AES_256_GCM_SHA384"] {
            assert!(suites(list, "").unwrap_err().starts_with("Failed to configure ciphers: "), "{list}");
        }
        assert!(suites("", "AES").unwrap_err().starts_with("Failed to configure ciphersuites: AES"));
    }

    #[test]
    fn protocols_of_old_are_left_out_and_nothing_else_is() {
        assert_eq!(versions("").unwrap().len(), 2);
        assert_eq!(versions("TLSv1.2").unwrap(), [&TLS12]);
        assert_eq!(versions("TLSv1.1 tlsv1.3").unwrap(), [&TLS13]);
        assert!(versions("TLSv1 TLSv1.1").is_err());
        assert!(versions("SSLv3 TLSv1.2").is_err());
    }
}
