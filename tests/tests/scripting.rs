//! Scripts and functions: the same replies as a real server gives, with one core and with several; the effects of scripts on
//! replicas of either kind; and a sandbox that holds.

use koltso_tests::{Client, Kind, Server, Value, eventually, oracle, slow_script, with_cores};
use rustix::process::Signal;

/// Scripts without keys, each with what it is given: every reply is that of redis-server.
const SAME: &[(&str, &[&str])] = &[
    // Values to replies.
    ("return 1", &[]),
    ("return 3.99", &[]),
    ("return -3.99", &[]),
    ("return 'x'", &[]),
    ("return true", &[]),
    ("return false", &[]),
    ("return nil", &[]),
    ("return {1,2,nil,4}", &[]),
    ("return {1,{2,{3,'x'}},false,true}", &[]),
    ("return {ok='fine'}", &[]),
    ("return {err='My Err'}", &[]),
    ("return {err='ERR a\\r\\nb'}", &[]),
    ("return {double=1.5}", &[]),
    ("return {big_number='123'}", &[]),
    ("return {map={a=1}}", &[]),
    ("return {set={a=true}}", &[]),
    ("return {verbatim_string={string='x',format='txt'}}", &[]),
    ("return redis.error_reply('X y')", &[]),
    ("return redis.error_reply('-X y')", &[]),
    ("return redis.error_reply('alone')", &[]),
    ("return redis.error_reply()", &[]),
    ("return redis.status_reply('fine')", &[]),
    ("return redis.status_reply(1)", &[]),
    ("return", &[]),
    ("", &[]),
    ("return function() end", &[]),
    ("return {KEYS[1],ARGV[1],ARGV[2],#KEYS,#ARGV}", &["a", "b"]),
    // Replies to values.
    ("return redis.call('set','k',ARGV[1])", &["v"]),
    ("return redis.call('get','k')", &[]),
    ("return redis.call('get','none')", &[]),
    ("return type(redis.call('get','none'))", &[]),
    ("return redis.call('get','none') == false", &[]),
    ("redis.setresp(3); return redis.call('get','none') == nil", &[]),
    ("return redis.call('set','k','v').ok", &[]),
    ("return redis.call('incr','n')", &[]),
    ("return redis.call('incr','n') + 0.5", &[]),
    ("return redis.call('rpush','l',1,2,3.5,10)", &[]),
    ("return redis.call('lrange','l',0,-1)", &[]),
    ("return redis.call('hset','h','f','v')", &[]),
    ("redis.setresp(3); return redis.call('hgetall','h')", &[]),
    ("redis.setresp(3); return redis.call('hgetall','h').map.f", &[]),
    ("redis.call('zadd','z',1.5,'m'); redis.setresp(3); return redis.call('zscore','z','m').double * 2", &[]),
    ("return redis.call('zscore','z','m')", &[]),
    ("return redis.pcall('incr','h')", &[]),
    ("return redis.pcall('incr','h').err", &[]),
    ("return redis.call('incr','h')", &[]),
    ("return {pcall(redis.call,'incr','h')}", &[]),
    ("return {pcall(function() error('x') end)}", &[]),
    ("return {pcall(function() error({code=1}) end)} ~= nil", &[]),
    ("return redis.call('ping')", &[]),
    ("return redis.call('echo','x')", &[]),
    ("return redis.call('select',9)", &[]),
    ("return redis.call('type','h')", &[]),
    // Refusals.
    ("return redis.call()", &[]),
    ("return redis.pcall()", &[]),
    ("return redis.call({})", &[]),
    ("return redis.pcall({})", &[]),
    ("return redis.call('nosuch')", &[]),
    ("return redis.call('get')", &[]),
    ("return redis.pcall('get','a','b')", &[]),
    ("return redis.call('blpop','l',0)", &[]),
    ("return redis.call('subscribe','c')", &[]),
    ("return redis.call('multi')", &[]),
    ("return redis.call('eval','return 1',0)", &[]),
    ("return redis.call('xread','BLOCK',0,'STREAMS','s','$')", &[]),
    ("return redis.setresp(4)", &[]),
    ("return redis.setresp()", &[]),
    ("return redis.set_repl(7)", &[]),
    ("return redis.sha1hex('')", &[]),
    ("return redis.sha1hex(12)", &[]),
    ("return redis.sha1hex()", &[]),
    ("redis.log(9,'x')", &[]),
    ("redis.log('x','x')", &[]),
    ("redis.log(1)", &[]),
    ("return redis.REPL_ALL + redis.REPL_NONE + redis.REPL_SLAVE * 10 + redis.REPL_AOF * 100", &[]),
    ("return {redis.REDIS_VERSION,redis.REDIS_VERSION_NUM}", &[]),
    ("return redis.replicate_commands()", &[]),
    ("return redis.acl_check_cmd('get','x')", &[]),
    ("return redis.acl_check_cmd('nosuch')", &[]),
    // Errors of scripts.
    ("error('boom')", &[]),
    ("error('boom', 0)", &[]),
    ("error({err='X y'})", &[]),
    ("return undeclared", &[]),
    ("undeclared = 1", &[]),
    ("\n\nerror('third line')", &[]),
    ("local function f() error('inner') end\nf()", &[]),
    ("redis.call = 1", &[]),
    ("string.len = 1", &[]),
    ("_G.x = 1", &[]),
    ("setmetatable(_G, {})", &[]),
    ("getmetatable('').__index = nil", &[]),
    ("return print", &[]),
    ("return os", &[]),
    ("return require", &[]),
    ("return dofile", &[]),
    ("return #KEYS + nil", &[]),
    // The base library.
    ("return tostring(0.1+0.2)", &[]),
    ("return tostring(1e15)", &[]),
    ("return tostring(100)", &[]),
    ("return tostring(nil)", &[]),
    ("return tonumber('0x10')", &[]),
    ("return tonumber('z',36)", &[]),
    ("return {unpack({1,2,3})}", &[]),
    ("return {select('#',1,nil,3),select(2,'a','b')}", &[]),
    ("return #redis.call('command','count') == nil", &[]),
    ("return loadstring('return 1+1')()", &[]),
    ("return loadstring('\\27Lua') == nil", &[]),
    ("local parts = {'return ','7'} local i = 0 return load(function() i = i + 1 return parts[i] end)()", &[]),
    ("math.randomseed(7) return {math.random(100),math.random(5,9),tostring(math.random())}", &[]),
    ("math.randomseed(-3) return {math.random(1000000),math.random(1000000)}", &[]),
    ("return string.format('%5.2f %d %s %q', 1.005, 42, 'x', 'a\"b')", &[]),
    ("return {string.gsub('hello world','o','0')}", &[]),
    ("return {string.find('a.b','.',1,true)}", &[]),
    ("return table.concat({1,2,3},',')", &[]),
    ("local t = {3,1,2} table.sort(t) return t", &[]),
    ("return _VERSION", &[]),
    ("return {type(coroutine.wrap(function() coroutine.yield(1) end)),math.floor(-1.5),math.fmod(7,3)}", &[]),
    ("return coroutine.wrap(function() return redis.call('get','k') end)()", &[]),
    // bit
    ("return {bit.tobit(0xffffffff),bit.tobit(2^40+3),bit.bnot(0),bit.band(7,12),bit.bor(1,2,4),bit.bxor(5,3)}", &[]),
    ("return {bit.lshift(1,31),bit.rshift(-1,1),bit.arshift(-8,1),bit.rol(1,33),bit.ror(1,1),bit.bswap(1)}", &[]),
    ("return {bit.tohex(255),bit.tohex(255,4),bit.tohex(-1,-8),bit.tohex(1,0),bit.tohex(1,-2147483648)}", &[]),
    ("return bit.band()", &[]),
    ("return bit.band('x')", &[]),
    // cjson
    ("return cjson.encode({1,2,{a='b/\"\\1'},true,cjson.null})", &[]),
    ("return cjson.encode({})", &[]),
    ("return cjson.encode('\\127')", &[]),
    ("return cjson.encode({[1]=1,[3]=3})", &[]),
    ("return cjson.encode({[1000]=1})", &[]),
    ("return cjson.encode({[{}]=1})", &[]),
    ("return cjson.encode(0/0)", &[]),
    ("return cjson.encode(print == nil)", &[]),
    ("return cjson.encode(1e100) .. cjson.encode(0.1) .. cjson.encode(12345678901234567890)", &[]),
    ("return cjson.decode('[1,2.5,\"x\",null,{\"a\":[]}]')[3]", &[]),
    ("return cjson.decode('[1,2.5,\"x\",null]')[4] == cjson.null", &[]),
    ("return cjson.decode('\"\\\\u00e9\\\\ud83d\\\\ude00\\\\n\"')", &[]),
    ("return cjson.decode('')", &[]),
    ("return cjson.decode('[1,]')", &[]),
    ("return cjson.decode('{\"a\" 1}')", &[]),
    ("return cjson.decode('{a:1}')", &[]),
    ("return cjson.decode('[1] 2')", &[]),
    ("return cjson.decode('\"x')", &[]),
    ("return cjson.decode('nul')", &[]),
    ("return cjson.decode('\"\\\\q\"')", &[]),
    ("return #cjson.decode(string.rep('[',1000)..string.rep(']',1000))", &[]),
    ("return cjson.decode(string.rep('[',1001))", &[]),
    ("local t = {} for i=1,1001 do t = {t} end return cjson.encode(t)", &[]),
    // cmsgpack
    ("return cmsgpack.pack(1,-1,200,70000,-70000,2^40,1.5,0.1,'x',true,false,nil)", &[]),
    ("return cmsgpack.pack({1,2,3},{a=1},{},string.rep('x',300))", &[]),
    ("return cmsgpack.pack()", &[]),
    ("return {cmsgpack.unpack(cmsgpack.pack(1,'x',{1,2},2^40,-5))}", &[]),
    ("return {cmsgpack.unpack_one(cmsgpack.pack(1,2))}", &[]),
    ("return {cmsgpack.unpack_limit(cmsgpack.pack(1,2,3),2,0)}", &[]),
    ("return cmsgpack.unpack('\\193')", &[]),
    ("return cmsgpack.unpack('\\221\\255\\255\\255\\255')", &[]),
    // struct
    ("return struct.pack('>I2<i4bB!4hlds', 258, -2, -1, 255, 3, 4, 1.5, 'zero')", &[]),
    ("return {struct.unpack('>I2<i4bBs', struct.pack('>I2<i4bBs', 258, -2, -1, 255, 'x'))}", &[]),
    ("return struct.size('>I2i8bh!8d')", &[]),
    ("return {struct.unpack('Bc0', struct.pack('Bc0', 3, 'abc'))}", &[]),
    ("return struct.unpack('I4', 'abc')", &[]),
    ("return struct.pack('y', 1)", &[]),
    ("return struct.pack('i33', 1)", &[]),
];

/// What is not about one script's reply: run in this order on both servers.
const COMMANDS: &[&[&str]] = &[
    &["EVAL", "return 1", "x"],
    &["EVAL", "return 1", "-1"],
    &["EVAL", "return 1", "2", "a"],
    &["EVAL", "return {KEYS[1],KEYS[2],ARGV[1]}", "2", "a", "b", "c"],
    &["EVALSHA", "x", "0"],
    &["EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"],
    &["SCRIPT", "LOAD", "return 42"],
    &["SCRIPT", "EXISTS", "1fa00e76656cc152ad327c13fe365858fd7be306", "0000000000000000000000000000000000000000"],
    &["EVALSHA", "1FA00E76656CC152AD327C13FE365858FD7BE306", "0"],
    &["EVALSHA_RO", "1fa00e76656cc152ad327c13fe365858fd7be306", "0"],
    &["SCRIPT", "FLUSH", "LATER"],
    &["SCRIPT", "FLUSH", "SYNC"],
    &["EVALSHA", "1fa00e76656cc152ad327c13fe365858fd7be306", "0"],
    &["SCRIPT", "KILL"],
    &["SCRIPT", "NOSUCH"],
    &["EVAL_RO", "return redis.call('set','k','v')", "0"],
    &["EVAL_RO", "return redis.call('get','k')", "0"],
    &["EVAL_RO", "return redis.call('publish','c','m')", "0"],
    &["EVAL", "#!lua\nreturn 1", "0"],
    &["EVAL", "#!lua flags=no-writes\nreturn redis.call('set','k','v')", "0"],
    &["EVAL", "#!lua flags=bad\nreturn 1", "0"],
    &["EVAL", "#!lua name=x\nreturn 1", "0"],
    &["EVAL", "#!js\nreturn 1", "0"],
    &["EVAL", "#!lua", "0"],
    &["EVAL_RO", "#!lua\nreturn 1", "0"],
    &["MULTI"],
    &["SET", "{t}a", "1"],
    &["EVAL", "return redis.call('incr','{t}a')", "1", "{t}a"],
    &["EVAL", "return redis.call('nosuch')", "0"],
    &["FCALL", "nosuch", "0"],
    &["GET", "{t}a"],
    &["EXEC"],
    &["FUNCTION", "LIST"],
    &["FUNCTION", "LOAD", "x"],
    &["FUNCTION", "LOAD", "#!lua name=a\nreturn 1"],
    &["FUNCTION", "LOAD", "#!lua name=a\nredis.register_function('f', function(keys, args) return {keys, args} end)"],
    &["FUNCTION", "LOAD", "#!lua name=a\nredis.register_function('f', function(keys, args) return 1 end)"],
    &["FUNCTION", "LOAD", "#!lua name=b\nredis.register_function('f', function(keys, args) return 1 end)"],
    &["FUNCTION", "LOAD", "#!lua name=b\nredis.register_function('g', 1)"],
    &["FUNCTION", "LOAD", "#!lua name=b\nredis.register_function()"],
    &["FUNCTION", "LOAD", "#!lua name=b\nredis.register_function{function_name='g'}"],
    &["FUNCTION", "LOAD", "#!lua name=b\nredis.register_function{callback=function() end}"],
    &["FUNCTION", "LOAD", "#!lua name=b\nredis.register_function{function_name='g', callback=function() end, flags={'x'}}"],
    &["FUNCTION", "LOAD", "#!lua name=b\nredis.register_function('g g', function() end)"],
    &["FUNCTION", "LOAD", "#!lua name=b\nredis.call('ping')"],
    &["FUNCTION", "LOAD", "#!lua name=b\nerror('no')"],
    &[
        "FUNCTION",
        "LOAD",
        "#!lua name=b\nredis.register_function{function_name='g', callback=function(keys) return redis.call('get', keys[1]) end, \
         flags={'no-writes'}, description='reads'}",
    ],
    &["FUNCTION", "LOAD", "REPLACE", "#!lua name=a\nredis.register_function('f', function(keys, args) return #keys end)"],
    &["FUNCTION", "LOAD", "NOTHING", "#!lua name=a\nx"],
    &["FUNCTION", "LIST", "LIBRARYNAME", "b*", "WITHCODE"],
    &["FUNCTION", "LIST", "NOTHING"],
    &["FUNCTION", "LIST", "LIBRARYNAME"],
    &["FCALL", "f", "1", "k"],
    &["FCALL_RO", "f", "1", "k"],
    &["FCALL_RO", "g", "1", "{t}a"],
    &["FCALL", "g", "x"],
    &["FCALL", "nosuch", "0"],
    &["FUNCTION", "STATS"],
    &["FUNCTION", "DELETE", "nosuch"],
    &["FUNCTION", "DELETE", "a"],
    &["FUNCTION", "RESTORE", "x"],
    &["FUNCTION", "KILL"],
    &["FUNCTION", "FLUSH", "LATER"],
    &["FUNCTION", "FLUSH"],
    &["FCALL", "g", "0"],
    &["FUNCTION", "DUMP"],
];

fn eval(client: &mut Client, script: &str, args: &[&str]) -> Value {
    client.cmd(&[&["EVAL", script, "0"], args].concat())
}

#[test]
fn scripts_answer_as_those_of_redis_do() {
    let redis = Server::start(Kind::Redis);
    with_cores(|kind| {
        let koltso = Server::start(kind);
        let (mut ours, mut theirs) = (koltso.client(), redis.client());
        for hello in ["2", "3"] {
            for client in [&mut ours, &mut theirs] {
                client.must(&["HELLO", hello]);
                client.must(&["FLUSHALL"]).ok();
            }
            let mut wrong = Vec::new();
            for (script, args) in SAME {
                let (our, their) = (eval(&mut ours, script, args), eval(&mut theirs, script, args));
                if our != their {
                    wrong.push(format!("{script}\n  ours:   {our:?}\n  theirs: {their:?}"));
                }
            }
            assert!(wrong.is_empty(), "RESP{hello}\n{}", wrong.join("\n"));
        }
    });
}

#[test]
fn commands_about_scripts_answer_as_in_redis() {
    let redis = Server::start(Kind::Redis);
    with_cores(|kind| {
        let koltso = Server::start(kind);
        let (mut ours, mut theirs) = (koltso.client(), redis.client());
        for client in [&mut ours, &mut theirs] {
            client.must(&["FLUSHALL"]).ok();
        }
        let mut wrong = Vec::new();
        for command in COMMANDS {
            let (our, their) = (ours.cmd(command), theirs.cmd(command));
            if our != their {
                wrong.push(format!("{command:?}\n  ours:   {our:?}\n  theirs: {their:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// Scripts that are not to get out of their box, or take the node down with them.
const EXPLOITS: &[&str] = &[
    // CVE-2025-49844: the parser's own name of a chunk is collected while it is used.
    "for i = 1, 200 do collectgarbage() loadstring(string.rep('x=1 ', 1000) .. 'return', string.rep('a', 1000 + i)) end return 1",
    // CVE-2025-46817: more results than there is stack, with bounds that overflow.
    "return {pcall(unpack, {}, 0, 2147483647)}",
    "return {pcall(unpack, {}, -2147483648, 2147483647)}",
    "return {pcall(unpack, {1}, 1, 8000000)}",
    // CVE-2025-46818: what basic types have in common is changed for the scripts of others.
    "getmetatable('').__index = function() return 'hacked' end",
    "rawset(getmetatable(''), '__index', nil)",
    "setmetatable(string, {__index = function() end})",
    "rawset(string, 'len', nil)",
    "rawset(_G, 'redis', nil)",
    "rawset(redis, 'call', nil)",
    "table.insert(redis, 1)",
    "setfenv(0, {})  return redis.call('ping')",
    "setfenv(redis.call, {}) return redis.call('ping')",
    "getfenv(redis.call).redis = nil",
    "getmetatable(_G).__index = nil",
    "debug.getinfo(1)",
    // CVE-2025-46819: a long bracket that does not end.
    "return loadstring('[' .. string.rep('=', 1000000))",
    "return loadstring('return [' .. string.rep('=', 100000) .. '[')",
    // CVE-2024-46981, CVE-2015-4335, CVE-2022-0543: finalizers, bytecode, what is loaded from outside.
    "local p = newproxy(true) getmetatable(p).__gc = function() error('x') end p = nil collectgarbage() return 1",
    "return loadstring('\\27LuaQ\\0\\1\\4\\4\\4\\8\\0' .. string.rep('\\255', 1000))",
    "return package.loadlib('x', 'y')",
    "return io.open('/etc/passwd')",
    // CVE-2024-31449: the width of a number.
    "return bit.tohex(65535, -2147483648)",
    // CVE-2020-14147, CVE-2021-32626: formats and results that are too long or too deep.
    "return {pcall(struct.pack, 'i2147483648', 10)}",
    "return {pcall(struct.pack, '>I2147483647', 10)}",
    "return {pcall(struct.size, string.rep('c2147483647', 100))}",
    "return {pcall(struct.unpack, 'c0', 'x', 2147483647)}",
    "return {pcall(string.format, '%' .. string.rep('9', 1000) .. 'd', 1)}",
    "return {pcall(string.rep, 'x', 2^40)}",
    "return {pcall(string.rep, string.rep('x', 2^20), 2^20)}",
    "local t = {} for i = 1, 100000 do t = {t} end return {pcall(cjson.encode, t)}",
    "local t = {} for i = 1, 100000 do t = {t} end return #cmsgpack.pack(t)",
    "return {pcall(cjson.decode, string.rep('[', 1000000))}",
    "return {pcall(cmsgpack.unpack, string.rep('\\145', 1000000))}",
    "return {pcall(cmsgpack.unpack, '\\221\\127\\255\\255\\255')}",
    "cjson.encode_sparse_array(true, 0, 0) return {pcall(cjson.encode, {[2^53] = 1})}",
    "local t = {} for i = 1, 100000 do t = {t} end return t",
    // A small table that holds another many times, or itself: what is made of it has a limit.
    "local t = {} t[1] = t t[2] = t return t",
    "local t = {'x'} for i = 1, 60 do t = {t, t} end return t",
    "local t = {'x'} for i = 1, 60 do t = {t, t} end return {pcall(cjson.encode, t)}",
    "local t = {} for i = 1, 14 do t = {t, t, t, t, t, t, t, t} end return {pcall(cmsgpack.pack, t)}",
    "local s = string.rep('x', 2^24) local t = {} for i = 1, 2000 do t[i] = s end return t",
    "local s = string.rep('x', 2^24) local t = {} for i = 1, 2000 do t[i] = s end return redis.pcall('rpush', 'k', unpack(t))",
    "redis.setresp(3) local t = {} t.map = {a = t, b = t} return t",
    "local f = string.rep('b', 200000) return {pcall(struct.unpack, f, string.rep('x', 200000))} ~= nil",
    "local t = {} for i = 1, 200000 do t[i] = 1 end return {pcall(redis.call, 'rpush', 'k', unpack(t))} ~= nil",
    // More results than a frame of the stack has room for, of a call that is protected.
    "local t = {} for i = 1, 200000 do t[i] = 1 end return select('#', pcall(function() return unpack(t) end))",
    "return {pcall(cmsgpack.unpack, string.rep('a', 90000))} ~= nil",
    // Redis has none of these, and each has been a way out elsewhere.
    "return setfenv(1, {})",
    "return getfenv(0)",
    "return newproxy(true)",
    "string.find = function() return 'hacked' end",
    "getmetatable(cjson.null).__index = _G",
    "coroutine.wrap(function() redis.call = nil end)()",
    // Patterns, stacks, memory.
    "return {pcall(string.find, string.rep('a', 100000), string.rep('a?', 100000))}",
    "return {pcall(string.find, string.rep('a', 300), string.rep('(a*)', 30) .. 'b')} ~= nil",
    "local function f() return 1 + f() end return {pcall(f)}",
    "local function f() return pcall(f) end return {f()}",
    "local t = setmetatable({}, {}) getmetatable(t).__index = t return {pcall(function() return t.x end)}",
    "local co co = coroutine.wrap(function() return pcall(co) end) return {co()}",
    "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1000) .. i end",
    "local s = 'x' while true do s = s .. s end",
    "return {pcall(table.concat, setmetatable({}, {__index = function() return 'x' end}), ',', 1, 2^53)} ~= nil",
    "return loadstring(string.rep('(', 100000))",
    "return loadstring('return ' .. string.rep('{', 100000))",
    "return loadstring('return ' .. string.rep('-', 100000) .. '1')",
    "return loadstring(string.rep('do ', 100000))",
    "return {xpcall(function() error('x') end, function() error('y') end)}",
    "return redis.call('set', 'k', string.rep('x', 1000), redis)",
];

#[test]
fn the_sandbox_holds_against_the_published_exploits() {
    with_cores(|kind| {
        let server = Server::with(kind).set("script-step-limit", 50_000_000).set("script-memory-limit", "64mb").start();
        let mut client = server.client();
        // Some go to the limits of steps and of memory.
        client.set_timeout(std::time::Duration::from_secs(120));
        for exploit in EXPLOITS {
            let reply = client.cmd(&["EVAL", exploit, "0"]);
            assert!(!format!("{reply:?}").contains("hacked"), "{exploit}: {reply:?}");
            // The node is as it was, for this client and for others.
            for client in [&mut client, &mut server.client()] {
                assert_eq!(client.must(&["PING"]).text(), "PONG", "after {exploit}");
                let same =
                    "return {('abc'):len(), ('x'):rep(2), redis.call('ping').ok, type(string.len), #KEYS, cjson.encode({1})}";
                let reply = client.must(&["EVAL", same, "0"]);
                let expected = [":3", "xx", "PONG", "function", ":0", "[1]"];
                let shown: Vec<String> = reply
                    .items()
                    .iter()
                    .map(|item| match item {
                        Value::Int(n) => format!(":{n}"),
                        other => other.text(),
                    })
                    .collect();
                assert_eq!(shown, expected, "after {exploit}");
            }
        }
        // What the allocator still has of it goes back to the kernel in a moment.
        eventually("the exploits' memory is given back", || {
            let resident = server.resident();
            koltso_tests::wait::must(resident < 700 << 20, || format!("{} MB resident", resident >> 20))
        });
    });
}

/// What scripts write, with its effects.
fn write_by_scripts(client: &mut Client) {
    let keys = ["a", "b", "c", "d", "e", "f"];
    for round in 0..20 {
        let round = round.to_string();
        let script = "for i, key in ipairs(KEYS) do redis.call('set', key, ARGV[1] .. i) end \
                      redis.call('incrbyfloat', 'float', 0.1) redis.call('sadd', 'set', ARGV[1]) redis.call('spop', 'set') \
                      redis.call('rpush', 'undeclared' .. ARGV[1], math.random()) redis.call('expire', KEYS[1], 1000) \
                      return redis.call('get', KEYS[2])";
        client.must(&[&["EVAL", script, "6"], &keys[..], &[&round]].concat());
        client.must(&["EVAL", "return redis.call('incr', KEYS[1])", "1", "counter"]);
        client.must(&["EVAL", "redis.call('select', 1) redis.call('set', 'other', 'db')", "0"]);
        client.cmd(&["EVAL", "redis.call('set', 'before', ARGV[1]) error('x')", "0", &round]);
        client.must(&["MULTI"]).ok();
        client.must(&["INCR", "in-multi"]);
        client.must(&["EVAL", "return redis.call('incr', 'in-multi')", "0"]);
        client.must(&["EXEC"]);
        client.must(&["EVAL", "redis.set_repl(redis.REPL_ALL) return redis.call('lpush', 'l', 1, 2, 3)", "0"]);
    }
    let code =
        "#!lua name=lib\nredis.register_function('put', function(keys, args) return redis.call('set', keys[1], args[1]) end)";
    client.must(&["FUNCTION", "LOAD", "REPLACE", code]);
    client.must(&["FCALL", "put", "1", "by-function", "v"]).ok();
}

#[test]
fn effects_of_scripts_reach_replicas_of_either_kind() {
    with_cores(|kind| {
        for (first, second) in [(kind, Kind::Redis), (Kind::Redis, kind), (kind, kind)] {
            let primary = Server::start(first);
            let mut client = primary.client();
            // Libraries of before are in the full synchronisation, those of after in the stream.
            let early = "#!lua name=early\nredis.register_function{function_name='early', \
                         callback=function() return 'early' end, flags={'no-writes'}}";
            client.must(&["FUNCTION", "LOAD", early]);
            client.must(&["SET", "x", "1"]).ok();
            let replica = Server::with(second).replica_of(primary.port()).start();
            oracle::wait_link_up(&replica);
            oracle::wait_online(&primary, 1);
            write_by_scripts(&mut client);
            oracle::assert_same(&primary, &replica);
            let dump = |server: &Server| server.client().must(&["FUNCTION", "LIST", "WITHCODE"]).sorted();
            assert_eq!(dump(&primary), dump(&replica), "{first:?} to {second:?}");
            let mut reader = replica.client();
            assert_eq!(reader.must(&["FCALL", "early", "0"]).text(), "early");
            let refused = reader.cmd(&["EVAL", "return redis.call('set','k','v')", "0"]);
            assert!(refused.error().starts_with("READONLY"), "{refused:?}");
            assert_eq!(reader.must(&["EVAL", "return redis.call('get','by-function')", "0"]).text(), "v");
        }
    });
}

#[test]
fn a_busy_script_is_told_of_and_can_be_ended() {
    with_cores(|kind| {
        let server = Server::with(kind).set("busy-reply-threshold", 50).start();
        let mut others: Vec<Client> = (0..8).map(|_| server.client()).collect();
        let mut runner = server.client();
        runner.send_raw(&koltso_tests::client::encode(&["EVAL", "while true do pcall(redis.call, 'ping') end", "0"])).unwrap();
        for client in &mut others {
            eventually("everybody is told that the node is busy", || {
                let reply = client.cmd(&["GET", "k"]);
                koltso_tests::wait::must(reply.is_error() && reply.error().starts_with("BUSY"), || format!("{reply:?}"))
            });
        }
        assert!(others[0].cmd(&["FUNCTION", "KILL"]).error().starts_with("BUSY"));
        others[0].must(&["SCRIPT", "KILL"]).ok();
        assert!(runner.read().unwrap().error().contains("killed by user"));
        for client in &mut others {
            eventually("it is over", || {
                let reply = client.cmd(&["GET", "k"]);
                koltso_tests::wait::must(!reply.is_error(), || format!("{reply:?}"))
            });
        }
        assert!(others[0].cmd(&["SCRIPT", "KILL"]).error().starts_with("NOTBUSY"));
        // One that has written is not ended but with the node.
        runner.send_raw(&koltso_tests::client::encode(&["EVAL", "redis.call('set','k','v') while true do end", "0"])).unwrap();
        eventually("it counts as busy", || {
            let reply = others[1].cmd(&["SCRIPT", "KILL"]);
            koltso_tests::wait::must(reply.error().starts_with("UNKILLABLE"), || format!("{reply:?}"))
        });
        assert!(others[2].cmd(&["SHUTDOWN"]).error().starts_with("BUSY"));
        let _ = others[3].try_cmd(&["SHUTDOWN", "NOSAVE"]);
        let mut server = server;
        server.wait_exit();
    });
}

/// Each of these would run for hours in one native function, if that did not look up from its work.
#[test]
fn a_script_within_a_long_native_function_can_be_ended() {
    let table = "local a = {} for i = 1, 1000 do a[i] = 1 end local b = {} for i = 1, 1000 do b[i] = a end \
                 local c = {} for i = 1, 1000 do c[i] = b end";
    let scripts = [
        "local s = string.rep('a', 2e6) local p = string.rep('a', 1e6) .. 'b' .. string.rep('a', 10) \
         while true do string.find(s, p, 1, true) end"
            .to_string(),
        "local s = string.rep('a', 2e6) local p = string.rep('a', 1e6) .. 'b' while true do string.find(s, p) end".into(),
        "local s = string.rep('a', 1e7) local p = '[' .. string.rep('b', 1e6) .. 'a]*c' while true do pcall(string.find, s, p) end"
            .into(),
        "return string.gsub(string.rep('(', 1e7), '%b()', '')".into(),
        "local t = {} for i = 1, 1e5 do t[i] = tostring(i % 9000 + 1000) end while true do pcall(table.sort, t, string.rep) end"
            .into(),
        "local t = {} for i = 1, 1e5 do t[string.rep('x', 100) .. i] = 1e6 end while true do table.foreach(t, string.rep) end".into(),
        format!("{table} while true do pcall(cjson.encode, c) end"),
        format!("{table} while true do pcall(cmsgpack.pack, c) end"),
        format!("{table} return c"),
    ];
    let server = Server::with(Kind::Koltso { cores: 1 }).set("busy-reply-threshold", 50).start();
    for script in scripts {
        let (mut runner, mut client) = (server.client(), server.client());
        runner.send_raw(&koltso_tests::client::encode(&["EVAL", &script, "0"])).unwrap();
        eventually("the node is busy with it, and ends it", || {
            let reply = client.cmd(&["SCRIPT", "KILL"]);
            koltso_tests::wait::must(!reply.is_error(), || format!("{reply:?}: {script}"))
        });
        let reply = runner.read().unwrap();
        assert!(reply.is_error() && reply.error().contains("killed by user"), "{reply:?}: {script}");
    }
}

#[test]
fn functions_that_were_made_to_look_up_answer_as_before() {
    let scripts = [
        "return {string.find('a.b', '.', 1, true), string.find('abc', 'c', -1, true), string.find('abc', 'a', 2, true) or 'none'}",
        "return {string.find(string.rep('ab', 3000) .. 'x', 'bx', 1, true), string.find(string.rep('a', 2000), string.rep('a', 999))}",
        "local s = string.rep('a', 3000) return {string.find(s, string.rep('a', 1000), -1000, true), string.find(s, s, 2, true) or 0}",
        "local t = {3, 1, 2} table.sort(t) return t",
        "local t = {'b', 'c', 'a'} table.sort(t) return t",
        "local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) return t",
        "local sum = 0 table.foreach({1, 2, 3}, function(_, v) sum = sum + v end) return sum",
        "return table.foreachi({1, 2, 3}, function(i, v) if i == 2 then return v * 10 end end)",
        "return {string.gsub('hello', 'l', 'L'), string.match('key=value', '(%w+)=(%w+)')}",
        "local t = {} for w in string.gmatch('one two', '%a+') do t[#t + 1] = w end return t",
        "return string.find(nil, 'a')",
        "return string.find('a')",
        "return string.match({}, 'a')",
        "return string.find('a', '%')",
        "return string.gsub('a', '(', '')",
        "return table.sort(nil)",
        "return table.sort({1, 2}, 3)",
        "return table.foreach(nil, print)",
        "return table.foreach({}, 3)",
        "return string.find(12345, 34)",
    ];
    let (redis, koltso) = (Server::start(Kind::Redis), Server::start(Kind::Koltso { cores: 1 }));
    let (mut theirs, mut ours) = (redis.client(), koltso.client());
    for script in scripts {
        let (expected, found) = (theirs.cmd(&["EVAL", script, "0"]), ours.cmd(&["EVAL", script, "0"]));
        assert_eq!(format!("{expected:?}"), format!("{found:?}"), "{script}");
    }
}

#[test]
fn scripts_that_were_only_run_make_room_and_loaded_ones_stay() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let loaded = client.must(&["SCRIPT", "LOAD", "return 'loaded'"]).text();
        let first = client.must(&["SCRIPT", "LOAD", "return 'first'"]).text();
        client.must(&["SCRIPT", "FLUSH"]).ok();
        client.must(&["EVAL", "return 'first'", "0"]);
        client.must(&["EVAL", "return 'loaded'", "0"]);
        assert_eq!(client.must(&["SCRIPT", "LOAD", "return 'loaded'"]).text(), loaded);
        let mut clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
        for i in 0..499 {
            clients[i % 6].must(&["EVAL", &format!("return {i}"), "0"]);
        }
        assert_eq!(client.must(&["EVALSHA", &first, "0"]).text(), "first");
        client.must(&["EVAL", "return 'one more'", "0"]);
        for client in &mut clients {
            assert_eq!(client.must(&["EVALSHA", &first, "0"]).text(), "first");
            assert_eq!(client.must(&["EVALSHA", &loaded, "0"]).text(), "loaded");
        }
        for i in 0..600 {
            clients[i % 6].must(&["EVAL", &format!("return -{i}"), "0"]);
        }
        for client in &mut clients {
            assert!(client.cmd(&["EVALSHA", &first, "0"]).error().starts_with("NOSCRIPT"));
            assert_eq!(client.must(&["EVALSHA", &loaded, "0"]).text(), "loaded");
        }
        let info = client.must(&["INFO", "memory"]).text();
        assert!(info.contains("number_of_cached_scripts:501"), "{info}");
    });
}

#[test]
fn a_shutdown_without_saving_ends_one_that_waits_for_a_script() {
    with_cores(|kind| {
        let mut server = Server::with(kind).set("busy-reply-threshold", 50).set("save", "3600 1").start();
        let mut clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
        let mut runner = server.client();
        runner.send_raw(&koltso_tests::client::encode(&["EVAL", "redis.call('set','k','v') while true do end", "0"])).unwrap();
        eventually("it counts as busy", || {
            let reply = clients[0].cmd(&["SCRIPT", "KILL"]);
            koltso_tests::wait::must(reply.error().starts_with("UNKILLABLE"), || format!("{reply:?}"))
        });
        // The first wants to save, which has to wait for the script's writes.
        server.signal(Signal::TERM);
        server.wait_log("User requested shutdown");
        let _ = clients[2].try_cmd(&["SHUTDOWN", "NOSAVE"]);
        server.wait_exit();
    });
}

#[test]
fn half_of_what_a_script_writes_is_not_logged() {
    with_cores(|kind| {
        let mut server = Server::with(kind).set("busy-reply-threshold", 50).set("appendonly", "yes").start();
        if !server.kind().is_koltso() {
            return;
        }
        let (mut client, mut hasty, mut runner) = (server.client(), server.client(), server.client());
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        oracle::wait_link_up(&replica);
        client.must(&["SET", "before", "1"]).ok();
        oracle::wait_caught_up(&mut client, &mut replica.client());
        let script = "redis.call('set', 'a', '1') redis.call('set', 'b', '1') while true do end";
        runner.send_raw(&koltso_tests::client::encode(&["EVAL", script, "0"])).unwrap();
        eventually("it counts as busy", || {
            let reply = client.cmd(&["SCRIPT", "KILL"]);
            koltso_tests::wait::must(reply.error().starts_with("UNKILLABLE"), || format!("{reply:?}"))
        });
        // The first waits for the script, so that the log is complete; the second does not.
        for client in [&mut client, &mut hasty] {
            client.send_raw(b"SHUTDOWN NOSAVE\r\n").unwrap();
        }
        server.wait_exit();
        let mut there = replica.client();
        assert_eq!(there.must(&["GET", "before"]).text(), "1");
        assert_eq!(there.must(&["EXISTS", "a", "b"]).int(), 0);
        server.restart();
        let mut client = server.client();
        assert_eq!(client.must(&["GET", "before"]).text(), "1");
        assert_eq!(client.must(&["EXISTS", "a", "b"]).int(), 0);
    });
}

#[test]
fn keys_that_were_not_declared_are_found_on_whatever_core() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        for i in 0..100 {
            client.must(&["SET", &format!("key:{i}"), &i.to_string()]).ok();
        }
        let sum = "local sum = 0 for i = 0, 99 do sum = sum + redis.call('get', 'key:' .. i) end return sum";
        assert_eq!(client.must(&["EVAL", sum, "0"]).int(), 4950);
        assert_eq!(client.must(&["EVAL", "return #redis.call('keys', 'key:*')", "0"]).int(), 100);
        assert_eq!(client.must(&["EVAL", "return redis.call('dbsize')", "1", "key:1"]).int(), 100);
        let moved = "return redis.call('rename', KEYS[1], 'elsewhere')";
        client.must(&["EVAL", moved, "1", "key:5"]).ok();
        assert_eq!(client.must(&["GET", "elsewhere"]).text(), "5");
    });
}

#[test]
fn a_message_of_a_script_reaches_subscribers_of_every_core_and_counts_them() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut listeners: Vec<Client> = (0..12).map(|_| server.client()).collect();
        for listener in &mut listeners {
            listener.must(&["SUBSCRIBE", "news"]);
        }
        let mut client = server.client();
        let tell = "local n = 0 for i = 1, 10 do n = n + redis.call('publish', 'news', i) end return n";
        assert_eq!(client.must(&["EVAL", tell, "0"]).int(), 120);
        client.must(&["MULTI"]).ok();
        client.cmd(&["EVAL", "return redis.call('publish', 'news', 11)", "0"]);
        assert_eq!(client.must(&["EXEC"]).items()[0].int(), 12);
        for listener in &mut listeners {
            for i in 1..=11 {
                assert_eq!(listener.read().unwrap().items()[2].text(), i.to_string());
            }
        }
    });
}

/// A script runs in the name of its client: half of it would be refused if that went away first.
/// A script that takes long lets others in now and then: what they publish goes to replicas with its writes, not between them.
#[test]
fn messages_published_beside_a_busy_script_do_not_tear_its_writes_apart() {
    with_cores(|kind| {
        let server = Server::with(kind).set("busy-reply-threshold", 100).start();
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        oracle::wait_online(&server, 1);
        let mut publishers: Vec<Client> = (0..8).map(|_| server.client()).collect();
        let mut runner = server.client();
        let script = "for i = 1, 200000 do redis.call('set', 'k' .. i % 1000, string.rep('x', 100) .. i) end return 1";
        runner.send_raw(&koltso_tests::client::encode(&["EVAL", script, "0"])).unwrap();
        for publisher in &mut publishers {
            publisher.send_raw(&koltso_tests::client::encode(&["PUBLISH", "channel", "message"])).unwrap();
        }
        assert_eq!(runner.read().unwrap().int(), 1);
        for publisher in &mut publishers {
            let reply = publisher.read().unwrap();
            assert!(!reply.is_error() || reply.error().starts_with("BUSY"), "{reply:?}");
        }
        oracle::assert_same(&server, &replica);
    });
}

#[test]
fn a_script_whose_client_goes_away_is_run_to_its_end() {
    with_cores(|kind| {
        let server = Server::with(kind).set("busy-reply-threshold", 20).start();
        let mut client = server.client();
        client.must(&["ACL", "SETUSER", "scribe", "on", "nopass", "~*", "+@all", "-flushall"]).ok();
        let mut runner = server.client();
        runner.must(&["AUTH", "scribe", "x"]).ok();
        let (begin, end) = ("redis.call('incr', 'a')", "redis.call('incr', 'b') return 1");
        slow_script::run_after(&mut runner, "EVAL", begin, end, || {
            let reply = client.cmd(&["SCRIPT", "KILL"]);
            koltso_tests::wait::must(reply.error().starts_with("UNKILLABLE"), || format!("{reply:?}"))
        });
        drop(runner);
        eventually("it has come to its end", || {
            let reply = client.cmd(&["MGET", "a", "b"]);
            koltso_tests::wait::must(!reply.is_error(), || format!("{reply:?}"))
        });
        let counts = client.must(&["MGET", "a", "b"]).items();
        assert!(!counts[0].is_null() && counts[0] == counts[1], "half of it was run: {counts:?}");
        eventually("its client is gone", || {
            let list = client.must(&["CLIENT", "LIST"]).text();
            koltso_tests::wait::must(!list.contains("user=scribe"), || list.clone())
        });
    });
}
