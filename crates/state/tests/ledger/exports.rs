//! Which files' exports are due, and who has which path.

use lakegate_domain::{FileId, RunId, Seq};
use lakegate_state::{Made, Millis, Outcome};

use crate::*;

fn by(recipe: &str) -> Vec<(TableName, String)> {
    vec![(table(), recipe.to_string())]
}

fn made(part: &str, path: &str, files: &[i64]) -> Made {
    Made {
        part: part.into(),
        about: "{}".into(),
        path: path.into(),
        n_rows: 3,
        size_bytes: 100,
        plots: vec![format!("{path}.svg")],
        files: files.iter().map(|f| FileId(*f)).collect(),
    }
}

impl Ledger {
    /// `f1 3 rows, …`: what is due.
    async fn due(&self) -> String {
        let due = self.exports_due(&table(), FileId(0), 100).await.unwrap();
        let listed: Vec<_> = due.iter().map(|d| format!("{} {}", d.file_id, d.n_rows)).collect();
        listed.join(", ")
    }

    async fn cross_off(&self) {
        let due = self.exports_due(&table(), FileId(0), 100).await.unwrap();
        let done: Vec<_> = due.iter().map(|d| (d.file_id, d.n)).collect();
        self.exports_done(&table(), &done).await.unwrap();
    }
}

#[tokio::test]
async fn files_are_due_when_their_rows_come_change_and_go() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1"), arrival("b", "2")]).await;
    ledger.drain("w", 2).await;
    assert_eq!(ledger.due().await, "");
    ledger.export_by(&by("one")).await.unwrap();
    assert_eq!(ledger.due().await, "f1 3, f2 3");
    let due = ledger.exports_due(&table(), FileId(1), 1).await.unwrap();
    assert_eq!((due[0].path.as_str(), due[0].groups.len()), ("b", 2));
    ledger
        .exports_made(&table(), &[made("f1", "x/1.nc", &[1]), made("f2", "x/2.nc", &[2])], Millis(3))
        .await
        .unwrap();
    ledger.cross_off().await;
    ledger.export_by(&by("one")).await.unwrap();
    assert_eq!(ledger.due().await, "");

    // Another file, and one that takes the place of an earlier one.
    ledger.take(&[arrival("c", "3"), arrival("a", "4")]).await;
    ledger.drain("w", 4).await;
    assert_eq!(ledger.due().await, "f1 0, f3 3, f4 3");
    let old = ledger.export_at("x/1.nc").await.unwrap().expect("it is there until it is told otherwise");
    assert_eq!(old.part, "f1");
    assert!(ledger.is_export_stale(&old).await.unwrap());
    let other = ledger.export_at("x/2.nc").await.unwrap().unwrap();
    assert!(!ledger.is_export_stale(&other).await.unwrap());
    // The new file takes the path over; the old one's export is told to be gone.
    ledger.exports_made(&table(), &[made("f4", "x/1.nc", &[4])], Millis(5)).await.unwrap();
    assert_eq!(ledger.export_at("x/1.nc").await.unwrap().unwrap().part, "f4");
    let of: Vec<_> = ledger.exports_of(&table(), &[FileId(1), FileId(4)]).await.unwrap();
    let of: Vec<_> = of.iter().map(|(e, files)| (e.part.as_str(), e.path.as_deref(), files.len())).collect();
    assert_eq!(of, [("f1", None, 1), ("f4", Some("x/1.nc"), 1)]);
    assert_eq!(ledger.export_at("x/1.nc.svg").await.unwrap().unwrap().part, "f4");
    assert_eq!(ledger.plots_of(&table(), "f4").await.unwrap(), ["x/1.nc.svg"]);
    assert!(ledger.plots_of(&table(), "f1").await.unwrap().is_empty());
    ledger.export_gone(&table(), "f1").await.unwrap();
    ledger.export_gone(&table(), "f1").await.unwrap();
    ledger.cross_off().await;

    // What a replay makes is exported anew; so is what was said again meanwhile.
    let replayed: Vec<Outcome> = ledger
        .replayable(&dataset())
        .await
        .unwrap()
        .iter()
        .map(|r| Outcome { tables: vec![rows(table(), 5)], ..outcome(&r.job) })
        .collect();
    ledger.begin_swap(&dataset(), &[], Millis(6)).await.unwrap();
    let first = ledger.exports_due(&table(), FileId(0), 9).await.unwrap();
    assert!(first.is_empty());
    ledger.finish_replay(&dataset(), &replayed, &[], RunId(2)).await.unwrap();
    assert_eq!(ledger.due().await, "f2 5, f3 5, f4 5");
    let before = ledger.exports_due(&table(), FileId(0), 9).await.unwrap();
    ledger.export_again(&table(), None).await.unwrap();
    let done: Vec<_> = before.iter().map(|d| (d.file_id, d.n)).collect();
    ledger.exports_done(&table(), &done).await.unwrap();
    assert_eq!(ledger.due().await, "f2 5, f3 5, f4 5");
    assert_eq!(replayed[0].tables[0].table, table());
    assert_eq!(ledger.replayable(&dataset()).await.unwrap()[0].job.seq, Seq(2));
}

#[tokio::test]
async fn another_recipe_makes_all_due_and_none_makes_nothing_due() {
    let ledger = Ledger::new().await;
    ledger.export_by(&by("one")).await.unwrap();
    ledger.take(&[arrival("a", "1"), arrival("b", "2")]).await;
    ledger.drain("w", 2).await;
    assert_eq!(ledger.due().await, "f1 3, f2 3");
    ledger.exports_made(&table(), &[made("f1", "x/1.nc", &[1])], Millis(3)).await.unwrap();
    ledger.cross_off().await;
    ledger.export_by(&by("two")).await.unwrap();
    assert_eq!(ledger.due().await, "f1 3, f2 3");
    ledger.export_by(&[]).await.unwrap();
    assert_eq!(ledger.due().await, "");
    let old = ledger.export_at("x/1.nc").await.unwrap().unwrap();
    assert!(ledger.is_export_stale(&old).await.unwrap());
    // What goes while the table is not exported is found when it is again.
    ledger.take(&[arrival("a", "4")]).await;
    ledger.drain("w", 4).await;
    assert_eq!(ledger.due().await, "");
    ledger.export_by(&by("two")).await.unwrap();
    assert_eq!(ledger.due().await, "f1 0, f2 3, f3 3");
    ledger.cross_off().await;
    ledger.export_again(&table(), Some(Millis(4))).await.unwrap();
    assert_eq!(ledger.due().await, "f3 3");
    let all = ledger.exportable(&table(), FileId(0), None, 9).await.unwrap();
    assert_eq!(all.iter().map(|d| d.file_id.0).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn what_fails_is_told_and_what_was_made_stays() {
    let ledger = Ledger::new().await;
    ledger.take(&[arrival("a", "1")]).await;
    ledger.drain("w", 2).await;
    ledger.exports_made(&table(), &[made("f1", "x/1.nc", &[1])], Millis(3)).await.unwrap();
    for part in ["f1", "f2"] {
        ledger.export_failed(&table(), part, "{}", &[FileId(1)], "no room", Millis(4)).await.unwrap();
    }
    let failed = ledger.failed_exports().await.unwrap();
    let told: Vec<_> =
        failed.iter().map(|e| (e.part.as_str(), e.path.as_deref(), e.error.as_deref())).collect();
    assert_eq!(told, [("f1", Some("x/1.nc"), Some("no room")), ("f2", None, Some("no room"))]);
    assert_eq!(ledger.system("exports").await.len(), 2);
    ledger.exports_made(&table(), &[made("f1", "x/1.nc", &[1])], Millis(5)).await.unwrap();
    assert_eq!(ledger.failed_exports().await.unwrap().len(), 1);
    let one = ledger.export(&table(), "f1").await.unwrap().unwrap();
    assert_eq!((one.error, one.made_at), (None, Millis(5)));
}
