//! Sessions that clients may take up again: `tls-session-caching`, `tls-session-cache-size` and `tls-session-cache-timeout`.

use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, StoresServerSessions};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where no limit is asked for, in sessions: memory has one.
const SESSIONS_MAX: usize = 1 << 20;

/// A store with room for so many sessions, each of which is forgotten after a while; size 0 = no limit of one's own.
pub fn memory(size: u64, lifetime_s: u64) -> Arc<dyn StoresServerSessions> {
    let size = match usize::try_from(size) {
        Ok(size @ 1..SESSIONS_MAX) => size,
        _ => SESSIONS_MAX,
    };
    let inner = ServerSessionMemoryCache::new(size);
    Arc::new(Store { inner, began: Instant::now(), lifetime: Duration::from_secs(lifetime_s) })
}

/// No store: every connection shakes hands in full.
pub fn none() -> Arc<dyn StoresServerSessions> {
    Arc::new(NoServerSessionStorage {})
}

/// The store of rustls, with the time behind each session.
#[derive(Debug)]
struct Store {
    inner: Arc<ServerSessionMemoryCache>,
    began: Instant,
    lifetime: Duration,
}

impl Store {
    fn still_good(&self, mut session: Vec<u8>) -> Option<Vec<u8>> {
        let (rest, time) = session.split_last_chunk::<8>()?;
        let stored = Duration::from_millis(u64::from_be_bytes(*time));
        let len = rest.len();
        session.truncate(len);
        (self.began.elapsed().saturating_sub(stored) < self.lifetime).then_some(session)
    }
}

impl StoresServerSessions for Store {
    fn put(&self, key: Vec<u8>, mut session: Vec<u8>) -> bool {
        session.extend_from_slice(&(self.began.elapsed().as_millis() as u64).to_be_bytes());
        self.inner.put(key, session)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.inner.get(key).and_then(|session| self.still_good(session))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.inner.take(key).and_then(|session| self.still_good(session))
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_there_until_its_time_is_over() {
        let store = memory(8, 100);
        assert!(store.put(b"key".to_vec(), b"session".to_vec()));
        assert_eq!(store.get(b"key").unwrap(), b"session");
        assert_eq!(store.take(b"key").unwrap(), b"session");
        assert_eq!(store.take(b"key"), None);
        let store = memory(8, 0);
        store.put(b"key".to_vec(), b"session".to_vec());
        assert_eq!(store.get(b"key"), None);
    }
}
