//! The directives that take several arguments or have a form of their own: how each is read, printed and rewritten.

use std::path::PathBuf;

use koltso_proto::number::{parse_f64, parse_i64};

use super::Config;
use super::directive::Special;
use super::text::{Text, memory_text, parse_memory, quote};

/// `save seconds changes`: save when so much time has passed and so many changes were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u64,
}

pub(super) fn default_save() -> Vec<SavePoint> {
    [(3600, 1), (300, 100), (60, 10_000)].map(|(seconds, changes)| SavePoint { seconds, changes }).to_vec()
}

pub(super) static SAVE: Special = Special {
    many: true,
    get: |config| {
        let points = config.save.iter().map(|point| format!("{} {}", point.seconds, point.changes));
        points.collect::<Vec<_>>().join(" ").into()
    },
    set: |config, args| {
        const WRONG: &str = "Invalid save parameters";
        let args = if let [b""] = args { &[] } else { args };
        let (pairs, rest) = args.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(WRONG.into());
        }
        let number = |text: &[u8], min| parse_i64(text).filter(|number| *number >= min).map(i64::cast_unsigned).ok_or(WRONG);
        let point =
            |[seconds, changes]: &[&[u8]; 2]| Ok(SavePoint { seconds: number(seconds, 1)?, changes: number(changes, 0)? });
        config.save = pairs.iter().map(point).collect::<Result<_, &str>>()?;
        Ok(())
    },
    // Always all of them: the first line in a file takes the place of the defaults, so a part of them would mean only that part.
    lines: |config, _| {
        if config.save.is_empty() {
            return vec![(b"\"\"".to_vec(), true)];
        }
        config.save.iter().map(|point| (format!("{} {}", point.seconds, point.changes).into(), true)).collect()
    },
};

/// When a client is disconnected for replies it does not read. 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// At once from so many bytes on.
    pub hard: u64,
    /// From so many bytes on, when it lasts for `soft_seconds`.
    pub soft: u64,
    pub soft_seconds: u64,
}

/// `client-output-buffer-limit`, by class of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    pub normal: OutputLimit,
    pub replica: OutputLimit,
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> Self {
        OutputLimits {
            normal: OutputLimit { hard: 0, soft: 0, soft_seconds: 0 },
            replica: OutputLimit { hard: 256 << 20, soft: 64 << 20, soft_seconds: 60 },
            pubsub: OutputLimit { hard: 32 << 20, soft: 8 << 20, soft_seconds: 60 },
        }
    }
}

impl OutputLimits {
    /// The classes with their names; replicas are `slave` in replies, and `replica` in files.
    fn named(&self, replica: &'static str) -> [(&'static str, OutputLimit); 3] {
        [("normal", self.normal), (replica, self.replica), ("pubsub", self.pubsub)]
    }

    fn by_name(&mut self, name: &[u8]) -> Option<&mut OutputLimit> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Some(&mut self.normal),
            b"slave" | b"replica" => Some(&mut self.replica),
            b"pubsub" => Some(&mut self.pubsub),
            _ => None,
        }
    }
}

pub(super) static OUTPUT_LIMITS: Special = Special {
    many: true,
    get: |config| {
        let class = |(name, limit): (_, OutputLimit)| format!("{name} {} {} {}", limit.hard, limit.soft, limit.soft_seconds);
        config.client_output_buffer_limit.named("slave").map(class).join(" ").into()
    },
    set: |config, args| {
        let args = if let [b""] = args { &[] } else { args };
        let (classes, rest) = args.as_chunks::<4>();
        if !rest.is_empty() {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        // Only the classes that are named change.
        let mut limits = config.client_output_buffer_limit;
        for [name, hard, soft, soft_seconds] in classes {
            const UNKNOWN: &str = "Invalid client class specified in buffer limit configuration.";
            const WRONG: &str = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
            let limit = limits.by_name(name).ok_or(UNKNOWN)?;
            *limit = OutputLimit {
                hard: parse_memory(hard).ok_or(WRONG)?,
                soft: parse_memory(soft).ok_or(WRONG)?,
                soft_seconds: parse_i64(soft_seconds).and_then(|seconds| u64::try_from(seconds).ok()).ok_or(WRONG)?,
            };
        }
        config.client_output_buffer_limit = limits;
        Ok(())
    },
    lines: |config, defaults| {
        let (ours, theirs) = (&config.client_output_buffer_limit, &defaults.client_output_buffer_limit);
        let line = |(name, limit): (_, OutputLimit)| {
            format!("{name} {} {} {}", memory_text(limit.hard), memory_text(limit.soft), limit.soft_seconds).into_bytes()
        };
        let classes = ours.named("replica").into_iter().zip(theirs.named("replica"));
        classes.map(|(ours, theirs)| (line(ours), ours != theirs)).collect()
    },
};

pub(super) fn default_bind() -> Vec<Text> {
    vec!["*".into(), "-::*".into()]
}

/// How many addresses `bind` takes at most.
const BIND_MAX: usize = 16;

pub(super) static BIND: Special = Special {
    many: true,
    get: |config| join(config.bind.iter().map(Text::as_bytes)),
    set: |config, args| {
        if args.len() > BIND_MAX {
            return Err("Too many bind addresses specified.".into());
        }
        let args = if let [b""] = args { &[] } else { args };
        config.bind = args.iter().map(|address| Text::from(*address)).collect();
        Ok(())
    },
    lines: |config, defaults| {
        let changed = config.bind != defaults.bind;
        // Addresses are plain words, but nobody has looked at them yet.
        let plain = |word: &Text| word.as_bytes().iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte));
        let line = match config.bind.as_slice() {
            [] => b"\"\"".to_vec(),
            words if words.iter().all(|word| !word.is_empty() && plain(word)) => (BIND.get)(config),
            words => words.iter().fold(Vec::new(), |mut line, word| {
                quote(&mut line, word.as_bytes());
                line.push(b' ');
                line
            }),
        };
        vec![(line, changed)]
    },
};

fn join<'a>(words: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    words.collect::<Vec<_>>().join(&b' ')
}

pub(super) fn plain_line(special: &Special, config: &Config, defaults: &Config) -> Vec<(Vec<u8>, bool)> {
    let value = (special.get)(config);
    let changed = value != (special.get)(defaults);
    vec![(value, changed)]
}

/// Where a primary is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryAddress {
    pub host: Text,
    pub port: u16,
}

pub(super) static REPLICAOF: Special = Special {
    many: true,
    get: |config| match &config.replicaof {
        Some(primary) => join([primary.host.as_bytes(), primary.port.to_string().as_bytes()].into_iter()),
        None => Vec::new(),
    },
    set: |config, args| {
        let [host, port] = args else { return Err("wrong number of arguments".into()) };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            config.replicaof = None;
            return Ok(());
        }
        let port = parse_i64(port).and_then(|port| u16::try_from(port).ok()).ok_or("Invalid master port")?;
        config.replicaof = Some(PrimaryAddress { host: Text::from(*host), port });
        Ok(())
    },
    lines: |config, _| if config.replicaof.is_some() { vec![((REPLICAOF.get)(config), true)] } else { Vec::new() },
};

pub(super) static DIR: Special = Special {
    many: false,
    get: |config| {
        use std::os::unix::ffi::OsStringExt;
        let dir = std::path::absolute(&config.dir).unwrap_or_else(|_| config.dir.clone());
        dir.into_os_string().into_vec()
    },
    set: |config, args| {
        let [dir] = args else { return Err("wrong number of arguments".into()) };
        let dir = Text::from(*dir);
        let dir = dir.as_path().ok_or("No such file or directory")?.canonicalize().map_err(|error| reason(&error))?;
        if !dir.is_dir() {
            return Err("Not a directory".into());
        }
        config.dir = dir;
        Ok(())
    },
    lines: |config, _| {
        let mut line = Vec::new();
        quote(&mut line, &(DIR.get)(config));
        vec![(line, true)]
    },
};

/// What the system says went wrong, without the number.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_string(),
        None => text,
    }
}

/// The values are kept, and nothing is done with them.
pub(super) static OOM_SCORE_ADJ_VALUES: Special = Special {
    many: true,
    get: |config| config.oom_score_adj_values.map(|value| value.to_string()).join(" ").into(),
    set: |config, args| {
        const RANGE: &str = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
        let args: &[&[u8]; 3] = args.try_into().map_err(|_| "wrong number of arguments")?;
        let mut values = [0; 3];
        for (value, arg) in values.iter_mut().zip(args) {
            *value = parse_i64(arg).filter(|value| (-2000..=2000).contains(value)).ok_or(RANGE)? as i32;
        }
        config.oom_score_adj_values = values;
        Ok(())
    },
    lines: |config, defaults| plain_line(&OOM_SCORE_ADJ_VALUES, config, defaults),
};

/// How many percentiles may be asked for.
const PERCENTILES_MAX: usize = 64;

pub(super) static PERCENTILES: Special = Special {
    many: true,
    get: |config| {
        let text = |value: &f64| {
            let text = format!("{value:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        };
        config.latency_tracking_info_percentiles.iter().map(text).collect::<Vec<_>>().join(" ").into()
    },
    set: |config, args| {
        let args = if let [b""] = args { &[] } else { args };
        if args.len() > PERCENTILES_MAX {
            return Err("Too many latency-tracking-info-percentiles parameters".into());
        }
        let percentile = |arg: &&[u8]| match parse_f64(arg) {
            Some(value) if (0.0..=100.0).contains(&value) => Ok(value),
            Some(_) => Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"),
            None => Err("Invalid latency-tracking-info-percentiles parameters"),
        };
        config.latency_tracking_info_percentiles = args.iter().map(percentile).collect::<Result<_, _>>()?;
        Ok(())
    },
    lines: |config, defaults| {
        let mut lines = plain_line(&PERCENTILES, config, defaults);
        if config.latency_tracking_info_percentiles.is_empty() {
            lines[0].0 = b"\"\"".to_vec();
        }
        lines
    },
};

pub(super) fn host_name(name: &[u8]) -> Result<(), &'static str> {
    let fine = name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if fine { Ok(()) } else { Err("Hostnames may only contain alphanumeric characters, hyphens or dots") }
}

pub(super) fn dump_file_name(name: &[u8]) -> Result<(), &'static str> {
    if is_file_name(name) { Ok(()) } else { Err("dbfilename can't be a path, just a filename") }
}

pub(super) fn append_file_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        b"" => Err("appendfilename can't be empty"),
        _ if is_file_name(name) => Ok(()),
        _ => Err("appendfilename can't be a path, just a filename"),
    }
}

pub(super) fn directory_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        b"" => Err("appenddirname can't be empty"),
        _ if is_file_name(name) => Ok(()),
        _ => Err("appenddirname can't be a path, just a dirname"),
    }
}

/// Whether a name stays in its directory.
fn is_file_name(name: &[u8]) -> bool {
    !name.contains(&b'/') && !name.contains(&0) && name != b".." && name != b"."
}

/// The default working directory: wherever the process was started.
pub(super) fn here() -> PathBuf {
    PathBuf::from(".")
}
