//! Frames of crowds and channels: one subscription of the process, and for each crowd a task that hands its frames to those of it who
//! are connected here. So a crowd that has to be asked about holds up no other, nor the reading.
//!
//! What is promised:
//! - *Nobody is told what is outside their stays*, whatever was lost: see [`circle`].
//! - *Nothing is lost in silence.* Somebody who connects is found by every crowd from that moment on; what is in the log by
//!   then can be read after their `ready` ([`Crowds::arrive`]). What a crowd has no room for becomes `resync` for those of it
//!   who are here, what the bus has lost `resync` for everybody (the hub).
//! - *One conversation's pushes come in the order of the log.* All frames of a crowd come on one subject and are handed on
//!   by one task. Those from before the group became one came on the subjects of its people, over the same connection, so they
//!   are here when the first frame of the crowd is; each person's task is asked to hand them on first ([`Person::passes`]).
//!
//! A crowd that was heard of is remembered while the process lives, a few hundred bytes where nobody of it is here.

mod circle;

use super::{hub::Hub, person::Person};
use crate::metrics;
use axum::{body::Bytes, extract::ws::Utf8Bytes};
use circle::Circle;
use futures::StreamExt;
use natter_domain::{AccountId, ConversationId};
use natter_projections::{
    Error, Projection, Projections,
    delivery::crowd::{self, Audience, Part, Told},
    gate::Interval,
};
use natter_streams::{bus::Bus, fault, position::Place, subject};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{
        Notify,
        mpsc::{self, Receiver},
        watch,
    },
    time::sleep,
};

/// Messages that wait for one crowd.
const WAITING_MAX: usize = 256;
/// Bytes that wait for all crowds; beyond it each that has nothing waiting still takes one message, so that those whose
/// questions take long leave the others theirs.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long those who have left stay in a crowd of which nothing is heard.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

pub struct Crowds {
    projections: Projections,
    known: Mutex<HashMap<ConversationId, Arc<Crowd>>>,
    /// Whether the subscription stands.
    listens: watch::Sender<bool>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// One crowd, as far as it is here.
struct Crowd {
    id: ConversationId,
    circle: Mutex<Circle<Arc<Person>>>,
    mail: mpsc::Sender<Mail>,
    /// What was not taken ends here; those who are here are still to be told.
    missed: Mutex<Option<Place>>,
    bell: Notify,
}

struct Mail {
    told: Told,
    frames: Vec<Utf8Bytes>,
    bytes: usize,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Mail {
    /// Where it ends.
    fn last(&self) -> Place {
        let position = self.told.parts.last().map_or(0, |part| part.position);
        Place { position, incarnation: self.told.incarnation }
    }

    /// `message`: as it came, in the client's read buffer, from which it is copied once for all who get it.
    fn read(message: &[u8], waiting_bytes: &Arc<AtomicUsize>) -> Result<Self, Box<dyn std::error::Error>> {
        let (told, frames) = crowd::read(&Bytes::copy_from_slice(message))?;
        let frames = frames.into_iter().map(Utf8Bytes::try_from).collect::<Result<Vec<_>, _>>()?;
        if told.parts.iter().map(|part| part.audiences.len()).sum::<usize>() != frames.len() {
            return Err("the frames are not as many as it says".into());
        }
        waiting_bytes.fetch_add(message.len(), Ordering::Relaxed);
        Ok(Self { told, frames, bytes: message.len(), waiting_bytes: waiting_bytes.clone() })
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.waiting_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Crowds {
    pub fn new(projections: Projections) -> Self {
        let (known, listens) = (Mutex::default(), watch::Sender::default());
        Self { projections, known, listens, waiting_bytes: Arc::default() }
    }

    /// Whether the subscription stands. Servers are told of subscriptions in their order: one that is made while this one
    /// stands, and is proven, proves it too.
    pub fn listens(&self) -> watch::Receiver<bool> {
        self.listens.subscribe()
    }

    /// Listens for ever. `again` is told when the subscription had to be made anew: what came between is lost.
    pub async fn listen(&self, bus: &Bus, hub: &Hub, again: impl Fn()) {
        let mut is_first = true;
        loop {
            match bus.live().subscribe(subject::CROWDS).await {
                Ok(mut messages) => {
                    self.listens.send_replace(true);
                    if !std::mem::take(&mut is_first) {
                        again();
                    }
                    while let Some(message) = messages.next().await {
                        self.take(&message.payload, hub);
                    }
                    self.listens.send_replace(false);
                }
                Err(error) => tracing::warn!(%error, "listen for crowds"),
            }
            sleep(PAUSE).await;
        }
    }

    fn take(&self, message: &[u8], hub: &Hub) {
        let mail = match Mail::read(message, &self.waiting_bytes) {
            Ok(mail) => mail,
            Err(error) => {
                // Whom it was for cannot be told either.
                tracing::error!(error, "what is told of a crowd cannot be read");
                return hub.resync_all("crowd");
            }
        };
        metrics::crowd_frames(mail.frames.len() as u64);
        let (crowd, last) = (self.crowd(mail.told.conversation_id, hub), mail.last());
        if !has_room(&self.waiting_bytes, &crowd.mail) || crowd.mail.try_send(mail).is_err() {
            crowd.miss(last);
        }
    }

    /// Who hears of it for the first time asks who of it is here.
    fn crowd(&self, id: ConversationId, hub: &Hub) -> Arc<Crowd> {
        let mut known = lock(&self.known);
        if let Some(crowd) = known.get(&id) {
            return crowd.clone();
        }
        let (mail, mails) = mpsc::channel(WAITING_MAX);
        let (circle, missed, bell) = (Mutex::default(), Mutex::default(), Notify::new());
        let crowd = Arc::new(Crowd { id, circle, mail, missed, bell });
        hub.spawn(crowd.clone().run(mails, hub.clone(), self.projections.clone()));
        known.insert(id, crowd.clone());
        metrics::crowds(known.len());
        crowd
    }

    /// Somebody has connected, whom the hub finds already: each change of members that a crowd learns of from now on it
    /// learns for them too. What was before is in the log by now, so relations has it once it has caught up. Crowds that were
    /// not heard of yet ask for everybody who is here, when they are.
    pub async fn arrive(&self, account: AccountId, person: &Arc<Person>) {
        let stays = loop {
            match self.stays_of(account).await {
                Ok(stays) => break stays,
                Err(error) => tracing::warn!(%error, "ask which crowds somebody is in"),
            }
            sleep(PAUSE).await;
        };
        let known = lock(&self.known);
        for (conversation, stay) in stays {
            if let Some(crowd) = known.get(&conversation) {
                lock(&crowd.circle).admit(account, person.clone(), stay);
            }
        }
    }

    async fn stays_of(&self, account: AccountId) -> Result<Vec<(ConversationId, Interval)>, Error> {
        // A wait that is too long is no fault: it begins again.
        while self.projections.catch_up(&[Projection::Relations]).await.is_err() {}
        self.projections.delivery().stays_of(account).await
    }
}

impl Crowd {
    fn miss(&self, last: Place) {
        *lock(&self.missed) = Some(last);
        self.bell.notify_one();
    }

    async fn run(self: Arc<Self>, mut mails: Receiver<Mail>, hub: Hub, projections: Projections) {
        loop {
            tokio::select! {
                mail = mails.recv() => match mail {
                    Some(mail) => self.take(&mail, &hub, &projections).await,
                    None => return,
                },
                () = self.bell.notified() => {}
                () = sleep(SWEEP_EVERY) => lock(&self.circle).retain(|person| !person.is_gone()),
            }
            let missed = lock(&self.missed).take();
            if let Some(last) = missed {
                self.make_up(last, &hub, &projections).await;
            }
        }
    }

    /// Tells those who are here that they missed something, those too who came in with it.
    async fn make_up(&self, last: Place, hub: &Hub, projections: &Projections) {
        lock(&self.circle).turn_to(last.incarnation);
        self.ask(last, hub, projections).await;
        lock(&self.circle).people().for_each(|person| person.resync("crowd"));
    }

    async fn take(&self, mail: &Mail, hub: &Hub, projections: &Projections) {
        let (parts, last) = (&mail.told.parts, mail.last());
        lock(&self.circle).turn_to(last.incarnation);
        for part in parts {
            if lock(&self.circle).lacks(part) {
                let position = part.since.max(last.position);
                if !self.ask(Place { position, ..last }, hub, projections).await {
                    return;
                }
            }
            lock(&self.circle).follow(part, |account| hub.find(account));
        }
        let of = |part: &Part| part.audiences.iter().map(|audience| (part.position, *audience)).collect::<Vec<_>>();
        let audiences: Vec<_> = parts.iter().flat_map(of).collect();
        self.hand(&audiences, &mail.frames);
    }

    /// Asks relations for those who are here, once it has passed the place. `false`: that is of a log which went back since;
    /// who set it right tells everybody to read again. Or relations has set something aside that says who is in: nothing
    /// is handed on until it is applied.
    async fn ask(&self, at: Place, hub: &Hub, projections: &Projections) -> bool {
        metrics::crowd_asked();
        let here = hub.accounts();
        let stays = loop {
            match projections.delivery().stays_in(self.id, at, &here).await {
                Ok(Some(stays)) => break stays,
                Ok(None) => return false,
                Err(error) => tracing::warn!(%error, "ask who of a crowd is here"),
            }
            sleep(PAUSE).await;
        };
        fault::reach("edge.crowd.after_answer").await;
        let found = stays.into_iter().filter_map(|(account, stay)| Some((account, hub.find(account)?, stay)));
        lock(&self.circle).learn(at.position, found);
        let people: Vec<_> = lock(&self.circle).people().cloned().collect();
        futures::future::join_all(people.iter().map(|person| person.passes())).await;
        true
    }

    fn hand(&self, audiences: &[(u64, Audience)], frames: &[Utf8Bytes]) {
        let mut circle = lock(&self.circle);
        circle.retain(|person| !person.is_gone());
        let mut copies = 0;
        for (person, is_meant) in circle.members() {
            if audiences.iter().all(&is_meant) {
                person.push(frames);
                copies += frames.len();
                continue;
            }
            let theirs = audiences.iter().zip(frames).filter(|(audience, _)| is_meant(audience));
            let theirs: Vec<Utf8Bytes> = theirs.map(|(_, frame)| frame.clone()).collect();
            if !theirs.is_empty() {
                person.push(&theirs);
                copies += theirs.len();
            }
        }
        metrics::crowd_copies(copies as u64);
    }
}

/// Whether a crowd may have another message wait.
fn has_room(waiting_bytes: &AtomicUsize, mail: &mpsc::Sender<Mail>) -> bool {
    waiting_bytes.load(Ordering::Relaxed) <= WAITING_BYTES_MAX || mail.capacity() == WAITING_MAX
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn mail(waiting_bytes: &Arc<AtomicUsize>, bytes: usize) -> Mail {
        waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let told = Told { conversation_id: ConversationId(Uuid::nil()), incarnation: 1, parts: Vec::new() };
        Mail { told, frames: Vec::new(), bytes, waiting_bytes: waiting_bytes.clone() }
    }

    #[test]
    fn crowds_that_wait_leave_the_others_room_for_one_message_each() {
        let waiting_bytes = Arc::new(AtomicUsize::default());
        let (slow, _of_slow) = mpsc::channel(WAITING_MAX);
        let (quick, mut of_quick) = mpsc::channel(WAITING_MAX);
        assert!(slow.try_send(mail(&waiting_bytes, WAITING_BYTES_MAX)).is_ok());
        assert!(has_room(&waiting_bytes, &slow), "it is full, not over");
        assert!(slow.try_send(mail(&waiting_bytes, 1)).is_ok());
        assert!(!has_room(&waiting_bytes, &slow));
        assert!(has_room(&waiting_bytes, &quick), "what others have wait is not its own");
        assert!(quick.try_send(mail(&waiting_bytes, 1)).is_ok());
        assert!(!has_room(&waiting_bytes, &quick));
        assert!(of_quick.try_recv().is_ok());
        assert!(has_room(&waiting_bytes, &quick));
    }
}
