//! Tests of the commands about places.

use crate::commands::testing::check;

#[test]
fn places_are_found_and_told_as_sorted_sets() {
    check(&[
        (
            "GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
            ":2",
            "ZADD s 3479099956230698 Palermo 3479447370796909 Catania",
        ),
        ("GEOADD s NX CH 13.361389 38.115556 Palermo", ":0", ""),
        ("GEODIST s Palermo Catania", "\"166274.1516\"", ""),
        ("GEODIST s Palermo Catania km", "\"166.2742\"", ""),
        ("GEODIST s Palermo none", "nil", ""),
        ("GEOHASH s Palermo none", "[\"sqc8b49rny0\" nil]", ""),
        ("GEOPOS s Palermo none", "[[\"13.36138933897018433\" \"38.11555639549629859\"] nil]", ""),
        ("GEORADIUS s 15 37 100 km", "[\"Catania\"]", ""),
        ("GEORADIUS s 15 37 200 km WITHDIST DESC", "[[\"Palermo\" \"190.4424\"] [\"Catania\" \"56.4413\"]]", ""),
        ("GEORADIUSBYMEMBER_RO s Palermo 200 km COUNT 1", "[\"Palermo\"]", ""),
        (
            "GEOSEARCH s FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHHASH",
            "[[\"Catania\" :3479447370796909] [\"Palermo\" :3479099956230698]]",
            "",
        ),
        (
            "GEOSEARCHSTORE d s FROMMEMBER Catania BYRADIUS 1 m STOREDIST",
            ":1",
            "GEOSEARCHSTORE d s FROMMEMBER Catania BYRADIUS 1 m STOREDIST",
        ),
        ("ZRANGE d 0 -1 WITHSCORES", "[\"Catania\" \"0\"]", ""),
        ("GEORADIUS none 15 37 1 m STORE d", ":0", "GEORADIUS none 15 37 1 m STORE d"),
        ("EXISTS d", ":0", ""),
    ]);
}

#[test]
fn what_makes_no_sense_is_refused_in_redis_s_words() {
    check(&[
        ("GEOADD s 181 0 x", "-ERR invalid longitude,latitude pair 181.000000,0.000000", ""),
        ("GEOADD s 0 86 x", "-ERR invalid longitude,latitude pair 0.000000,86.000000", ""),
        ("GEOADD s x 0 x", "-ERR value is not a valid float", ""),
        ("GEOADD s NX XX 0 0 x", "-ERR syntax error", ""),
        ("GEOADD s 0 0 x 1", "-ERR syntax error", ""),
        ("GEOADD s 0 0 x", ":1", "ZADD s 3377699720527872 x"),
        ("GEODIST s x x y", "-ERR unsupported unit provided. please use M, KM, FT, MI", ""),
        ("GEORADIUS s 0 0 x m", "-ERR need numeric radius", ""),
        ("GEORADIUS s 0 0 -1 m", "-ERR radius cannot be negative", ""),
        ("GEORADIUS_RO s 0 0 1 m STORE d", "-ERR syntax error", ""),
        (
            "GEORADIUS s 0 0 1 m STORE d WITHDIST",
            "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            "",
        ),
        (
            "GEOSEARCH s BYRADIUS 1 m WITHDIST ASC",
            "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
            "",
        ),
        (
            "GEOSEARCH s FROMMEMBER x ASC WITHDIST WITHHASH",
            "-ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH",
            "",
        ),
        ("GEOSEARCH s FROMMEMBER y BYRADIUS 1 m", "-ERR could not decode requested zset member", ""),
        ("GEOSEARCH s FROMMEMBER x BYRADIUS 1 m ANY", "-ERR the ANY argument requires COUNT argument", ""),
        ("GEOSEARCH s FROMMEMBER x BYRADIUS 1 m COUNT 0", "-ERR COUNT must be > 0", ""),
    ]);
}
