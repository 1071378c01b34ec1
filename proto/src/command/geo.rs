//! The rows of commands about places. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Geo;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("geoadd", -5, "key@0 [condition(NX|XX)^6.2.0] [change=CH^6.2.0] longitude_latitude_member{longitude:double latitude:double member}...";
        WRITE DENYOOM; GEO; [one(RW_UPDATE, 1)]; "3.2.0", "O(log(N))";
        "Adds places with their longitude and latitude.")
    .changed("6.2.0 Takes NX, XX and CH."),
    command!("geodist", -4, "key@0 member1 member2 [unit(M|KM|FT|MI)]";
        READONLY; GEO; [one(RO_ACCESS, 1)]; "3.2.0", "O(log(N))";
        "Tells the distance between two places."),
    command!("geohash", -2, "key@0 member..."; READONLY; GEO; [one(RO_ACCESS, 1)]; "3.2.0", "O(log(N))";
        "Returns the geohash strings of places."),
    command!("geopos", -2, "key@0 member..."; READONLY; GEO; [one(RO_ACCESS, 1)]; "3.2.0", "O(N)";
        "Returns the longitude and latitude of places."),
    command!("georadius", -6, "key@0 longitude:double latitude:double radius:double unit(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count{COUNT count:integer [ANY^6.2.0]}] [order(ASC|DESC)] [STORE key@1] [STOREDIST key@2]";
        WRITE DENYOOM; GEO; [one(RO_ACCESS, 1), after(OW_UPDATE, "STORE", 6, 0, 0), after(OW_UPDATE, "STOREDIST", 6, 0, 0)]; "3.2.0", "O(N+log(M))";
        "Finds places around a point, and may store them.")
    .changed("6.2.0 Takes ANY behind COUNT. | 7.0.0 Takes units in upper case.")
    .deprecated("6.2.0", "GEOSEARCH and GEOSEARCHSTORE with BYRADIUS"),
    command!("georadius_ro", -6, "key@0 longitude:double latitude:double radius:double unit(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count{COUNT count:integer [ANY^6.2.0]}] [order(ASC|DESC)]";
        READONLY; GEO; [one(RO_ACCESS, 1)]; "3.2.10", "O(N+log(M))";
        "Finds places around a point.")
    .changed("6.2.0 Takes ANY behind COUNT.")
    .deprecated("6.2.0", "GEOSEARCH with BYRADIUS"),
    command!("georadiusbymember", -5, "key@0 member radius:double unit(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count{COUNT count:integer [ANY]}] [order(ASC|DESC)] [STORE key@1] [STOREDIST key@2]";
        WRITE DENYOOM; GEO; [one(RO_ACCESS, 1), after(OW_UPDATE, "STORE", 5, 0, 0), after(OW_UPDATE, "STOREDIST", 5, 0, 0)]; "3.2.0", "O(N+log(M))";
        "Finds places around another place, and may store them.")
    .changed("7.0.0 Takes units in upper case.")
    .deprecated("6.2.0", "GEOSEARCH and GEOSEARCHSTORE with BYRADIUS and FROMMEMBER"),
    command!("georadiusbymember_ro", -5, "key@0 member radius:double unit(M|KM|FT|MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count{COUNT count:integer [ANY]}] [order(ASC|DESC)]";
        READONLY; GEO; [one(RO_ACCESS, 1)]; "3.2.10", "O(N+log(M))";
        "Finds places around another place.")
    .deprecated("6.2.0", "GEOSEARCH with BYRADIUS and FROMMEMBER"),
    command!("geosearch", -7, "key@0 from(FROMMEMBER member|FROMLONLAT longitude_latitude{longitude:double latitude:double}) by(circle{BYRADIUS radius:double unit(M|KM|FT|MI)}|box{BYBOX width:double height:double unit(M|KM|FT|MI)}) [order(ASC|DESC)] [count{COUNT count:integer [ANY]}] [WITHCOORD] [WITHDIST] [WITHHASH]";
        READONLY; GEO; [one(RO_ACCESS, 1)]; "6.2.0", "O(N+log(M))";
        "Finds places inside a circle or a box.")
    .changed("7.0.0 Takes units in upper case."),
    command!("geosearchstore", -8, "destination@0 source@1 from(FROMMEMBER member|FROMLONLAT longitude_latitude{longitude:double latitude:double}) by(circle{BYRADIUS radius:double unit(M|KM|FT|MI)}|box{BYBOX width:double height:double unit(M|KM|FT|MI)}) [order(ASC|DESC)] [count{COUNT count:integer [ANY]}] [STOREDIST]";
        WRITE DENYOOM; GEO; [one(OW_UPDATE, 1), one(RO_ACCESS, 2)]; "6.2.0", "O(N+log(M))";
        "Stores the places inside a circle or a box.")
    .changed("7.0.0 Takes units in upper case."),
];
