-- keys.lua -- for wrk: X-Key is one of KEYS names, drawn evenly.
local keys = tonumber(os.getenv("KEYS"))

function init()
	math.randomseed(os.time())
end

function request()
	return wrk.format("GET", nil, { ["X-Key"] = "key-" .. math.random(keys) })
end
