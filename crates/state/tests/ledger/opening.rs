//! Opening: anew, again, damaged, newer.

use lakegate_state::{Error, Store};

use crate::*;

#[tokio::test]
async fn what_was_returned_survives() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1")]).await;
    ledger.close().await;
    let again = Store::open(ledger.path()).await.unwrap();
    assert_eq!(again.known("landing/bus").await.unwrap().len(), 1);
    assert_eq!(again.accept(&[arrival("b", "2")], Millis(1)).await.unwrap(), [queued(2, 2)]);
}

#[tokio::test]
async fn a_newer_ledger_is_refused() {
    let ledger = Ledger::new().await;
    ledger.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(ledger.path());
    let mut conn = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (77, 'later', true, x'00', 0)",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    sqlx::Connection::close(conn).await.unwrap();
    let error = Store::open(ledger.path()).await.unwrap_err();
    assert!(matches!(error, Error::NewerVersion { found: 77, known: 1..77, .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("newer lakegate") && message.contains("version is 77"), "{message}");
}

#[tokio::test]
async fn what_is_not_a_ledger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    std::fs::write(&path, "this is no database, however long the text may be. ".repeat(100)).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("is not a ledger"), "{error}");

    let error = Store::open(folder.path().join("no/such/folder/ledger.db")).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("no/such/folder"), "{error}");
}

#[tokio::test]
async fn its_futures_can_be_sent() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    let ledger = Ledger::new().await;
    sendable(ledger.accept(&[arrival("a", "1")], Millis(1))).await.unwrap();
    let claim = sendable(ledger.claim(&lane(), "w", ALL, LEASE, Millis(1))).await.unwrap().unwrap();
    let outcomes = [outcome(&claim.jobs[0])];
    sendable(ledger.finish(&lane(), "w", &outcomes, &[], RUN, Millis(1))).await.unwrap();
    sendable(ledger.finish_replay(&dataset(), &outcomes, &[], RUN)).await.unwrap();
    sendable(ledger.strays("z", &[], Millis(1))).await.unwrap();
    sendable(ledger.system_page("files", &Narrow::default(), Cursor::default())).await.unwrap();
}
