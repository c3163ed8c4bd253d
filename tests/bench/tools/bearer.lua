-- bearer.lua -- for wrk: tokens of the file TOKENS, COUNT of them from FROM on. With ONCE set each is sent once and
-- the run ends.
local tokens, at, count = {}, 0, tonumber(os.getenv("COUNT"))
local once, ffi = os.getenv("ONCE") == "1", require "ffi"
ffi.cdef "int getpid(void); int kill(int pid, int signal);"

function init()
	local from, n = tonumber(os.getenv("FROM")), 0
	for line in io.lines(os.getenv("TOKENS")) do
		if n >= from and #tokens < count then tokens[#tokens + 1] = "Bearer " .. line end
		n = n + 1
	end
end

function request()
	at = at + 1
	if at == count and once then ffi.C.kill(ffi.C.getpid(), 2) end -- wrk ends, and tells what it did
	return wrk.format("GET", nil, { Authorization = tokens[(at - 1) % #tokens + 1] })
end
