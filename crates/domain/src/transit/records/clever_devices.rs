//! Clever Devices BusTime, `getBusesForRouteAll.jsp`: `<buses><time/><bus>…`.
//! There is no specification; these are the elements that feeds are known to
//! have. All identifiers are text: `0374` and `MAN` stand where numbers do.

use super::{REST, RecordField, around, field};
use crate::model::Kind::{Float, String};

pub(super) static FIELDS: &[RecordField] = &[
    field("id", "id", String),
    field("consist", "consist", String),
    field("cars", "cars", String),
    field("rtpi_feed_name", "rtpiFeedName", String).bus_observatory("rtpiFeedName"),
    field("m", "m", String),
    field("rt", "rt", String),
    field("rt_rtpi_feed_name", "rtRtpiFeedName", String).bus_observatory("rtRtpiFeedName"),
    field("rtdd", "rtdd", String),
    field("d", "d", String),
    field("dd", "dd", String),
    field("dn", "dn", String),
    field("lat", "lat", Float).unit("degree"),
    field("lon", "lon", Float).unit("degree"),
    field("pid", "pid", String),
    field("pd", "pd", String),
    field("pd_rtpi_feed_name", "pdRtpiFeedName", String).bus_observatory("pdRtpiFeedName"),
    field("run", "run", String),
    field("fs", "fs", String),
    field("op", "op", String),
    field("dip", "dip", String),
    field("bid", "bid", String),
    field("wid1", "wid1", String),
    field("wid2", "wid2", String),
    // A time of day without a date, for people.
    around("feed_time", "buses.time", String),
    REST,
];
