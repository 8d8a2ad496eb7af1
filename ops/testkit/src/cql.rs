//! The CQL server of this run and a keyspace of the test's own in it, and the few words of CQL's native protocol (version 4)
//! that a harness needs: whole statements, without values, answered with what a reader of bytes can look into.
//!
//! Left out on purpose: everything that a driver is for.

use crate::servers::variable;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const VERSION: u8 = 4;
const STARTUP: u8 = 1;
const READY: u8 = 2;
const ERROR: u8 = 0;
const QUERY: u8 = 7;
const RESULT: u8 = 8;
const CONSISTENCY_ONE: u16 = 1;
const HEADER: usize = 9;
/// An answer is not waited for longer: a keyspace takes seconds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A keyspace that nobody else uses: the test's store makes it. It goes with the run's server, or by [`Cql::drop_keyspace`]
/// where that is somebody's own.
#[derive(Clone, Debug)]
pub struct Cql {
    /// `host:port`.
    pub address: String,
    pub keyspace: String,
}

/// On the CQL server of this run.
pub fn cql() -> Cql {
    Cql::at(&variable("NATTER_TEST_CQL"))
}

impl Cql {
    /// On a server of the test's own.
    pub fn at(address: &str) -> Self {
        Self { address: address.to_owned(), keyspace: format!("t_{}", natter_client::new_id().simple()) }
    }

    /// Makes the keyspace, with one copy of everything.
    pub async fn make_keyspace(&self) {
        let replication = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}";
        let make = format!("CREATE KEYSPACE {} WITH replication = {replication}", self.keyspace);
        self.execute(&make).await.expect("make a keyspace");
    }

    /// As well as it can: what is left is a test's.
    pub async fn drop_keyspace(&self) {
        let _ = self.execute(&format!("DROP KEYSPACE IF EXISTS {}", self.keyspace)).await;
    }

    /// One statement over a connection of its own. The bytes of the result, or what the server says against it.
    pub async fn execute(&self, statement: &str) -> Result<Vec<u8>, String> {
        let answered = tokio::time::timeout(PATIENCE, ask(&self.address, statement)).await;
        let answered = answered.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
        match answered.map_err(|error| error.to_string())? {
            (RESULT, body) => Ok(body),
            (_, body) => Err(String::from_utf8_lossy(&body).into_owned()),
        }
    }
}

/// The answer's opcode and body.
async fn ask(address: &str, statement: &str) -> std::io::Result<(u8, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await?;
    let started = call(&mut stream, STARTUP, &startup()).await?;
    if started.0 != READY {
        return Ok((ERROR, started.1));
    }
    call(&mut stream, QUERY, &query(statement)).await
}

async fn call(stream: &mut TcpStream, opcode: u8, body: &[u8]) -> std::io::Result<(u8, Vec<u8>)> {
    stream.write_all(&frame(opcode, body)).await?;
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await?;
    let length = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
    let mut answer = vec![0; usize::try_from(length).expect("a length fits")];
    stream.read_exact(&mut answer).await?;
    Ok((header[4], answer))
}

/// Version, flags, stream, opcode, length, body.
fn frame(opcode: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a harness speaks briefly");
    [&[VERSION, 0, 0, 0, opcode], &length.to_be_bytes()[..], body].concat()
}

/// A map of one pair.
fn startup() -> Vec<u8> {
    [&1_u16.to_be_bytes()[..], &short("CQL_VERSION"), &short("3.0.0")].concat()
}

fn short(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// The statement, its consistency, and no flags.
fn query(statement: &str) -> Vec<u8> {
    let length = u32::try_from(statement.len()).expect("a harness speaks briefly");
    [&length.to_be_bytes()[..], statement.as_bytes(), &CONSISTENCY_ONE.to_be_bytes(), &[0]].concat()
}
