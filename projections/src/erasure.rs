//! Rows that tell of a person are written by the lanes of what they did, and removed by the lane of their account.

use crate::Error;
use sqlx::PgConnection;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Until the end of the transaction: those who write of somebody wait for nobody but who erases them, so that they see
/// what was erased, and who erases sees what they wrote. All in one order.
pub(crate) async fn wait(
    told_of: impl Iterator<Item = Uuid>,
    erased: &[Uuid],
    connection: &mut PgConnection,
) -> Result<(), Error> {
    let accounts: Vec<Uuid> = told_of.chain(erased.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect();
    sqlx::query(
        "SELECT CASE WHEN account = ANY($2) THEN pg_advisory_xact_lock(hashtext('erasure'), hashtext(account::text))
                ELSE pg_advisory_xact_lock_shared(hashtext('erasure'), hashtext(account::text)) END
         FROM UNNEST($1::uuid[]) AS account",
    )
    .bind(accounts)
    .bind(erased)
    .execute(connection)
    .await
    .map(drop)
    .map_err(Error::database("wait for who erases or writes"))
}
