//! The options of one agent, and the environment variables that win over code.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use soakscope_report::{MustSee, length_of_time};
use soakscope_sampler::ClockChoice;
use tracing::level_filters::LevelFilter;

use crate::error::Error;

/// What a mode of the run directory may be.
const MODE_TAKES: &str =
    "it takes an octal mode that lets the owner do all and others not write, e.g. 750";

/// Everything that can be set. Each field has a `SOAKSCOPE_*` variable, and each
/// but `enabled` a builder method.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) enabled: bool,
    pub(crate) run_dir: PathBuf,
    pub(crate) run_path: Option<PathBuf>,
    /// Who may look into a run; `None` is its owner.
    pub(crate) run_dir_mode: Option<u32>,
    pub(crate) listen: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) cpu_frequency: u32,
    pub(crate) cpu_clock: ClockChoice,
    pub(crate) cpu_window: Duration,
    /// `None` leaves it as the program set it.
    pub(crate) heap_interval: Option<u64>,
    pub(crate) heap_step: Duration,
    pub(crate) tick: Duration,
    pub(crate) reading_share: f64,
    pub(crate) phase: String,
    pub(crate) version: Option<String>,
    pub(crate) budgets: Option<PathBuf>,
    /// The leak that the run must be able to show, as it was given.
    pub(crate) must_see: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) abort_on_breach: Option<Duration>,
    pub(crate) global_recorder: bool,
    pub(crate) span_level: LevelFilter,
    /// A request that takes longer is slow.
    pub(crate) slow_request: Duration,
    /// So many repeats of a statement in one request are too many; 0 looks at
    /// no statement.
    pub(crate) most_repeats: u32,
    /// Parts of statements that may repeat.
    pub(crate) allowed_repeats: Vec<String>,
    /// Fields of requests that are kept beside method, route and status.
    pub(crate) keep_fields: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            run_dir: PathBuf::from("runs"),
            run_path: None,
            run_dir_mode: None,
            listen: None,
            token: None,
            cpu_frequency: 99,
            cpu_clock: ClockChoice::Auto,
            cpu_window: Duration::from_secs(10),
            heap_interval: None,
            heap_step: Duration::from_secs(60),
            tick: Duration::from_secs(1),
            reading_share: 0.02,
            phase: String::new(),
            version: None,
            budgets: None,
            must_see: None,
            environment: None,
            abort_on_breach: None,
            global_recorder: false,
            span_level: LevelFilter::INFO,
            slow_request: Duration::from_secs(1),
            most_repeats: 5,
            allowed_repeats: Vec::new(),
            keep_fields: Vec::new(),
        }
    }
}

impl Config {
    /// Lets the environment win and checks what came out. `lookup` is
    /// `std::env::var` outside tests; an empty variable counts as unset.
    pub(crate) fn resolve(
        mut self,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let read = |name: &str| lookup(name).filter(|value| !value.is_empty());
        if let Some(value) = read("SOAKSCOPE_ENABLED") {
            self.enabled = switch("SOAKSCOPE_ENABLED", &value)?;
        }
        if let Some(value) = read("SOAKSCOPE_RUN_DIR") {
            self.run_dir = value.into();
            self.run_path = None;
        }
        if let Some(value) = read("SOAKSCOPE_RUN_PATH") {
            self.run_path = Some(value.into());
        }
        if let Some(value) = read("SOAKSCOPE_RUN_DIR_MODE") {
            let mode = u32::from_str_radix(&value, 8).map_err(|_| Error::Option {
                name: "SOAKSCOPE_RUN_DIR_MODE".to_owned(),
                value: value.clone(),
                remedy: MODE_TAKES.to_owned(),
            })?;
            self.run_dir_mode = Some(mode);
        }
        if let Some(value) = read("SOAKSCOPE_LISTEN") {
            self.listen = (value != "off").then_some(value);
        }
        if let Some(value) = read("SOAKSCOPE_TOKEN") {
            self.token = Some(value);
        }
        if let Some(value) = read("SOAKSCOPE_CPU_FREQUENCY") {
            self.cpu_frequency = parse(
                "SOAKSCOPE_CPU_FREQUENCY",
                &value,
                "it takes samples a second, e.g. 99",
            )?;
        }
        if let Some(value) = read("SOAKSCOPE_CPU_CLOCK") {
            self.cpu_clock = parse(
                "SOAKSCOPE_CPU_CLOCK",
                &value,
                "it takes auto, instants, perf, timer, pprof, wall or off",
            )?;
        }
        if let Some(value) = read("SOAKSCOPE_CPU_WINDOW") {
            self.cpu_window = duration("SOAKSCOPE_CPU_WINDOW", &value)?;
        }
        if let Some(value) = read("SOAKSCOPE_HEAP_INTERVAL") {
            self.heap_interval = Some(parse(
                "SOAKSCOPE_HEAP_INTERVAL",
                &value,
                "it takes the mean bytes allocated between two samples, e.g. 524288; 0 is off",
            )?);
        }
        if let Some(value) = read("SOAKSCOPE_HEAP_STEP") {
            self.heap_step = duration("SOAKSCOPE_HEAP_STEP", &value)?;
        }
        if let Some(value) = read("SOAKSCOPE_TICK") {
            self.tick = duration("SOAKSCOPE_TICK", &value)?;
        }
        if let Some(value) = read("SOAKSCOPE_READING_SHARE") {
            self.reading_share = parse(
                "SOAKSCOPE_READING_SHARE",
                &value,
                "it takes a share of one core, e.g. 0.02",
            )?;
        }
        if let Some(value) = read("SOAKSCOPE_PHASE") {
            self.phase = value;
        }
        if let Some(value) = read("SOAKSCOPE_VERSION") {
            self.version = Some(value);
        }
        if let Some(value) = read("SOAKSCOPE_BUDGETS") {
            self.budgets = (value != "off").then(|| value.into());
        }
        if let Some(value) = read("SOAKSCOPE_MUST_SEE") {
            self.must_see = (value != "off").then_some(value);
        }
        if let Some(value) = read("SOAKSCOPE_ENVIRONMENT") {
            self.environment = Some(value);
        }
        if let Some(value) = read("SOAKSCOPE_ABORT_ON_BREACH") {
            self.abort_on_breach = match value.as_str() {
                "off" => None,
                _ => Some(duration("SOAKSCOPE_ABORT_ON_BREACH", &value)?),
            };
        }
        if let Some(value) = read("SOAKSCOPE_GLOBAL_RECORDER") {
            self.global_recorder = switch("SOAKSCOPE_GLOBAL_RECORDER", &value)?;
        }
        if let Some(value) = read("SOAKSCOPE_SPAN_LEVEL") {
            self.span_level = parse(
                "SOAKSCOPE_SPAN_LEVEL",
                &value,
                "it takes off, error, warn, info, debug or trace",
            )?;
        }
        if let Some(value) = read("SOAKSCOPE_SLOW_REQUEST") {
            self.slow_request = duration("SOAKSCOPE_SLOW_REQUEST", &value)?;
        }
        if let Some(value) = read("SOAKSCOPE_MOST_REPEATS") {
            self.most_repeats = parse(
                "SOAKSCOPE_MOST_REPEATS",
                &value,
                "it takes a number, e.g. 5; 0 looks at no statement",
            )?;
        }
        if let Some(value) = read("SOAKSCOPE_KEEP_FIELDS") {
            let names = value.split(',').map(str::trim);
            self.keep_fields = names
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect();
        }
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |name: &str, value: String, remedy: &str| {
            Err(Error::Option {
                name: name.to_owned(),
                value,
                remedy: remedy.to_owned(),
            })
        };
        if self.tick < Duration::from_millis(10) {
            return refuse("tick", format!("{:?}", self.tick), "the shortest is 10 ms");
        }
        if let Some(mode) = self.run_dir_mode
            && (mode & !0o775 != 0 || mode & 0o700 != 0o700)
        {
            return refuse("run_dir_mode", format!("{mode:o}"), MODE_TAKES);
        }
        if !(1..=10_000).contains(&self.cpu_frequency) {
            return refuse(
                "cpu_frequency",
                self.cpu_frequency.to_string(),
                "it takes 1 to 10000 samples a second; SOAKSCOPE_CPU_CLOCK=off samples nothing",
            );
        }
        if !(0.000_1..=1.0).contains(&self.reading_share) {
            return refuse(
                "reading_share",
                self.reading_share.to_string(),
                "it takes 0.0001 to 1 of one core; the default is 0.02",
            );
        }
        if let Some(must_see) = &self.must_see
            && let Err(takes) = must_see.parse::<MustSee>()
        {
            return refuse("must_see", must_see.clone(), &takes);
        }
        if self.phase.contains('/') {
            return refuse(
                "phase",
                self.phase.clone(),
                "phases do not nest; use a name without '/'",
            );
        }
        if self.most_repeats == 1 {
            return refuse(
                "most_repeats",
                "1".to_owned(),
                "a statement that runs once does not repeat; it takes 2 or more, or 0",
            );
        }
        for (name, length) in [
            ("cpu_window", self.cpu_window),
            ("heap_step", self.heap_step),
        ] {
            if length < Duration::from_secs(1) {
                return refuse(name, format!("{length:?}"), "the shortest is 1 s");
            }
        }
        Ok(())
    }
}

fn parse<T: FromStr>(name: &str, value: &str, remedy: &str) -> Result<T, Error> {
    value.parse().map_err(|_| Error::Option {
        name: name.to_owned(),
        value: value.to_owned(),
        remedy: remedy.to_owned(),
    })
}

fn switch(name: &str, value: &str) -> Result<bool, Error> {
    match value {
        "1" | "true" | "on" | "yes" => Ok(true),
        "0" | "false" | "off" | "no" => Ok(false),
        _ => Err(Error::Option {
            name: name.to_owned(),
            value: value.to_owned(),
            remedy: "it takes 1 or 0".to_owned(),
        }),
    }
}

fn duration(name: &str, value: &str) -> Result<Duration, Error> {
    length_of_time(value).map_err(|takes| Error::Option {
        name: name.to_owned(),
        value: value.to_owned(),
        remedy: takes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, Error> {
        Config::default().resolve(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_wins_over_code() {
        let config = with(&[
            ("SOAKSCOPE_TICK", "250ms"),
            ("SOAKSCOPE_LISTEN", "127.0.0.1:0"),
            ("SOAKSCOPE_CPU_CLOCK", "off"),
            ("SOAKSCOPE_ENABLED", "0"),
            ("SOAKSCOPE_RUN_DIR", ""),
            ("SOAKSCOPE_KEEP_FIELDS", "tenant, plan,"),
            ("SOAKSCOPE_RUN_DIR_MODE", "750"),
        ])
        .expect("all good");
        assert_eq!(config.tick, Duration::from_millis(250));
        assert_eq!(config.listen.as_deref(), Some("127.0.0.1:0"));
        assert!(!config.enabled);
        assert_eq!(config.run_dir_mode, Some(0o750));
        assert_eq!(config.run_dir, PathBuf::from("runs"));
        assert_eq!(config.keep_fields, ["tenant", "plan"]);
    }

    #[test]
    fn a_bad_value_names_the_variable_and_what_it_takes() {
        for (name, value, says) in [
            ("SOAKSCOPE_TICK", "fast", "500ms"),
            ("SOAKSCOPE_TICK", "1ms", "10 ms"),
            ("SOAKSCOPE_TICK", "-1s", "500ms"),
            ("SOAKSCOPE_CPU_FREQUENCY", "0", "1 to 10000"),
            ("SOAKSCOPE_READING_SHARE", "nan", "0.0001 to 1"),
            ("SOAKSCOPE_READING_SHARE", "2%", "share of one core"),
            ("SOAKSCOPE_CPU_CLOCK", "sundial", "perf"),
            ("SOAKSCOPE_PHASE", "spike/ramp", "do not nest"),
            ("SOAKSCOPE_MUST_SEE", "10 a day", "10MB/h"),
            ("SOAKSCOPE_HEAP_INTERVAL", "512k", "524288"),
            ("SOAKSCOPE_HEAP_STEP", "10ms", "1 s"),
            ("SOAKSCOPE_RUN_DIR_MODE", "rwx", "750"),
            ("SOAKSCOPE_RUN_DIR_MODE", "777", "others not write"),
            ("SOAKSCOPE_RUN_DIR_MODE", "4755", "octal"),
            ("SOAKSCOPE_RUN_DIR_MODE", "055", "octal"),
            ("SOAKSCOPE_ENABLED", "maybe", "1 or 0"),
        ] {
            let text = with(&[(name, value)]).expect_err(value).to_string();
            assert!(text.contains(says), "{text}");
        }
    }
}
