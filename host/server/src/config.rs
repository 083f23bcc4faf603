//! The host's configuration: every key with its default and its meaning. Unknown keys are errors.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use host_egress::EgressLimits;
use host_engine::Pool;
use host_quota::{BadQuota, TenantLimits};
use serde::{Deserialize, Serialize};

macro_rules! section {
    ($(#[doc = $about:literal])* $name:ident { $($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr,)* }) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        #[allow(clippy::struct_field_names, reason = "keys are named for their readers; in some sections all are limits")]
        pub(crate) struct $name {
            $($(#[doc = $doc])+ pub(crate) $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $name {
            /// What each key means, in order.
            const MEANINGS: &[(&str, &str)] = &[$((stringify!($key), concat!($($doc),+)),)*];
        }
    };
}

section! {
    /// Everything.
    Config {
        /// Where everything that survives a restart is kept.
        data: PathBuf = ".bailiwick/data".into(),
        /// Where the API listens.
        listen: SocketAddr = (Ipv4Addr::LOCALHOST, 7410).into(),
        /// What carries messages: `embedded`, or the addresses of NATS servers (`nats://host:4222,nats://…`).
        bus: Bus = Bus::Embedded,
        /// Where agents and peers reach this host, without a slash at the end; empty for `http://` and the listening address.
        base_url: String = String::new(),
        /// Logging.
        log: Log = Log::default(),
        /// The sandbox.
        engine: Engine = Engine::default(),
        /// Limits on each message.
        message: Message = Message::default(),
        /// Limits on each tenant.
        tenant: Tenant = Tenant::default(),
        /// The way out to other hosts.
        egress: Egress = Egress::default(),
        /// The NATS servers, where they carry messages.
        nats: Nats = Nats::default(),
    }
}

section! {
    /// Logging.
    Log {
        /// `pretty` or `json`, to standard error.
        format: LogFormat = LogFormat::Pretty,
        /// What is logged, as tracing filters say it: `info`, `warn,agent=debug`. Taken over on SIGHUP.
        level: String = "info".to_owned(),
    }
}

section! {
    /// The sandbox.
    Engine {
        /// `fast` zeroes the dirty pages of a slot; `strict` gives all of them back to the kernel between two instances.
        pool: Pool = Pool::Fast,
        /// Instances alive at once, 1 to 20000.
        instances_max: u32 = 4_000,
        /// Threads that run guests, 1 to 256; 0 is one a core.
        shards: u16 = 0,
        /// CPU seconds one compilation may take, 1 to 3600.
        compile_cpu_seconds: u32 = 60,
        /// MiB of address space one compilation may take, 256 to 65536.
        compile_memory_mib: u32 = 2_048,
    }
}

section! {
    /// Limits on each message.
    Message {
        /// Bytes of payload, 1 to 16777216.
        payload_bytes_max: u32 = 1 << 20,
        /// Headers, 1 to 1024.
        headers_max: u16 = 32,
        /// Handlers one chain of causes may come through, 1 to 1024.
        hop_max: u16 = 32,
        /// Messages that are sent because of one message, 1 to 10000000.
        root_messages_max: u32 = 10_000,
    }
}

section! {
    /// Limits on each tenant, unless another was set for it with `tenant quota set`.
    Tenant {
        /// MiB of linear memory of all its instances together, 1 to 1048576.
        memory_mib_max: u32 = 512,
        /// Instances alive at once, 1 to 100000.
        instances_max: u32 = 256,
        /// Requests that await their answer, 1 to 1048576.
        requests_max: u32 = 1_024,
        /// Messages its agents may send in a second, 1 to 100000000.
        messages_per_second_max: u32 = 50_000,
        /// Messages its agents may send in a day (UTC), 1 to 1125899906842624.
        messages_per_day_max: u64 = 1_000_000_000,
        /// KiB its agents may log in a second, 1 to 4194304.
        log_kib_per_second_max: u32 = 1_024,
        /// MiB of its agents' files, 1 to 1073741824.
        storage_mib_max: u32 = 256,
        /// Its agents' files and directories, 1 to 100000000.
        storage_files_max: u32 = 10_000,
        /// MiB of its agents' keys and values, 1 to 1048576.
        state_mib_max: u32 = 64,
        /// Its agents' keys, 1 to 100000000.
        state_keys_max: u32 = 100_000,
        /// HTTP requests under way at once, 1 to 10000.
        http_requests_max: u32 = 32,
        /// Messages kept in its queues, 1 to 100000000; one in two queues counts twice.
        queued_messages_max: u32 = 100_000,
        /// MiB kept in its queues, 1 to 1073741824.
        queued_mib_max: u32 = 1_024,
        /// Its dead letters, 1 to 100000000.
        dead_letters_max: u32 = 10_000,
        /// Hours that a message may wait in a queue, 1 to 720.
        retention_hours_max: u32 = 168,
        /// How often a kept message is tried, 1 to 100.
        message_attempts_max: u32 = 5,
        /// Its share of a busy host, against the other tenants' shares, 1 to 10000.
        weight: u32 = 100,
        /// Threads its messages may be handled on at once, 1 to 1024.
        parallelism: u32 = 1,
    }
}

section! {
    /// The way out to other hosts.
    Egress {
        /// Certificates in PEM of authorities to trust besides the public ones; empty for none.
        ca_file: PathBuf = PathBuf::new(),
        /// Bytes of a request's body, 1 to 4194304.
        request_bytes_max: u32 = 1 << 20,
        /// Bytes of a response's body, 1 to 268435456.
        response_bytes_max: u32 = 8 << 20,
        /// Bytes of a response's status line and headers, 8192 to 1048576.
        head_bytes_max: u32 = 32 << 10,
        /// Headers of a response, 1 to 1000.
        headers_max: u32 = 100,
        /// Milliseconds to resolve and connect, 1 to 30000.
        connect_ms_max: u32 = 5_000,
        /// Milliseconds from there to the head of the response, 1 to 30000.
        first_byte_ms_max: u32 = 30_000,
        /// Milliseconds from one part of a response's body to the next, 1 to 30000.
        between_bytes_ms_max: u32 = 10_000,
        /// Milliseconds from the request to the end of its response, 1 to 600000.
        total_ms_max: u32 = 60_000,
        /// Tenants whose connections are kept for their next request, 1 to 10000.
        pools_max: u32 = 256,
    }
}

section! {
    /// The NATS servers.
    Nats {
        /// File with the host's credentials: a NATS `.creds` file, or one line `user:password`; empty for none.
        credentials_file: PathBuf = PathBuf::new(),
        /// The same for a user of the system account: without it nobody sees whether the servers sync, and no message is kept.
        system_credentials_file: PathBuf = PathBuf::new(),
        /// Folder that `bailiwick nats init` made, to have each tenant as an account of its own, in place of both files; empty for none.
        accounts_dir: PathBuf = PathBuf::new(),
        /// What is promised of kept messages: `durable` (one server) or `replicated` (three).
        class: NatsClass = NatsClass::Durable,
    }
}

/// What carries messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Bus {
    /// Within this process.
    Embedded,
    /// Over NATS servers at these addresses.
    Nats(Vec<String>),
}

impl TryFrom<String> for Bus {
    type Error = String;

    /// Users and passwords are no part of an address: they would be shown with it.
    fn try_from(raw: String) -> Result<Self, String> {
        if raw == "embedded" {
            return Ok(Self::Embedded);
        }
        let servers: Vec<String> = raw.split(',').map(|server| server.trim().to_owned()).collect();
        let is_address = |server: &String| server.starts_with("nats://") || server.starts_with("tls://");
        if !servers.iter().all(is_address) {
            return Err("the bus is `embedded` or addresses of NATS servers: nats://127.0.0.1:4222".to_owned());
        }
        if servers.iter().any(|server| server.contains('@')) {
            return Err(
                "an address of a NATS server holds no user: put it into a file and name that in nats.credentials_file"
                    .to_owned(),
            );
        }
        Ok(Self::Nats(servers))
    }
}

impl From<Bus> for String {
    fn from(bus: Bus) -> Self {
        match bus {
            Bus::Embedded => "embedded".to_owned(),
            Bus::Nats(servers) => servers.join(","),
        }
    }
}

/// What is promised of messages that NATS keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NatsClass {
    /// One server that syncs each write.
    Durable,
    /// Three replicas.
    Replicated,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// The configuration in a table, if every key is known and every value can be meant.
    pub(crate) fn from_table(table: toml::Table) -> anyhow::Result<Self> {
        let config: Self = table.try_into().map_err(|error: toml::de::Error| one_line(&error))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        let within = |key: &str, value: u32, min: u32, max: u32| {
            ensure!((min..=max).contains(&value), "{key} is {value}: it must lie between {min} and {max}");
            Ok(())
        };
        within("engine.instances_max", self.engine.instances_max, 1, 20_000)?;
        within("engine.shards", self.engine.shards.into(), 0, 256)?;
        within("engine.compile_cpu_seconds", self.engine.compile_cpu_seconds, 1, 3_600)?;
        within("engine.compile_memory_mib", self.engine.compile_memory_mib, 256, 65_536)?;
        within("message.payload_bytes_max", self.message.payload_bytes_max, 1, 16 << 20)?;
        within("message.headers_max", self.message.headers_max.into(), 1, 1_024)?;
        within("message.hop_max", self.message.hop_max.into(), 1, 1_024)?;
        self.tenant.limits().checked().map_err(|bad| anyhow::anyhow!("tenant.{}", as_written(bad)))?;
        self.egress.limits().checked()?;
        self.check_accounts()?;
        within("message.root_messages_max", self.message.root_messages_max, 1, 10_000_000)?;
        self.log
            .level
            .parse::<tracing_subscriber::EnvFilter>()
            .with_context(|| format!("log.level '{}'", self.log.level))?;
        Ok(())
    }

    /// With accounts the host makes its own credentials, for servers that know them.
    fn check_accounts(&self) -> anyhow::Result<()> {
        let Nats { credentials_file, system_credentials_file, accounts_dir, .. } = &self.nats;
        if accounts_dir.as_os_str().is_empty() {
            return Ok(());
        }
        ensure!(
            self.bus != Bus::Embedded,
            "nats.accounts_dir is set and the bus is `embedded`: name the NATS servers with --bus nats://…"
        );
        ensure!(
            credentials_file.as_os_str().is_empty() && system_credentials_file.as_os_str().is_empty(),
            "with nats.accounts_dir the host makes its own credentials: leave out nats.credentials_file and \
             nats.system_credentials_file"
        );
        Ok(())
    }

    /// The configuration as TOML, each key under its meaning.
    pub(crate) fn explained(&self) -> anyhow::Result<String> {
        let table = toml::Table::try_from(self)?;
        let mut lines = explained(&table, Self::MEANINGS);
        let sections = [
            ("log", Log::MEANINGS),
            ("engine", Engine::MEANINGS),
            ("message", Message::MEANINGS),
            ("tenant", Tenant::MEANINGS),
            ("egress", Egress::MEANINGS),
            ("nats", Nats::MEANINGS),
        ];
        for (name, meanings) in sections {
            if let Some(toml::Value::Table(section)) = table.get(name) {
                lines.extend([String::new(), format!("[{name}]")]);
                lines.extend(explained(section, meanings));
            }
        }
        Ok(lines.join("\n") + "\n")
    }
}

/// A limit under the key and in the unit it has here.
fn as_written(bad: BadQuota) -> BadQuota {
    let (name, shift) = match bad.name {
        "memory_bytes_max" => ("memory_mib_max", 20),
        "log_bytes_per_second_max" => ("log_kib_per_second_max", 10),
        "storage_bytes_max" => ("storage_mib_max", 20),
        "state_bytes_max" => ("state_mib_max", 20),
        "queued_bytes_max" => ("queued_mib_max", 20),
        name => (name, 0),
    };
    BadQuota { name, value: bad.value >> shift, min: (bad.min >> shift).max(1), max: bad.max >> shift }
}

impl Tenant {
    /// In bytes and counts, as the rest of the house knows them.
    pub(crate) fn limits(&self) -> TenantLimits {
        let mib = |mib: u32| u64::from(mib) << 20;
        TenantLimits {
            memory_bytes_max: mib(self.memory_mib_max),
            instances_max: self.instances_max.into(),
            requests_max: self.requests_max.into(),
            messages_per_second_max: self.messages_per_second_max.into(),
            messages_per_day_max: self.messages_per_day_max,
            log_bytes_per_second_max: u64::from(self.log_kib_per_second_max) << 10,
            storage_bytes_max: mib(self.storage_mib_max),
            storage_files_max: self.storage_files_max.into(),
            state_bytes_max: mib(self.state_mib_max),
            state_keys_max: self.state_keys_max.into(),
            http_requests_max: self.http_requests_max.into(),
            queued_messages_max: self.queued_messages_max.into(),
            queued_bytes_max: mib(self.queued_mib_max),
            dead_letters_max: self.dead_letters_max.into(),
            retention_hours_max: self.retention_hours_max.into(),
            message_attempts_max: self.message_attempts_max.into(),
            weight: self.weight.into(),
            parallelism: self.parallelism.into(),
        }
    }
}

impl Egress {
    /// What bounds each request; not yet checked.
    pub(crate) fn limits(&self) -> EgressLimits {
        EgressLimits {
            request_bytes_max: self.request_bytes_max,
            response_bytes_max: self.response_bytes_max,
            head_bytes_max: self.head_bytes_max,
            headers_max: self.headers_max,
            connect_ms_max: self.connect_ms_max,
            first_byte_ms_max: self.first_byte_ms_max,
            between_bytes_ms_max: self.between_bytes_ms_max,
            total_ms_max: self.total_ms_max,
            pools_max: self.pools_max,
        }
    }
}

fn explained(table: &toml::Table, meanings: &[(&str, &str)]) -> Vec<String> {
    let line = |(key, meaning): &(&str, &str)| match table.get(*key) {
        Some(toml::Value::Table(_)) | None => None,
        Some(value) => Some(format!("#{meaning}\n{key} = {value}")),
    };
    meanings.iter().filter_map(line).collect()
}

/// toml draws its errors over several lines; ours are one.
fn one_line(error: &toml::de::Error) -> anyhow::Error {
    anyhow::anyhow!("{}", error.message().lines().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, problem: Option<&str>) {
        let config = Config::from_table(text.parse().unwrap());
        match (config, problem) {
            (Ok(_), None) => {}
            (Err(error), Some(problem)) => assert!(format!("{error:#}").contains(problem), "{error:#}"),
            (config, problem) => unreachable!("{text}: {config:?} {problem:?}"),
        }
    }

    #[test]
    fn what_is_not_known_or_cannot_be_meant_does_not_load() {
        check("", None);
        check("[log]\nformat = 'json'\nlevel = 'warn,agent=debug'", None);
        check("colour = 'red'", Some("unknown field `colour`"));
        check("[engine]\ninstances_max = 0", Some("engine.instances_max is 0: it must lie between 1 and 20000"));
        check("[engine]\npool = 'slow'", Some("unknown variant `slow`"));
        check("[message]\nhop_max = 0", Some("message.hop_max is 0"));
        check("[tenant]\nmemory_mib_max = 0", Some("tenant.memory_mib_max is 0: it must lie between 1 and 1048576"));
        check("[tenant]\nmemory_mib_max = 1048576", None);
        check("[tenant]\nmemory_mib_max = 1048577", Some("tenant.memory_mib_max is 1048577"));
        check(
            "[tenant]\nlog_kib_per_second_max = 0",
            Some("tenant.log_kib_per_second_max is 0: it must lie between 1 and 4194304"),
        );
        check("[tenant]\nstate_mib_max = 0", Some("tenant.state_mib_max is 0: it must lie between 1 and 1048576"));
        check(
            "[tenant]\nstorage_mib_max = 0",
            Some("tenant.storage_mib_max is 0: it must lie between 1 and 1073741824"),
        );
        check("[tenant]\nweight = 0", Some("tenant.weight is 0: it must lie between 1 and 10000"));
        check("[tenant]\nweight = 10000", None);
        check("[tenant]\nweight = 10001", Some("tenant.weight is 10001"));
        check("[tenant]\nmessages_per_day_max = 0", Some("tenant.messages_per_day_max is 0"));
        check("[egress]\ntotal_ms_max = 0", Some("egress.total_ms_max is 0: it must lie between 1 and 600000"));
        check("[egress]\nproxy = 'x'", Some("unknown field `proxy`"));
        check("[message]\nroot_messages_max = 0", Some("message.root_messages_max is 0"));
        check("[log]\nlevel = 'a=b=c'", Some("log.level"));
        check("listen = 'here'", Some("invalid socket address"));
        check("bus = 'nats://127.0.0.1:4222, tls://b:4222'", None);
        check("bus = 'kafka://b'", Some("the bus is `embedded` or addresses of NATS servers"));
        check("bus = 'nats://me:secret@b'", Some("holds no user"));
        check("[nats]\nclass = 'eventual'", Some("unknown variant `eventual`"));
        check("bus = 'nats://b:4222'\n[nats]\naccounts_dir = 'nats'", None);
        check("[nats]\naccounts_dir = 'nats'", Some("name the NATS servers with --bus"));
        check(
            "bus = 'nats://b:4222'\n[nats]\naccounts_dir = 'nats'\ncredentials_file = 'x'",
            Some("leave out nats.credentials_file"),
        );
    }

    #[test]
    fn the_defaults_of_a_tenant_are_those_of_the_house() {
        assert_eq!(Config::default().tenant.limits(), TenantLimits::default());
    }

    #[test]
    fn the_configurations_limits_on_egress_are_the_way_outs_own() {
        assert_eq!(Egress::default().limits(), EgressLimits::default());
    }

    #[test]
    fn the_printed_configuration_reads_back_as_itself_and_explains_every_key() {
        let config = Config::default();
        let text = config.explained().unwrap();
        assert_eq!(Config::from_table(text.parse().unwrap()).unwrap(), config);
        let keys = text.lines().filter(|line| line.contains(" = ")).count();
        assert_eq!(keys, text.lines().filter(|line| line.starts_with('#')).count());
    }
}
