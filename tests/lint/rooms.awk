# The table of rooms in ARCHITECTURE.md names the rooms of proxy/ORDER, each with a line.
# usage: awk -f tests/lint/rooms.awk proxy/ORDER ARCHITECTURE.md
FILENAME == ARGV[1] {
	if ($0 !~ /^#/ && $1 ~ /:$/) order[substr($1, 1, length($1) - 1)] = FNR
	next
}
/^## / { inside = /^## Rooms/ }
inside && match($0, /^\| `[a-z]+\/?` \| [^ |]/) {
	split($0, part, "`")
	room = part[2]; sub(/\/$/, "", room)
	if (!(room in order)) complain(FNR, room " is not in proxy/ORDER")
	if (room in named) complain(FNR, room " has a second line")
	named[room] = 1
}
function complain(line, what) { print ARGV[2] ":" line ": " what; bad = 1 }
END {
	for (room in order) if (!(room in named)) complain(1, "no line says what " room "/ does")
	exit bad
}
