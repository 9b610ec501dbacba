//! Writers, and readers that find again what was written.

mod netcdf;
