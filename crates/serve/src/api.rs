//! What each address answers. Handlers read what was asked, ask the lake, and
//! say in which form; what they say on a page is in `pages`.

pub mod adding;
pub mod events;
pub mod exports;
pub mod facts;
pub mod feeds;
pub mod observatory;
pub mod review;
pub mod rows;
pub mod sql;
pub mod tables;
pub mod upkeep;
