-- The ledger of files. Times are milliseconds since the Unix epoch, UTC.
-- Every index has a query that needs it; one that nothing needs is paid for by
-- every file, so remove it.

-- The highest id handed out, per kind. Ids are never used twice.
create table counters (
    name  text primary key,
    value bigint not null
);
insert into counters (name, value) values ('file', 0), ('path', 0), ('job', 0);

create table zones (
    zone_id integer primary key,
    landing text not null unique
);

create table datasets (
    dataset_id integer primary key,
    dataset    text not null unique
);

-- A lane hands out seqs and is leased to one owner at a time.
create table lanes (
    lane_id      integer primary key,
    dataset_id   bigint not null references datasets (dataset_id),
    lane         text not null unique,
    last_seq     bigint not null,
    owner        text,
    leased_until bigint
);

create table tables (
    table_id       integer primary key,
    dataset_id     bigint not null references datasets (dataset_id),
    table_name     text not null unique,
    last_version   bigint,
    last_commit_at bigint
);

-- Every name that a zone has shown. `latest_file_id` is the file that the name
-- stands for; `seen_file_id` the file whose bytes were last seen there. They
-- differ while a changed file is ignored.
create table paths (
    path_id        integer primary key,
    zone_id        bigint not null references zones (zone_id),
    path           text not null,
    size_bytes     bigint not null,
    mtime_ns       bigint not null,
    latest_file_id bigint not null,
    seen_file_id   bigint not null,
    unique (zone_id, path)
);

-- `live` is 1 while a file's rows are in its tables or may still come there:
-- queued, leased, committed, parked. The indexes over live files stay as small
-- as what the tables hold, however often a file is replaced. `fingerprint_key`
-- is the fingerprint's beginning as a number: a narrow key for a wide value.
create table files (
    file_id         integer primary key,
    dataset_id      bigint not null references datasets (dataset_id),
    path_id         bigint not null references paths (path_id),
    state           text not null,
    since           bigint not null,
    live            integer not null,
    size_bytes      bigint not null,
    mtime_ns        bigint not null,
    landed_at       bigint not null,
    fingerprint_key bigint not null,
    fingerprint     text not null,
    pack            text not null,
    pack_offset     bigint not null,
    stored_bytes    bigint not null,
    method          text not null,
    raw_gone        integer not null,
    name_groups     text not null,
    replaces        integer not null,
    of_file_id      bigint,
    replaced_by     bigint,
    job_id          bigint,
    seq             bigint,
    failure_id      bigint,
    committed_at    bigint,
    run_id          bigint,
    n_read          bigint,
    n_rows          bigint,
    duration_ms     bigint
);
create index files_by_state on files (dataset_id, state);
create index files_by_bytes on files (dataset_id, fingerprint_key) where live = 1;
create index files_by_path on files (path_id) where live = 1;

-- One file's way through its lane. A redriven file gets another job.
create table jobs (
    job_id          integer primary key,
    file_id         bigint not null references files (file_id),
    lane_id         bigint not null references lanes (lane_id),
    seq             bigint not null,
    open            integer not null,
    result          text,
    attempts        integer not null,
    not_before      bigint not null,
    accepted_volume integer not null,
    queued_at       bigint not null,
    closed_at       bigint
);
create index jobs_open on jobs (lane_id, seq) where open = 1;

create table failures (
    failure_id integer primary key,
    file_id    bigint not null references files (file_id),
    job_id     bigint not null,
    run_id     bigint,
    attempt    integer not null,
    code       text not null,
    message    text not null,
    verdict    text not null,
    failed_at  bigint not null
);
create index failures_by_file on failures (file_id);

-- Where a file's rows went.
create table file_tables (
    file_id            bigint not null references files (file_id),
    table_id           bigint not null references tables (table_id),
    n_in               bigint not null,
    n_read             bigint not null,
    n_committed        bigint not null,
    n_quarantined      bigint not null,
    n_dropped          bigint not null,
    n_duplicate        bigint not null,
    version            bigint,
    quarantine_version bigint,
    primary key (file_id, table_id)
);
create index file_tables_by_table on file_tables (table_id, file_id);

-- JSON per file rather than a row per column and expectation: written once,
-- read seldom, and a thousand files must fit into one quick transaction.
create table file_details (
    file_id      integer primary key references files (file_id),
    column_stats text not null,
    expectations text not null
);

create table commits (
    table_id     bigint not null references tables (table_id),
    version      bigint not null,
    lane         text not null,
    seq          bigint not null,
    n_files      bigint not null,
    n_rows       bigint not null,
    n_added      bigint not null,
    n_removed    bigint not null,
    size_bytes   bigint not null,
    operation    text not null,
    committed_at bigint not null,
    primary key (table_id, version)
);

create table runs (
    run_id     integer primary key,
    kind       text not null,
    dataset_id bigint references datasets (dataset_id),
    status     text not null,
    started_at bigint not null,
    ended_at   bigint,
    n_files    bigint not null,
    n_rows     bigint not null,
    error      text
);
create index runs_running on runs (run_id) where status = 'running';

create table strays (
    zone_id    bigint not null references zones (zone_id),
    path       text not null,
    reason     text not null,
    detail     text not null,
    size_bytes bigint not null,
    since      bigint not null,
    primary key (zone_id, path)
);

create table pins (
    table_id    bigint primary key references tables (table_id),
    schema_json text not null,
    pinned_at   bigint not null
);
