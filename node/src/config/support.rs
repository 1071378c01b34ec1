//! What a configuration asks for and this node does not do: refused at the start where going on would be unsafe, and named in the
//! log where it is merely without effect. Nobody shall believe in a protection that is not there.

use super::{Config, DIRECTIVES, Directive, Marks};

/// Directives with an effect of their own elsewhere, and none here yet.
const WITHOUT_EFFECT: &[&str] = &["cluster-enabled"];

/// Refuses what would leave the node open, deaf or in the dark without its operator knowing.
///
/// # Errors
/// The reason, for the operator.
pub fn refuse(config: &Config) -> Result<(), String> {
    if config.port == 0 && config.tls_port == 0 && config.unixsocket.is_empty() {
        return Err("Configured to not listen anywhere, exiting.".to_string());
    }
    Ok(())
}

/// The directives that are set to something else than their default, and have no effect here.
pub fn without_effect(config: &Config) -> Vec<&'static str> {
    let defaults = Config::default();
    let is_set = |directive: &Directive| directive.get(config) != directive.get(&defaults);
    let is_idle = |directive: &Directive| directive.marks.has(Marks::INERT) || WITHOUT_EFFECT.contains(&directive.name);
    DIRECTIVES.iter().filter(|directive| is_idle(directive) && is_set(directive)).map(|directive| directive.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Config {
        let mut config = Config::default();
        config.read_text(text.as_bytes()).unwrap();
        config
    }

    #[test]
    fn protection_that_is_not_there_is_refused() {
        assert!(refuse(&read("port 0")).is_err());
        assert_eq!(refuse(&read("port 0\ntls-port 6380")), Ok(()));
        assert_eq!(refuse(&read("requirepass pwd\nport 6380")), Ok(()));
    }

    #[test]
    fn what_has_no_effect_is_named_only_where_it_is_set() {
        assert_eq!(without_effect(&read("")), [""; 0]);
        assert_eq!(without_effect(&read("io-threads 1\nappendonly no\nmaxclients 7")), [""; 0]);
        assert_eq!(without_effect(&read("io-threads 4\ncluster-enabled yes")), ["cluster-enabled", "io-threads"]);
    }
}
