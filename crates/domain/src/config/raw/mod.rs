//! What people write, as it is written: `lake.yaml` and the dataset files.
//!
//! Each key is declared once, here; its comment is what editors show. Nothing
//! here looks at two keys together: that is compilation.

mod dataset;
mod expect;
mod export;
mod feed;
mod lake;
mod quality;
mod read;
mod stages;
mod table;

pub use dataset::{DatasetFile, ExpectRowsKeys, PublishKeys};
pub use expect::{ColumnsWord, ExpectKeys, Is, NullIs};
pub use export::{ExportKeys, VariableKeys};
pub use feed::{AuthKeys, Every, FeedKeys, HostKeys, LinksKeys, ListKeys, PathWord, Templated};
pub use lake::{BatchKeys, FeedsKeys, LakeFile, NotifyKeys, UpkeepKeys};
pub use quality::{CheckedColumns, QualityKeys};
pub use read::{
    ArchiveKeys, CapsKeys, CsvKeys, FormatKeys, HeaderLine, JsonKeys, NamesKeys, NetcdfKeys, ReadDecl,
    StreamKeys, XmlKeys,
};
pub use stages::{GridKeys, HookKeys, MergeKeys};
pub use table::{ColumnDecl, ColumnKeys, TableKeys, TableRest};
