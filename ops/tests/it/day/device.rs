//! One device: a session of its own, an app that follows, and what it holds.

use super::held::{Held, Look};
use natter_testkit::client::{Error, Follower, Signed, follow::Settings};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;

const LOOK_EVERY: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub struct Device {
    pub name: String,
    /// The number of the edge that it comes in at.
    pub door: usize,
    pub signed: Signed,
    held: Arc<Mutex<Held>>,
    app: Mutex<Option<JoinHandle<()>>>,
}

impl Device {
    /// Online from here on, with nothing held.
    pub fn new(name: String, door: usize, signed: Signed) -> Self {
        let held = Arc::new(Mutex::new(Held::of(signed.id())));
        let device = Self { name, door, signed, held, app: Mutex::default() };
        device.comes_online();
        device
    }

    /// Goes on from what it holds.
    pub fn comes_online(&self) {
        let app = tokio::spawn(follow(self.signed.clone(), self.held.clone()));
        assert!(lock(&self.app).replace(app).is_none(), "{} was offline", self.name);
    }

    /// Its app has ended when this returns.
    pub async fn goes_offline(&self) {
        let app = lock(&self.app).take().expect("it was online");
        app.abort();
        let _ = app.await;
    }

    pub fn held(&self) -> MutexGuard<'_, Held> {
        lock(&self.held)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(app) = lock(&self.app).take() {
            app.abort();
        }
    }
}

async fn follow(signed: Signed, held: Arc<Mutex<Held>>) {
    let settings = {
        let held = lock(&held);
        let (known, cursor) = (held.known(), held.cursor.clone());
        Settings { look_every: LOOK_EVERY, longest_pause: LONGEST_PAUSE, known, cursor, ..Settings::default() }
    };
    let mut follower = Follower::start(signed.clone(), settings);
    while let Some(update) = follower.next().await {
        let looks = lock(&held).take(update);
        for look in looks {
            // What cannot be read now, the next sync tells.
            let _ = read(&signed, &held, look).await;
        }
    }
    lock(&held).broken.push("the session has ended".to_owned());
}

/// What a push says to read.
async fn read(signed: &Signed, held: &Mutex<Held>, look: Look) -> Result<(), Error> {
    match look {
        Look::Message { conversation, message, position } => {
            let message = signed.at(&position).message(conversation, message).await?;
            lock(held).replace(message);
        }
        Look::Conversation { conversation, position } => {
            let own = signed.at(&position).conversation(conversation).await?;
            lock(held).conversation(own);
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
