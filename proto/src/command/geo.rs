//! The rows of commands about places. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Geo;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("geoadd", -5; WRITE DENYOOM; GEO; [one(RW_UPDATE, 1)]; "3.2.0", "O(log(N))";
        "Adds places with their longitude and latitude."),
    command!("geodist", -4; READONLY; GEO; [one(RO_ACCESS, 1)]; "3.2.0", "O(log(N))";
        "Tells the distance between two places."),
    command!("geohash", -2; READONLY; GEO; [one(RO_ACCESS, 1)]; "3.2.0", "O(log(N))";
        "Returns the geohash strings of places."),
    command!("geopos", -2; READONLY; GEO; [one(RO_ACCESS, 1)]; "3.2.0", "O(N)";
        "Returns the longitude and latitude of places."),
    command!("georadius", -6; WRITE DENYOOM; GEO; [one(RO_ACCESS, 1), after(OW_UPDATE, "STORE", 6, 0, 0), after(OW_UPDATE, "STOREDIST", 6, 0, 0)]; "3.2.0", "O(N+log(M))";
        "Finds places around a point, and may store them.")
    .deprecated("6.2.0", "GEOSEARCH and GEOSEARCHSTORE with BYRADIUS"),
    command!("georadius_ro", -6; READONLY; GEO; [one(RO_ACCESS, 1)]; "3.2.10", "O(N+log(M))";
        "Finds places around a point.")
    .deprecated("6.2.0", "GEOSEARCH with BYRADIUS"),
    command!("georadiusbymember", -5; WRITE DENYOOM; GEO; [one(RO_ACCESS, 1), after(OW_UPDATE, "STORE", 5, 0, 0), after(OW_UPDATE, "STOREDIST", 5, 0, 0)]; "3.2.0", "O(N+log(M))";
        "Finds places around another place, and may store them.")
    .deprecated("6.2.0", "GEOSEARCH and GEOSEARCHSTORE with BYRADIUS and FROMMEMBER"),
    command!("georadiusbymember_ro", -5; READONLY; GEO; [one(RO_ACCESS, 1)]; "3.2.10", "O(N+log(M))";
        "Finds places around another place.")
    .deprecated("6.2.0", "GEOSEARCH with BYRADIUS and FROMMEMBER"),
    command!("geosearch", -7; READONLY; GEO; [one(RO_ACCESS, 1)]; "6.2.0", "O(N+log(M))";
        "Finds places inside a circle or a box."),
    command!("geosearchstore", -8; WRITE DENYOOM; GEO; [one(OW_UPDATE, 1), one(RO_ACCESS, 2)]; "6.2.0", "O(N+log(M))";
        "Stores the places inside a circle or a box."),
];
