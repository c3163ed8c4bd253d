# Checks every #include "room/file.h" against proxy/ORDER; and that every room that a row names is opened.
# usage: awk -f tests/lint/order.awk proxy/ORDER $(find proxy -name '*.[ch]')
FNR == 1 && FILENAME != ARGV[1] {
	split(FILENAME, part, "/")
	here = (part[3] == "") ? "main" : part[2]
	if (!(here in known)) complain("room not named in ORDER: " here)
}
FILENAME == ARGV[1] {
	if ($0 ~ /^#/ || NF == 0) next
	room = $1; sub(/:$/, "", room); known[room] = 1; may[room, room] = 1
	for (i = 2; i <= NF; i++) {
		if (!($i in known)) complain(room " opens " $i ", which is not above it in this file")
		may[room, $i] = 1; row[room, $i] = FNR
	}
	next
}
/^#include "/ {
	path = $2; gsub(/"/, "", path)
	if (split(path, to, "/") != 2) complain("write \"room/file.h\": " path)
	else if (!((here, to[1]) in may)) complain(here " may not open " to[1])
	else delete row[here, to[1]]
	if (to[1] != here && to[1] != "base" && to[2] != to[1] ".h")
		complain(path " is private to " to[1] "; open " to[1] "/" to[1] ".h")
}
function complain(what) { print FILENAME ":" FNR ": " what; bad = 1 }
END {
	for (edge in row) {
		split(edge, end, SUBSEP)
		print ARGV[1] ":" row[edge] ": " end[1] " opens " end[2] " nowhere"; bad = 1
	}
	exit bad
}
