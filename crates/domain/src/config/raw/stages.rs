//! What happens to one file's rows of a table before its columns are made, and
//! after: `merge:`, `hook:`, `grid:`.

use crate::config::decode::{Named, OneOrMany, keyed, words};
use crate::config::scalars::{Lapse, Size, Spelled};
use crate::model::{Align, How, Method};

keyed! {
    /// Makes one set of rows of several record streams of a file, by time.
    pub struct MergeKeys {
        /// The column whose values bring rows together: a column of the table, of `input`, or of
        /// the file. A time, a date or a whole number.
        by = "by": String, required;
        /// Which rows there are; `outer` where not given.
        how = "how": How;
        /// How far apart two times may be that are taken for one; `0s` where not given.
        tolerance = "tolerance": Lapse;
    }
}

keyed! {
    /// A command that takes one file's rows and gives others, as Arrow IPC streams.
    pub struct HookKeys {
        /// The program and its arguments. It runs in the lake's folder, without a shell.
        command = "command": OneOrMany<Spelled>, required;
        /// How long it may take; `5m` where not given.
        timeout = "timeout": Lapse;
        /// How much address space it may have; any where not given. On Linux alone.
        memory = "memory": Size;
    }
}

keyed! {
    /// Brings one file's rows to a regular grid of time.
    pub struct GridKeys {
        /// The step of the grid; its times are multiples of it since 1970, UTC.
        every = "every": Lapse, required;
        /// How a column's values on the grid are made; `average` where not given. What is no
        /// number is always the `nearest`.
        method = "method": Method;
        /// Where a time of the grid stands in the span that it is for; `center` where not given.
        align = "align": Align;
        /// The span of time that an average is taken over; `every` where not given.
        width = "width": Lapse;
        /// How far `nearest` and `interpolate` look; the longer of `every` and the usual step of
        /// the file where not given.
        range = "range": Lapse;
        /// Columns with a method of their own.
        columns = "columns": Named<Method>;
        /// Standard deviation from which on an average counts as bad.
        std_bad_max = "std_bad_max": f64;
        /// Standard deviation from which on an average counts as indeterminate.
        std_ind_max = "std_ind_max": f64;
        /// Share of good values below which an average counts as bad.
        goodfrac_bad_min = "goodfrac_bad_min": f64;
        /// Share of good values below which an average counts as indeterminate.
        goodfrac_ind_min = "goodfrac_ind_min": f64;
    }
}

words! { How, "How", "which rows a merge gives":
    /// Those of every stream.
    "outer" => How::Outer;
    /// Those that every stream has.
    "inner" => How::Inner;
    /// Those of the first stream.
    "left" => How::Left;
}

words! { Method, "Method", "how a value on the grid is made":
    /// The mean of the values within the span.
    "average" => Method::Average;
    /// On the line between the values before and after.
    "interpolate" => Method::Interpolate;
    /// The value whose time is nearest.
    "nearest" => Method::Nearest;
}

words! { Align, "Align", "where a time of the grid stands in its span":
    /// At its beginning.
    "left" => Align::Left;
    /// In the middle.
    "center" => Align::Center;
    /// At its end.
    "right" => Align::Right;
}
