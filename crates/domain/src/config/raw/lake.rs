//! `lake.yaml`.

use super::feed::{HostKeys, Templated};
use crate::config::decode::{Many, Named, keyed};
use crate::config::scalars::{Folder, Keeping, Lapse, Name, Size, Zone};

keyed! {
    /// The lake as a whole: `lake.yaml`.
    pub struct LakeFile {
        /// Name of the lake, shown to people.
        lake = "lake": String, required;
        /// Folder of tables, raw bytes and state; `./lake` where not given.
        storage = "storage": Folder;
        /// IANA zone of naive times, for datasets that name none; `UTC` where not given.
        timezone = "timezone": Zone;
        /// Teams that datasets may belong to; any where not given.
        teams = "teams": Many<Name>;
        /// Ceiling of the process's buffers; `256MiB` where not given.
        memory = "memory": Size;
        /// How many landed files fold into one commit.
        batch = "batch": BatchKeys;
        /// What holds for all feeds.
        feeds = "feeds": FeedsKeys;
        /// Who is told when a dataset becomes unwell, and when it is well again.
        notify = "notify": NotifyKeys;
        /// What keeps tables small and tidy.
        upkeep = "upkeep": UpkeepKeys;
    }
}

keyed! {
    /// How many landed files fold into one commit: as many as are waiting, up to these limits.
    pub struct BatchKeys {
        /// At most so many files; 1000 where not given.
        files = "files": u64;
        /// At most so many bytes of files; `256MiB` where not given.
        size = "size": Size;
    }
}

keyed! {
    /// What keeps tables small and tidy.
    pub struct UpkeepKeys {
        /// Size that compaction and large writes aim for; `128MiB` where not given.
        target_file_size = "target_file_size": Size;
        /// A partition with at least so many small files is compacted; 16 where not given.
        compact_at_files = "compact_at_files": u64;
        /// Age before a data file that was replaced is deleted, and with it the versions that
        /// need it; `7d` where not given.
        vacuum_after = "vacuum_after": Lapse;
        /// Commits between two checkpoints of a table's log; 50 where not given.
        checkpoint_every = "checkpoint_every": u64;
        /// Age before raw bytes are deleted; `forever` where not given. Without them a table
        /// cannot be rebuilt.
        keep_raw = "keep_raw": Keeping;
        /// Age before the ledger forgets runs, and failures that were made good; `90d` where not
        /// given.
        keep_runs = "keep_runs": Keeping;
        /// Age before the record of a poll is deleted; `7d` where not given.
        keep_polls = "keep_polls": Lapse;
    }
}

keyed! {
    /// What holds for all feeds.
    pub struct FeedsKeys {
        /// What a host is asked at most, where nothing else is said of it.
        per_host = "per_host": HostKeys;
        /// What certain hosts are asked at most, by their names.
        hosts = "hosts": Named<HostKeys>;
    }
}

keyed! {
    /// Who is told when a dataset becomes unwell, and when it is well again.
    pub struct NotifyKeys {
        /// Address that a JSON message is sent to.
        webhook = "webhook": Templated, required;
        /// Headers that are sent with it.
        headers = "headers": Named<Templated>;
    }
}
