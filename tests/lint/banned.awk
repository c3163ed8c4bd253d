# Functions that this project does not use, with what it uses instead; and memory that is shared without a row in
# shared/tables.def, so that the tests which overwrite all that workers can write would not know of it.
BEGIN {
	instead["strcpy"] = instead["strcat"] = instead["sprintf"] = instead["strncpy"] = "struct text"
	instead["strtok"] = instead["strsep"] = "slice_cut"
	instead["atoi"] = instead["atol"] = instead["atoll"] = instead["strtoul"] = "slice_u64"
	instead["gets"] = instead["alloca"] = instead["rand"] = instead["random"] = "random_u64 or an arena"
	instead["system"] = instead["popen"] = "fork and execve"
}
{
	line = $0
	sub(/\/\/.*/, "", line)
	if (line ~ /^[ \t]*(\/?\*)/) next
	if (line ~ /MAP_SHARED|MAP_SHARED_VALIDATE|shm_open|shmget/ && FILENAME !~ /shared\/memory_map\.c$/) {
		print FILENAME ":" FNR ": shared memory is a row of shared/tables.def"; bad = 1
	}
	while (match(line, /[A-Za-z_][A-Za-z_0-9]*[ ]*\(/)) {
		word = substr(line, RSTART, RLENGTH); sub(/[ ]*\($/, "", word)
		if (word in instead) { print FILENAME ":" FNR ": " word " is banned; use " instead[word]; bad = 1 }
		line = substr(line, RSTART + RLENGTH)
	}
}
END { exit bad }
