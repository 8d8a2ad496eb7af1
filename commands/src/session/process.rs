//! Between an account and its sessions: what the account has ended is revoked, and what ended by itself the account
//! forgets.

use super::ends::ended_by;
use crate::process::{Orders, Process};
use natter_domain::{
    AccountId, Noun, SessionId,
    account::{self, Account},
    session::{self, Session},
};
use natter_streams::Record;

pub(crate) struct KeepsSessions;

impl Process for KeepsSessions {
    const NAME: &'static str = "session.keeps_sessions";

    fn react(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
        match event.noun {
            Noun::Account => of_account(event, orders),
            Noun::Session => of_session(event, orders),
            _ => Ok(()),
        }
    }
}

/// Events of accounts that end sessions.
const ENDING: [&str; 5] = ["session_admitted", "sessions_ended", "password_changed", "suspended", "closing_requested"];

fn of_account(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
    if !ENDING.contains(&&*event.event_type) {
        return Ok(());
    }
    let account_id = AccountId(event.aggregate_id);
    let decoded = event.decode()?;
    if let Some((sessions, reason)) = ended_by(&decoded) {
        for &session in sessions {
            let command = session::Command::End { account_id, reason };
            orders.give::<Session>(session::address(account_id, session), command);
        }
    }
    Ok(())
}

fn of_session(event: &Record, orders: &mut Orders) -> Result<(), natter_streams::Error> {
    let session_id = SessionId(event.aggregate_id);
    match event.decode()? {
        session::Event::Revoked { account_id, .. } => {
            orders.give::<Account>(account::address(account_id), account::Command::ForgetSession { session_id });
        }
        // From before accounts let sessions in.
        session::Event::Opened { account_id, device, .. } if event.version == 1 => {
            let command = account::Command::AdmitSession {
                session_id,
                platform: device.and_then(|device| device.platform),
                checked: None,
                policy: account::Policy::Many,
                proof: None,
            };
            orders.give::<Account>(account::address(account_id), command);
        }
        session::Event::Opened { .. } | session::Event::Refreshed { .. } => {}
    }
    Ok(())
}
