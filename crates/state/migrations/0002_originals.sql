-- The duplicates of a file: looked up whenever a file is replaced.
create index files_by_original on files (of_file_id) where state = 'duplicate';

-- Nothing pinned a schema.
drop table pins;
