#!/usr/bin/python3
"""The basics of redis-py as its users write them, against the server at 127.0.0.1:PORT (the only argument).

Only what the Debian package python3-redis offers is used (4.x). Ends with 0, or with the trace of what failed.
"""

import sys
import threading

import redis
from redis.exceptions import (DataError, NoScriptError, ReadOnlyError, ResponseError, WatchError)


def strings(r):
    assert r.ping() is True
    assert r.set("greeting", "hello") is True
    assert r.get("greeting") == "hello"
    assert r.set("greeting", "again", nx=True) is None
    assert r.set("greeting", "new", get=True) == "hello"
    assert r.setex("short", 100, "lived") is True
    assert 0 < r.ttl("short") <= 100
    assert r.mset({"a": 1, "b": 2}) is True
    assert r.mget("a", "b", "none") == ["1", "2", None]
    assert r.incr("counter", 5) == 5
    assert r.decr("counter") == 4
    assert float(r.incrbyfloat("float", 0.5)) == 0.5
    assert r.append("greeting", "!") == 4
    assert r.getrange("greeting", 0, 1) == "ne"
    assert r.strlen("greeting") == 4
    assert r.setbit("bits", 7, 1) == 0 and r.bitcount("bits") == 1
    assert r.bitfield("bits").incrby("u8", 0, 1).get("u8", 0).execute() == [2, 2]
    assert r.getdel("greeting") == "new!" and r.exists("greeting") == 0
    try:
        r.set("x", object())
        raise AssertionError("not refused by the client")
    except DataError:
        pass


def collections(r):
    assert r.rpush("list", "a", "b", "c") == 3
    assert r.lrange("list", 0, -1) == ["a", "b", "c"]
    assert r.lpop("list", 2) == ["a", "b"] and r.lpos("list", "c") == 0
    assert r.blpop("list", timeout=1) == ("list", "c")
    assert r.blpop("list", timeout=0.05) is None
    assert r.hset("hash", mapping={"f": "v", "n": 1}) == 2
    assert r.hgetall("hash") == {"f": "v", "n": "1"}
    assert r.hincrby("hash", "n", 2) == 3 and r.hmget("hash", "f", "z") == ["v", None]
    assert r.sadd("set1", 1, 2, 3) == 3 and r.sadd("set2", 2, 3, 4) == 3
    assert r.sinter("set1", "set2") == {"2", "3"} and r.sdiffstore("set3", ["set1", "set2"]) == 1
    assert r.zadd("scores", {"ann": 3, "bob": 1.5, "cid": 2}) == 3
    assert r.zrange("scores", 0, -1, withscores=True) == [("bob", 1.5), ("cid", 2.0), ("ann", 3.0)]
    assert r.zrevrank("scores", "ann") == 0 and r.zincrby("scores", 10, "bob") == 11.5
    assert r.zrangebyscore("scores", 2, "(11.5") == ["cid", "ann"]
    assert r.geoadd("places", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")) == 2
    assert round(r.geodist("places", "Palermo", "Catania", "km")) == 166
    assert r.pfadd("hll", *range(1000)) == 1 and 950 < r.pfcount("hll") < 1050
    assert sorted(r.scan_iter(match="set*", count=2)) == ["set1", "set2", "set3"]
    assert dict(r.hscan_iter("hash")) == {"f": "v", "n": "3"}
    assert r.sort("set1", desc=True) == ["3", "2", "1"]
    payload = redis.Redis(port=port).dump("scores")
    assert redis.Redis(port=port).restore("copy", 0, payload) and r.zcard("copy") == 3
    try:
        r.incr("list2") and r.lpush("list2", 1)
        raise AssertionError("no WRONGTYPE")
    except ResponseError as error:
        assert str(error).startswith("WRONGTYPE"), error


def streams(r):
    first = r.xadd("stream", {"k": "v"})
    r.xadd("stream", {"k": "w"}, maxlen=100)
    assert r.xlen("stream") == 2
    assert r.xrange("stream")[0] == (first, {"k": "v"})
    assert r.xgroup_create("stream", "group", id="0") is True
    [[name, entries]] = r.xreadgroup("group", "me", {"stream": ">"}, count=1)
    assert name == "stream" and entries == [(first, {"k": "v"})]
    assert r.xpending("stream", "group")["pending"] == 1
    assert r.xack("stream", "group", first) == 1
    assert r.xinfo_stream("stream")["length"] == 2
    assert r.xread({"stream": "$"}, block=50) == []


def pipelines(r):
    with r.pipeline(transaction=False) as pipe:
        for i in range(1000):
            pipe.set(f"p:{i}", i)
        assert all(pipe.execute())
    with r.pipeline() as pipe:
        pipe.incr("t").lpush("t", 1).incr("t")
        results = pipe.execute(raise_on_error=False)
    assert results[0] == 1 and isinstance(results[1], ResponseError) and results[2] == 2
    other = redis.Redis(port=port, decode_responses=True)
    with r.pipeline() as pipe:
        pipe.watch("t")
        value = int(pipe.get("t"))
        other.set("t", 40)
        pipe.multi()
        pipe.set("t", value + 1)
        try:
            pipe.execute()
            raise AssertionError("the watched key had changed")
        except WatchError:
            pass
    assert r.transaction(lambda pipe: pipe.multi() or pipe.incr("t", 2), "t") == [42]


def pubsub(r):
    heard = []
    done = threading.Event()
    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(**{"news": lambda message: heard.append(message["data"])})
    listener.psubscribe(**{"n?ws": lambda message: (heard.append(message["pattern"]), done.set())})
    # The subscriptions are in force when their confirmations are read.
    while listener.get_message(timeout=0.2) is not None or len(r.pubsub_channels()) == 0 or r.pubsub_numpat() == 0:
        pass
    thread = listener.run_in_thread(sleep_time=0.01)
    assert r.publish("news", "extra") == 2
    assert done.wait(20)
    thread.stop()
    thread.join()
    listener.close()
    assert sorted(heard) == ["extra", "n?ws"], heard


def locks(r):
    with r.lock("lock", timeout=10):
        assert not r.lock("lock", blocking=False).acquire()
    assert r.exists("lock") == 0


def scripts(r):
    double = r.register_script("return tonumber(redis.call('GET', KEYS[1])) * ARGV[1]")
    r.set("number", 21)
    assert double(keys=["number"], args=[2]) == 42
    assert r.eval("return {1, 'two', {3}}", 0) == [1, "two", [3]]
    try:
        r.evalsha("0" * 40, 0)
        raise AssertionError("no NOSCRIPT")
    except NoScriptError:
        pass


def administration(r):
    assert r.info("server")["redis_mode"] == "standalone"
    assert r.config_set("maxclients", 1234) and r.config_get("maxclients") == {"maxclients": "1234"}
    assert r.client_setname("redis-py") and r.client_getname() == "redis-py"
    assert any(client["name"] == "redis-py" for client in r.client_list())
    assert isinstance(r.slowlog_get(), list) and r.dbsize() > 0
    assert r.memory_usage("scores") > 0 and r.object("encoding", "counter") == "int"
    assert r.command_count() > 200 and "get" in r.command()
    assert r.role()[0] == "master" and r.lastsave() is not None
    two = redis.Redis(port=port, db=2, decode_responses=True)
    assert two.set("here", 1) and r.move("greeting", 2) is False and two.dbsize() == 1
    assert r.swapdb(2, 3) and two.dbsize() == 0
    r.replicaof("127.0.0.1", 1)
    try:
        r.set("x", 1)
        raise AssertionError("a replica was written to")
    except ReadOnlyError:
        pass
    r.replicaof("NO", "ONE")


port = int(sys.argv[1])
client = redis.Redis(port=port, decode_responses=True, socket_timeout=60)
client.flushall()
parts = [strings, collections, streams, pipelines, pubsub, administration]
if "eval" in client.command():
    # A lock is given back by a script.
    parts[-1:-1] = [scripts, locks]
for part in parts:
    part(client)
    print(part.__name__, "ok", flush=True)
