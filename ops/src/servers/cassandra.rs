//! The private CQL server: an Apache Cassandra of one node. Its configuration is `ops/cassandra.yaml` and
//! `ops/cassandra-logback.xml`, carried in the binary and written with this start's ports beside its data.
//!
//! What it has acknowledged is on disk: it may be killed at any time, and is when we die. It listens on loopback only
//! and asks for no password (`ops/cassandra.yaml` says why). It runs as whoever runs us, also as root.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::port::Ports;
use super::process::{Process, tail};
use super::user::RunAs;
use super::{Say, Shape, leftover, place, program, show};

const CONFIGURATION: &str = include_str!("../../cassandra.yaml");
const LOGGING: &str = include_str!("../../cassandra-logback.xml");
const USUAL_PORT: u16 = 19_042;
const USUAL_STORAGE_PORT: u16 = 17_000;
/// Six seconds on a machine with nothing else to do; it reads its commit log after an unclean end.
const PATIENCE_TO_START: Duration = Duration::from_secs(180);
const PATIENCE_TO_STOP: Duration = Duration::from_secs(30);
const PROGRAMS: [&str; 1] = ["java"];

/// Parts of the JDK that Cassandra 5.0 reaches into, as its own `jvm17-server.options` has them.
const EXPORTS: &[&str] = &[
    "java.base/java.lang.ref",
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.attach/sun.tools.attach",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.unsupported/sun.misc",
];
const OPENS: &[&str] = &[
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.util",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.compiler/com.sun.tools.javac",
    "jdk.management/com.sun.management.internal",
];
const JVM: &[&str] = &[
    "-Xms256m",
    "-Xmx768m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    // Half alive it would be taken for slow.
    "-XX:+ExitOnOutOfMemoryError",
    // Else it writes into /tmp.
    "-XX:+PerfDisableSharedMem",
    "-Djava.net.preferIPv4Stack=true",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dcassandra-foreground=yes",
    // There are no other nodes to wait for, or to tell of an end.
    "-Dcassandra.ring_delay_ms=0",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.shutdown_announce_in_ms=0",
    // What it would find out in three seconds of every start.
    "-Dcassandra.memtable.row_overhead_size=181",
];

pub struct Cassandra {
    /// `host:port` of its native protocol.
    pub address: String,
    pub process: Process,
}

struct Home {
    dir: PathBuf,
    java: PathBuf,
    lib: PathBuf,
    shape: Shape,
}

/// Of one start.
#[derive(Clone, Copy)]
struct Doors {
    native: u16,
    storage: u16,
}

pub async fn start(dir: &Path, shape: Shape, say: &Say) -> Result<Cassandra> {
    end_leftovers(dir, say).await?;
    let (java, lib) = (program::java()?, program::cassandra_lib()?);
    let home = Home { dir: place::own_home(dir, "cassandra")?, java, lib, shape };
    let (process, doors) = home.start(say).await?;
    Ok(Cassandra { address: format!("127.0.0.1:{}", doors.native), process })
}

/// Of the server in data directory `dir`.
pub fn address_of_last_start(dir: &Path) -> Option<String> {
    let port = Ports::new(USUAL_PORT, &dir.join("cassandra")).remembered()?;
    Some(format!("127.0.0.1:{port}"))
}

impl Cassandra {
    pub async fn stop(&self, say: &Say) -> Result<()> {
        say(&format!("cassandra    stopping ({})", self.address));
        self.process.stop(PATIENCE_TO_STOP, &[Signal::KILL]).await
    }
}

/// Ends what a killed run left.
pub async fn end_leftovers(dir: &Path, say: &Say) -> Result<()> {
    let home = dir.join("cassandra");
    for process in leftover::find(&home, &PROGRAMS) {
        say(&format!("cassandra    an earlier run left it running (pid {}): ending it", process.pid));
    }
    leftover::end(&home, &PROGRAMS, |_| Signal::TERM).await
}

impl Home {
    async fn start(&self, say: &Say) -> Result<(Process, Doors)> {
        let native = Ports::new(USUAL_PORT, &self.dir);
        let storage = Ports { usual: USUAL_STORAGE_PORT, memory: self.dir.join("storage-port") };
        for (native_port, storage_port) in native.free().zip(storage.free()) {
            let doors = Doors { native: native_port, storage: storage_port };
            say(&format!("cassandra    starting on 127.0.0.1:{native_port} (data in {})", show(&self.data())));
            self.prepare(doors)?;
            let process = Process::start("cassandra", self.server()?, &self.log(), self.gentle()).await?;
            if self.is_ready(&process, doors, say).await? {
                native.remember(native_port);
                storage.remember(storage_port);
                return Ok((process, doors));
            }
            say(&format!("cassandra    port {native_port} or {storage_port} was taken meanwhile: trying others"));
        }
        bail!(
            "no two free ports from {USUAL_PORT} to {} and {USUAL_STORAGE_PORT} to {}",
            USUAL_PORT + 1000,
            USUAL_STORAGE_PORT + 1000
        )
    }

    fn prepare(&self, doors: Doors) -> Result<()> {
        self.write("cassandra.yaml", &configuration(doors))?;
        self.write("logback.xml", LOGGING)?;
        // Libraries that it unpacks at each start.
        let scratch = self.scratch();
        let _ = std::fs::remove_dir_all(&scratch);
        std::fs::create_dir(&scratch).with_context(|| format!("make {}", scratch.display()))
    }

    fn server(&self) -> Result<Command> {
        // KILL: it loses nothing by it, and an orderly end takes seconds in which its memory is missed.
        let mut command = RunAs::Ourselves.command(&self.java, "KILL")?;
        command.args(JVM);
        if self.shape == Shape::Tests {
            // Ready sooner; what is never hot gains nothing by the second compiler.
            command.arg("-XX:TieredStopAtLevel=1");
        }
        let in_all = |module: &&str| format!("{module}=ALL-UNNAMED");
        command.args(EXPORTS.iter().flat_map(|module| ["--add-exports".to_owned(), in_all(module)]));
        command.args(OPENS.iter().flat_map(|module| ["--add-opens".to_owned(), in_all(module)]));
        let mut agent = std::ffi::OsString::from("-javaagent:");
        agent.push(program::jamm(&self.lib)?);
        command.arg(agent);
        for (name, path) in [
            ("java.io.tmpdir", self.scratch().display().to_string()),
            ("cassandra.storagedir", self.data().display().to_string()),
            ("cassandra.logdir", self.dir.display().to_string()),
            ("cassandra.config", file_url(&self.dir.join("cassandra.yaml"))),
            ("logback.configurationFile", file_url(&self.dir.join("logback.xml"))),
        ] {
            command.arg(format!("-D{name}={path}"));
        }
        command.arg("-cp").arg(self.lib.join("*")).arg("org.apache.cassandra.service.CassandraDaemon");
        command.current_dir(&self.dir);
        // Both would be taken for options of ours.
        command.env_remove("JAVA_TOOL_OPTIONS").env_remove("JDK_JAVA_OPTIONS").env_remove("CLASSPATH");
        Ok(command)
    }

    /// `false`: one of the ports was taken. What it writes goes into a file of ours through a descriptor that it
    /// inherited: a stranger's server that answers on our port cannot be taken for ours.
    async fn is_ready(&self, process: &Process, doors: Doors, say: &Say) -> Result<bool> {
        let begin = Instant::now();
        let mut next_word = Duration::from_secs(20);
        while begin.elapsed() < PATIENCE_TO_START {
            let ended = process.has_ended();
            let output = process.output();
            if !ended && says_ready(&output, doors.native) {
                return Ok(true);
            }
            if ended && says_taken(&output, doors) {
                return Ok(false);
            }
            if ended {
                bail!("cassandra ended at once; the last it wrote to {}:\n{}", self.log().display(), tail(&output));
            }
            if begin.elapsed() > next_word {
                next_word += Duration::from_secs(20);
                say("cassandra    still starting");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("cassandra is not ready after {} s; see {}", PATIENCE_TO_START.as_secs(), self.log().display())
    }

    /// What tests leave is thrown away: they need not wait for it to be put in order.
    fn gentle(&self) -> Signal {
        match self.shape {
            Shape::Node => Signal::TERM,
            Shape::Tests => Signal::KILL,
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn scratch(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.dir.join(name);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("write {}", path.display()))
    }
}

fn configuration(doors: Doors) -> String {
    let configuration: Vec<&str> = CONFIGURATION.lines().filter(|line| !line.starts_with('#')).collect();
    let configuration = configuration.join("\n").replace("STORAGE_PORT", &doors.storage.to_string());
    configuration.replace("NATIVE_PORT", &doors.native.to_string())
}

/// It announces the port before it has it, and the end of its start after.
fn says_ready(output: &str, native: u16) -> bool {
    let announced = format!("Starting listening for CQL clients on /127.0.0.1:{native} ");
    output.split_once(&announced).is_some_and(|(_, then)| then.contains(" Startup complete"))
}

fn says_taken(output: &str, doors: Doors) -> bool {
    let native = format!("Failed to bind port {} on ", doors.native);
    let storage = format!("127.0.0.1:{} is in use by another process", doors.storage);
    output.contains(&native) || output.contains(&storage)
}

/// Cassandra takes its configuration as a url, in which a space is none.
fn file_url(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let quote = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    format!("file://{}", path.as_os_str().as_encoded_bytes().iter().map(|byte| quote(*byte)).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str = "INFO  PipelineConfigurator Starting listening for CQL clients on /127.0.0.1:19042 (unencrypted)...\n\
        INFO  CassandraDaemon Startup complete\n";
    const DOORS: Doors = Doors { native: 19_042, storage: 17_000 };

    #[test]
    fn ready_is_believed_once_the_port_is_had() {
        assert!(says_ready(STARTED, 19_042));
        assert!(!says_ready(STARTED, 1_904), "another port");
        let announced = STARTED.lines().next().unwrap();
        assert!(!says_ready(announced, 19_042), "said before it binds the port");
    }

    #[test]
    fn a_taken_port_is_told_from_other_failures() {
        let native = "java.lang.IllegalStateException: Failed to bind port 19042 on 127.0.0.1.";
        let storage = "/127.0.0.1:17000 is in use by another process.  Change listen_address:storage_port";
        assert!(says_taken(native, DOORS) && says_taken(storage, DOORS));
        assert!(!says_taken("Invalid yaml: file:///x/cassandra.yaml", DOORS));
    }

    #[test]
    fn the_configuration_has_this_starts_ports_and_waits_for_the_disk() {
        let text = configuration(DOORS);
        assert!(
            text.contains("native_transport_port: 19042\n") && text.contains("seeds: \"127.0.0.1:17000\"\n"),
            "{text}"
        );
        assert!(text.contains("commitlog_sync: batch\n") && !text.contains("_PORT"), "{text}");
    }

    #[test]
    fn a_path_with_a_space_is_a_url() {
        assert_eq!(file_url(Path::new("/a b/ü/c-1.yaml")), "file:///a%20b/%C3%BC/c-1.yaml");
    }
}
