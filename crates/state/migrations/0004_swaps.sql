-- Replays whose commits may have begun: until the row goes, some of the
-- dataset's tables may hold the new rows and the files' figures be the old ones.
create table swaps (
    dataset_id bigint primary key references datasets (dataset_id),
    -- JSON; empty for all of the dataset's files.
    file_ids   text not null,
    begun_at   bigint not null
);
