# A function has at most 60 lines, a source 500 (a test's header too), a header 150, a line 110 columns (a tab is 4), a file 12 includes.
# Functions open and close in column 0.
FNR == 1 { includes = 0; open = 0 }
/^\{$/ { open = FNR }
/^\}$/ && open { if (FNR - open > 60) { print FILENAME ":" open ": function of " FNR - open " lines"; bad = 1 } open = 0 }
/^#include / && ++includes == 13 && FILENAME !~ /^tests\// { print FILENAME ":" FNR ": more than 12 includes"; bad = 1 }
FNR == ((FILENAME ~ /^proxy.*\.h$/) ? 151 : 501) { print FILENAME ": too long"; bad = 1 }
{ line = $0; gsub(/\t/, "    ", line); if (length(line) > 110) { print FILENAME ":" FNR ": line of " length(line) " columns"; bad = 1 } }
END { exit bad }
