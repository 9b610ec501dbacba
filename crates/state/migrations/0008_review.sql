-- What a file's documents hold, by kind, table, parameter and unit. Files of one
-- dataset are mostly alike: what they share is kept once.
create table shapes (
    shape_id integer primary key,
    shape    text not null unique
);

-- Figures and problems are each file's own. Of files from before there is none.
alter table file_details add column shape_id bigint references shapes (shape_id);
alter table file_details add column counts text not null default '';
alter table file_details add column problems text not null default '';
