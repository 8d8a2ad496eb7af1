//! The servers that `natter with-servers` started for this run, and what each test gets of them: a database made
//! from a template (built once per run, whichever test process comes first), and a NATS account.

use sqlx::{Connection, Executor, PgConnection, postgres::PgPoolOptions};
use std::path::{Path, PathBuf};

const TEMPLATE: &str = "natter_template";
/// Any number, as long as nobody else on that server locks it.
const TEMPLATE_LOCK: i64 = 0x6e61_7474_6572;
/// `with-servers` makes as many users, each in an account of its own.
const ACCOUNTS: usize = 2048;

pub struct Servers {
    database_url: String,
    nats: String,
    nats_password: String,
    pub dir: PathBuf,
}

impl Servers {
    pub fn of_this_run() -> Self {
        Self {
            database_url: variable("NATTER_TEST_DATABASE_URL"),
            nats: variable("NATTER_TEST_NATS"),
            nats_password: variable("NATTER_TEST_NATS_PASSWORD"),
            dir: test_dir(),
        }
    }

    /// A new database with every table, and its url.
    pub async fn database(&self, name: &str) -> String {
        let mut connection = PgConnection::connect(&self.database_url).await.expect("connect to the test PostgreSQL");
        self.ensure_template(&mut connection).await;
        let create = format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}");
        connection.execute(create.as_str()).await.expect("create a test's database");
        let _ = connection.close().await;
        url_of(&self.database_url, name)
    }

    async fn ensure_template(&self, connection: &mut PgConnection) {
        lock(connection, "pg_advisory_lock").await;
        let found: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(TEMPLATE)
            .fetch_one(&mut *connection)
            .await
            .expect("look for the template database");
        if !found {
            self.make_template(connection).await;
        }
        lock(connection, "pg_advisory_unlock").await;
    }

    /// Under another name until it is whole.
    async fn make_template(&self, connection: &mut PgConnection) {
        let unfinished = format!("{TEMPLATE}_new");
        connection
            .execute(format!("DROP DATABASE IF EXISTS {unfinished}").as_str())
            .await
            .expect("drop half a template");
        connection.execute(format!("CREATE DATABASE {unfinished}").as_str()).await.expect("create the template");
        migrate(&url_of(&self.database_url, &unfinished)).await;
        let rename = format!("ALTER DATABASE {unfinished} RENAME TO {TEMPLATE}");
        connection.execute(rename.as_str()).await.expect("name the finished template");
    }

    /// The url of a NATS user that nobody else of this run has.
    pub fn nats_account(&self) -> String {
        let taken = self.dir.join("accounts");
        std::fs::create_dir_all(&taken).expect("make the directory of taken NATS accounts");
        let user = (0..ACCOUNTS)
            .map(|number| format!("t{number:03}"))
            .find(|user| std::fs::create_dir(taken.join(user)).is_ok())
            .expect("this run has a NATS account left");
        format!("nats://{user}:{}@{}", self.nats_password, self.nats)
    }
}

/// Applies every migration.
pub async fn migrate(url: &str) {
    let pool = PgPoolOptions::new().max_connections(1).connect(url).await.expect("connect to migrate");
    natter_migrations::apply(&pool).await.expect("apply the migrations");
    pool.close().await;
}

async fn lock(connection: &mut PgConnection, function: &str) {
    let statement = format!("SELECT {function}({TEMPLATE_LOCK})");
    connection.execute(statement.as_str()).await.expect("lock the template");
}

fn url_of(maintenance: &str, database: &str) -> String {
    let (address, parameters) = maintenance.split_once('?').unwrap_or((maintenance, ""));
    let (server, _) = address.rsplit_once('/').expect("a database url names its database");
    format!("{server}/{database}?{parameters}")
}

/// The private directory of this run.
pub fn test_dir() -> PathBuf {
    PathBuf::from(variable("NATTER_TEST_DIR"))
}

/// The `natter` that nodes run: built with `fault-points`, beside the test binaries.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("NATTER_TEST_BINARY") {
        return path.into();
    }
    let here = std::env::current_exe().expect("a test knows where its binary is");
    let beside = here.parent().and_then(Path::parent).map(|folder| folder.join("natter"));
    beside.filter(|path| path.exists()).expect("target/debug/natter is built: run ./ops/test")
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| panic!("{name} is not set: run ./ops/test"))
}
