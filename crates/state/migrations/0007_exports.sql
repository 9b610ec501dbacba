-- Files for others that are made of tables' rows. Times are milliseconds since
-- the Unix epoch, UTC.

-- Tables that are exported, and by which declaration: another one makes all anew.
create table export_recipes (
    table_id integer primary key references tables (table_id),
    recipe   text not null
);

-- Landed files whose rows came, changed or went since they were last exported:
-- filled in the transactions that say so, so that finding them costs what they
-- are and not what the table is. `n` tells whether it was said again meanwhile.
create table exports_due (
    table_id bigint not null references tables (table_id),
    file_id  bigint not null references files (file_id),
    n        bigint not null,
    primary key (table_id, file_id)
);

-- What is exported: of which rows (`part`), to which path below the folder of
-- exports. `path` is null while there is no file; `error` says why the last
-- attempt came to nothing.
create table exports (
    export_id  integer primary key,
    table_id   bigint not null references tables (table_id),
    part       text not null,
    -- JSON: what tells the rows.
    about      text not null,
    path       text,
    n_rows     bigint not null,
    size_bytes bigint not null,
    made_at    bigint not null,
    error      text,
    unique (table_id, part)
);
create unique index exports_by_path on exports (path) where path is not null;

-- Further files that belong to an export: plots of its variables.
create table export_plots (
    path      text primary key,
    export_id bigint not null references exports (export_id)
);
create index export_plots_by_export on export_plots (export_id);

-- The landed files whose rows an export holds.
create table export_files (
    file_id   bigint not null references files (file_id),
    export_id bigint not null references exports (export_id),
    primary key (file_id, export_id)
);
create index export_files_by_export on export_files (export_id);
