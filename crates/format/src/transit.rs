//! Transit feeds to rows: GTFS-Realtime, and the feeds that are lists of
//! records. What their columns are is said in `lakegate_domain::transit`.

pub(crate) mod gtfs_rt;
pub(crate) mod records;
mod wire;
