-- Feeds: every request of every poll, and where polling stands. Times are
-- milliseconds since the Unix epoch, UTC.

create table polls (
    poll_id     integer primary key,
    dataset_id  bigint not null references datasets (dataset_id),
    step        text not null,
    item        text,
    due_at      bigint not null,
    started_at  bigint not null,
    duration_ms bigint not null,
    status      integer,
    size_bytes  bigint not null,
    attempts    integer not null,
    n_missed    bigint not null,
    identical   integer not null,
    path        text,
    fingerprint text,
    etag        text,
    n_entities  bigint,
    newest_at   bigint,
    error       text
);
create index polls_by_age on polls (started_at);
create index polls_by_path on polls (dataset_id, path) where path is not null;

-- JSON: written and read whole, by one owner.
create table feed_cursors (
    dataset_id integer primary key references datasets (dataset_id),
    cursor     text not null,
    updated_at bigint not null
);
