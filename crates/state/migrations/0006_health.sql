-- What was told of the health of datasets, so that each change is told once.
create table health (
    dataset_id integer primary key references datasets (dataset_id),
    state      text not null,
    told_at    bigint not null
);

-- Rows of a dataset within a time: few runs carry many files.
create index runs_by_dataset on runs (dataset_id, started_at);
