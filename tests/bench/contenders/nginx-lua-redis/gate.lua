-- gate.lua -- what a careful operator would write: RS256 tokens verified once and remembered, a rate limit in Redis
-- that replicas share (one round trip for each request), and a class by user agent.
local pkey, digest, cjson = require "openssl.pkey", require "openssl.digest", require "cjson.safe"
local M = {}
local key, redis_path, limit_sha

-- The same algorithm as ours: one time for each bucket, changed in one script.
local LIMIT = [[
local now = redis.call('TIME')
local t = now[1] * 1000000 + now[2]
local tat = tonumber(redis.call('GET', KEYS[1]) or 0)
if tat < t then tat = t end
if tat - t > tonumber(ARGV[2]) then return tat - t - ARGV[2] end
redis.call('SET', KEYS[1], string.format('%.0f', tat + ARGV[1]), 'PX', 60000)
return 0
]]
local WORDS = { "curl/", "wget/", "python-", "go-http-client/", "okhttp/", "terraform/", "kubectl/", "googlebot" }

function M.open(public, redis)
	local f = assert(io.open(public))
	key = pkey.new(f:read("*a"))
	f:close()
	redis_path = redis
end

local function decode(text)
	text = text:gsub("-", "+"):gsub("_", "/")
	return ngx.decode_base64(text .. ("="):rep(-#text % 4))
end

local function verify(token)
	local head, body, signature = token:match("^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$")
	local h, c = head and cjson.decode(decode(head) or ""), body and cjson.decode(decode(body) or "")
	if not h or not c or h.alg ~= "RS256" then return nil end
	local d = digest.new("sha256")
	d:update(head .. "." .. body)
	if not key:verify(decode(signature) or "", d) then return nil end
	if c.iss ~= "https://issuer.bench/" or c.aud ~= "bench" or not c.sub then return nil end
	if not (" " .. (c.scope or "") .. " "):find(" read ", 1, true) then return nil end
	return c.exp and c.exp > ngx.time() and c
end

local function subject_of(token)
	local known = ngx.shared.verdicts:get(token)
	if known then return known end
	local claims = verify(token)
	if claims then
		ngx.shared.verdicts:set(token, claims.sub, claims.exp - ngx.time())
		return claims.sub
	end
end

-- RESP by hand: an array of bulk strings out, one line in.
local function call(s, ...)
	local parts = { "*" .. select("#", ...) .. "\r\n" }
	for _, v in ipairs { ... } do parts[#parts + 1] = "$" .. #v .. "\r\n" .. v .. "\r\n" end
	s:send(parts)
	local line = s:receive()
	if line and line:sub(1, 1) == "$" then return s:receive(tonumber(line:sub(2)) + 2):sub(1, -3) end
	return line
end

local function wait_for(subject)
	local s = ngx.socket.tcp()
	if not s:connect(redis_path) then return nil end
	limit_sha = limit_sha or call(s, "SCRIPT", "LOAD", LIMIT)
	local answer = call(s, "EVALSHA", limit_sha, "1", "l:" .. subject, "10", "1000000")
	s:setkeepalive(60000, 128)
	return answer and tonumber(answer:sub(2))
end

function M.enter()
	local token = (ngx.var.http_authorization or ""):match("^[Bb]earer +([^ ]+)$")
	local subject = token and subject_of(token)
	if not subject then return ngx.exit(401) end
	local wait = wait_for(subject)
	if not wait then return ngx.exit(503) end
	if wait > 0 then return ngx.exit(429) end
	local agent, class = (ngx.var.http_user_agent or ""):lower(), "human"
	for _, word in ipairs(WORDS) do
		if agent:find(word, 1, true) then class = "declared" end
	end
	ngx.var.gate_subject, ngx.var.gate_class = subject, class
end

return M
