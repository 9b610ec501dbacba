-- Which files lie in a pack of the raw store, for bundling and retention.
create index files_pack on files (pack) where raw_gone = 0;
