//! Rules, what they come to, and how they are written down.

use super::*;
use crate::connection::OwnedRequest;
use koltso_proto::command;

fn made(rules: &str) -> User {
    let mut user = User::new(b"u", false);
    let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    for rule in join_selectors(&words).unwrap() {
        user.apply(&rule, false).unwrap_or_else(|error| panic!("{rules}: {error:?}"));
    }
    user
}

fn described(rules: &str) -> String {
    String::from_utf8(made(rules).describe()).unwrap()
}

fn check(user: &User, line: &str) -> Result<(), Denied> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let spec = command::resolve(words[0], words.get(1).copied()).unwrap();
    user.check(spec, OwnedRequest::from_words(&words).args())
}

#[test]
fn rules_are_written_down_as_short_as_they_can_be() {
    for (rules, text) in [
        ("on nopass ~* &* +@all", "on nopass ~* &* +@all"),
        ("", "off resetchannels -@all"),
        ("+get +set +get", "off resetchannels -@all +get +set"),
        ("+@all -memory|doctor -memory", "off resetchannels +@all -memory"),
        ("+@all +client|id", "off resetchannels +@all"),
        ("-debug +debug|a +debug|b", "off resetchannels -@all +debug|a +debug|b"),
        ("+debug|a -debug", "off resetchannels -@all"),
        ("+@all -client +client|id", "off resetchannels +@all -client +client|id"),
        ("+incr -@all", "off resetchannels -@all"),
        ("%R~foo %W~foo %RW~bar %r~baz", "off ~foo ~bar %R~baz resetchannels -@all"),
        ("~a allkeys &x", "off ~* resetchannels &x -@all"),
        ("( ~key +get ) (%R~x)", "off resetchannels -@all (~key resetchannels -@all +get) (%R~x resetchannels -@all)"),
        ("+@geo -get +config +config|get -config|get -config", "off resetchannels -@all +@geo"),
        ("+config -config|get +@all -@all -config|get +config", "off resetchannels -@all +config"),
        ("+xgroup -xgroup|create +memory -xgroup", "off resetchannels -@all +memory"),
        ("%R~* %W~* ~b", "off %RW~* ~b resetchannels -@all"),
        ("+SELECT|0 +Get", "off resetchannels -@all +select|0 +get"),
    ] {
        assert_eq!(described(rules), text, "{rules}");
        assert_eq!(described(text), text);
    }
    for (category, _) in command::AclCategories::ALL.iter().map(|(_, name)| (name, ())) {
        assert_eq!(described(&format!("+@all -@{category}")), format!("off resetchannels +@all -@{category}"));
        assert_eq!(described(&format!("+@{category}")), format!("off resetchannels -@all +@{category}"));
    }
}

#[test]
fn wrong_rules_change_nothing() {
    for (rules, error) in [
        ("+nosuch", RuleError::Unknown),
        ("+@nosuch", RuleError::Unknown),
        ("+config|nosuch", RuleError::Unknown),
        ("+config|get|x", RuleError::FirstArgOfSubcommand),
        ("+get|a|b", RuleError::Unknown),
        ("+debug|", RuleError::Syntax),
        ("nosuch", RuleError::Syntax),
        ("%~x", RuleError::Syntax),
        ("%RR~x", RuleError::Syntax),
        ("%", RuleError::Syntax),
        ("(nosuch)", RuleError::Syntax),
        (")", RuleError::Syntax),
        ("#12", RuleError::BadHash),
        ("<x", RuleError::NoSuchPassword),
    ] {
        let mut user = User::new(b"u", false);
        assert_eq!(user.apply(rules.as_bytes(), false), Err(error), "{rules}");
        assert_eq!(user.describe(), b"off resetchannels -@all");
    }
    let mut user = made("allkeys allchannels");
    assert_eq!(user.apply(b"%", false), Err(RuleError::AllKeys));
    assert_eq!(user.apply(b"~x", false), Err(RuleError::AllKeys));
    assert_eq!(user.apply(b"&x", false), Err(RuleError::AllChannels));
    assert_eq!(join_selectors(&[b"on", b"(~x", b"+get"]), Err(1));
}

#[test]
fn commands_keys_and_channels_are_looked_at() {
    let user = made("+@all -@dangerous -config +config|get ~k* %R~read* %W~write* &c*");
    for line in [
        "GET k1",
        "CONFIG GET x",
        "GET read1",
        "SET write1 v",
        "COPY read1 write1",
        "PUBLISH c1 x",
        "AUTH x",
        "SUBSCRIBE c1 c2",
    ] {
        assert_eq!(check(&user, line), Ok(()), "{line}");
    }
    for (line, denied) in [
        ("CONFIG SET a b", Denied::Command),
        ("KEYS *", Denied::Command),
        ("GET x", Denied::Key(1)),
        ("MGET k1 x", Denied::Key(2)),
        ("SET read1 v", Denied::Key(1)),
        ("GET write1", Denied::Key(1)),
        ("SET write1 v GET", Denied::Key(1)),
        ("COPY write1 read1", Denied::Key(1)),
        ("PFMERGE x", Denied::Key(1)),
        ("PUBLISH d x", Denied::Channel(1)),
        ("SUBSCRIBE c1 d", Denied::Channel(2)),
        ("PSUBSCRIBE c1", Denied::Channel(1)),
    ] {
        assert_eq!(check(&user, line), Err(denied), "{line}");
    }
    assert_eq!(check(&user, "PSUBSCRIBE c*"), Ok(()));
    let selectors = made("+get ~a (+@write ~b) (+mget ~a ~b)");
    assert_eq!(check(&selectors, "GET b"), Err(Denied::Key(1)));
    assert_eq!(check(&selectors, "SET b x"), Ok(()));
    assert_eq!(check(&selectors, "MGET a b"), Ok(()));
    assert_eq!(check(&selectors, "MGET a b c"), Err(Denied::Key(3)));
    assert_eq!(check(&selectors, "PING"), Err(Denied::Command));
    assert_eq!(check(&made("+select|0"), "SELECT 1"), Err(Denied::Command));
    assert_eq!(check(&made("+select|0"), "SELECT 0"), Ok(()));
}

#[test]
fn passwords_let_in_and_are_kept_as_hashes() {
    let mut user = made("on >one");
    assert!(user.admits(b"one") && !user.admits(b"two") && !user.admits(b""));
    let hash = user.passwords().next().unwrap();
    user.apply(format!("!{hash}").as_bytes(), false).unwrap();
    assert!(!user.admits(b"one"));
    user.apply(format!("#{hash}").as_bytes(), false).unwrap();
    assert!(user.admits(b"one"));
    user.apply(b"nopass", false).unwrap();
    assert!(user.admits(b"anything"));
    user.apply(b"off", false).unwrap();
    assert!(!user.admits(b"anything"));
}

#[test]
fn a_user_that_was_removed_and_made_again_is_another() {
    let mut users = Users::new(b"");
    users.put(made("+get"));
    let old = users.get(b"u").unwrap().clone();
    users.put(made("+set"));
    assert!(users.renewed(&old).is_some());
    users.remove(b"u");
    assert!(users.renewed(&old).is_none());
    users.put(made("+get"));
    assert!(users.renewed(&old).is_none());
    let default = users.default_user().clone();
    users.replace(Users::new(b"pwd"));
    assert!(users.renewed(&default).is_some_and(|user| !user.nopass));
    assert!(!users.remove(b"default") && users.iter().len() == 1);
}
